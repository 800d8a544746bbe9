"""The address a request really comes from: X-Forwarded-For is believed only from TRUSTED_PROXIES."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from flask import request

from app.operations.parts import actions

WITH_PORT = re.compile(r"^(?:([0-9.]+)|\[([^\[\]]+)\]):[0-9]{1,5}$", re.ASCII)  # as some balancers tell it


def peer_address() -> IPv4Address | IPv6Address | None:
    """Walk X-Forwarded-For from its end past the trusted proxies; None when there is no address (a Unix socket)."""
    peer = _address(request.remote_addr or "")
    told = ",".join(request.headers.getlist("X-Forwarded-For"))
    hops = [hop.strip() for hop in told.split(",") if hop.strip()]  # an empty one says nothing (RFC 9110 §5.6.1)
    while hops and peer is not None and _is_trusted(peer):
        forwarded = _address(WITH_PORT.sub(r"\1\2", hops.pop()))
        if forwarded is None:
            break  # nobody can tell who stands behind a hop that is no address
        peer = forwarded
    return peer


def comes_from_trusted_proxy() -> bool:
    """Tell whether a trusted proxy itself sent this request."""
    return is_trusted_proxy(request.remote_addr or "", actions().settings.trusted_proxies)


def is_trusted_proxy(address: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    """Tell whether the address of a connection is in one of these networks; needs no application context."""
    peer = _address(address)
    return peer is not None and any(peer.version == n.version and peer in n for n in networks)


def caller_address() -> str | None:
    """Give the same as text, as traces and limits keep it."""
    address = peer_address()
    return None if address is None else str(address)


def _is_trusted(peer: IPv4Address | IPv6Address) -> bool:
    return any(peer.version == n.version and peer in n for n in actions().settings.trusted_proxies)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip("[]").partition("%")[0])  # a zone is a matter of the machine that names it
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
