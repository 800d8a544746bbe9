"""The address that a request comes from: X-Forwarded-For is believed only from TRUSTED_PROXIES."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from app.settings.addresses import Address, Network, is_within, parse_address

WITH_PORT = re.compile(r"^(?:([0-9.]+)|\[([^\[\]]+)\]):[0-9]{1,5}$", re.ASCII)  # some balancers append the port
MOST_HOPS = 100  # proxies in a row, with the empty elements between them
LONGEST_HOP = 100  # characters of an address with its zone and port


def peer_address(sender: str, forwarded: str, proxies: Collection[Network]) -> Address | None:
    """Return the address behind the trusted proxies; None when there is none (a Unix socket).

    `sender` is the address of the connection, `forwarded` the X-Forwarded-For headers, joined by commas.
    """
    return walk_back(sender, forwarded, lambda address: is_within(address, proxies))


def walk_back(sender: str, forwarded: str, is_trusted: Callable[[Address], bool]) -> Address | None:
    """Return the last address of a chain of proxies that is not trusted, reading at most MOST_HOPS of them."""
    peer = parse_address(sender)
    hops = [hop.strip() for hop in forwarded.rsplit(",", MOST_HOPS)[-MOST_HOPS:]]
    hops = [hop for hop in hops if hop]  # an empty element means nothing (RFC 9110 §5.6.1)
    while hops and peer is not None and is_trusted(peer):
        before = parse_address(_without_port(hops.pop()))
        if before is None:
            break  # what precedes a hop without an address cannot be attributed
        peer = before
    return peer


def _without_port(hop: str) -> str:
    return WITH_PORT.sub(r"\1\2", hop) if len(hop) <= LONGEST_HOP else ""
