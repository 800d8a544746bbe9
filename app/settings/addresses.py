"""Parse IP addresses and networks; an IPv4-mapped IPv6 one (RFC 4291 §2.5.5.2) means IPv4."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
MAPPED = IPv6Network("::ffff:0:0/96")


def read_address(text: str) -> Address:
    """Return the address; a zone is dropped, since it names an interface of one machine. Raise ValueError.

    6to4 and NAT64 addresses stay IPv6: the IPv4 address in them is not the peer's.
    """
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def parse_address(text: str) -> Address | None:
    """Return the address that a peer or a proxy names, in brackets or not; None for a malformed one."""
    try:
        return read_address(text.strip("[]"))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def network_of(address: Address) -> Network:
    """Return the network that is stored instead of an address, a /24 or a /48: it names no single person."""
    return ip_network((address, 24 if address.version == 4 else 48), strict=False)


def is_within(address: Address, networks: Collection[Network]) -> bool:
    """Return whether one of the networks contains the address."""
    return any(address.version == network.version and address in network for network in networks)


def is_trusted_proxy(text: str, proxies: Collection[Network]) -> bool:
    """Return whether the address of a connection belongs to one of the trusted proxies."""
    address = parse_address(text)
    return address is not None and is_within(address, proxies)


def read_network(text: str) -> Network:
    """Return the network; raise ValueError, also for a zone.

    A network within ::ffff:0:0/96 is the IPv4 network. A wider one, such as ::/0, admits IPv6 addresses only.
    """
    if "%" in text:
        raise ValueError("a network has no zone")
    network = ip_network(text)
    if isinstance(network, IPv4Network) or not network.subnet_of(MAPPED):
        return network
    return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - MAPPED.prefixlen))
