"""Distinguish public addresses from private ones, including IPv4 addresses embedded in IPv6."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


def is_public(address: str) -> bool:
    """Return whether an address, with or without a zone, is globally reachable unicast."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = _embedded_ipv4(ip)
        if embedded is not None:
            return _is_global_unicast(embedded)
        if ip.sixtofour is not None and not _is_global_unicast(ip.sixtofour):
            return False  # a relay would unpack it; Teredo and ::/96 are not global in themselves
    return _is_global_unicast(ip)


def _embedded_ipv4(ip: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a connection to this address goes to."""
    return IPv4Address(ip.packed[-4:]) if ip in NAT64 else ip.ipv4_mapped


def _is_global_unicast(ip: IPv4Address | IPv6Address) -> bool:
    special = (
        ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_private or ip.is_link_local or ip.is_loopback
    )
    return ip.is_global and not special and not (isinstance(ip, IPv6Address) and ip.is_site_local)
