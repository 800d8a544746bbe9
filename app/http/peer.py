"""The address a request really comes from: X-Forwarded-For is believed only from TRUSTED_PROXIES."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from flask import request

from app.http.current import actions
from app.settings.addresses import Address, Network, read_address

WITH_PORT = re.compile(r"^(?:([0-9.]+)|\[([^\[\]]+)\]):[0-9]{1,5}$", re.ASCII)  # as some balancers tell it
MOST_HOPS = 100  # proxies that stand one behind the other, and empty elements between them
LONGEST_HOP = 100  # characters of an address with its zone and port


def peer_address() -> Address | None:
    """Walk X-Forwarded-For from its end past the trusted proxies; None when there is no address (a Unix socket)."""
    return walk_back(request.remote_addr or "", ",".join(request.headers.getlist("X-Forwarded-For")), _is_trusted)


def walk_back(sender: str, forwarded: str, is_trusted: Callable[[Address], bool]) -> Address | None:
    """Return the last address of a chain of proxies that is not trusted, looking at MOST_HOPS at the most."""
    peer = _address(sender)
    hops = [hop.strip() for hop in forwarded.rsplit(",", MOST_HOPS)[-MOST_HOPS:]]
    hops = [hop for hop in hops if hop]  # an empty one says nothing (RFC 9110 §5.6.1)
    while hops and peer is not None and is_trusted(peer):
        before = _address(_without_port(hops.pop()))
        if before is None:
            break  # nobody can tell who stands behind a hop that is no address
        peer = before
    return peer


def comes_from_trusted_proxy() -> bool:
    """Tell whether a trusted proxy itself sent this request."""
    return is_trusted_proxy(request.remote_addr or "", actions().settings.trusted_proxies)


def is_trusted_proxy(address: str, networks: Collection[Network]) -> bool:
    """Return whether the address of a connection is in one of these networks; needs no application context."""
    peer = _address(address)
    return peer is not None and any(peer.version == n.version and peer in n for n in networks)


def caller_address() -> str | None:
    """Give the same as text, as traces and limits keep it."""
    address = peer_address()
    return None if address is None else str(address)


def _without_port(hop: str) -> str:
    return WITH_PORT.sub(r"\1\2", hop) if len(hop) <= LONGEST_HOP else ""


def _is_trusted(peer: Address) -> bool:
    return any(peer.version == n.version and peer in n for n in actions().settings.trusted_proxies)


def _address(text: str) -> Address | None:
    try:
        return read_address(text.strip("[]"))
    except ValueError:
        return None
