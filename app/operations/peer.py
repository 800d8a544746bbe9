"""The address a request really comes from: X-Forwarded-For is believed only from TRUSTED_PROXIES."""

from __future__ import annotations

import re

from flask import request

from app.addresses import Address, read_address
from app.operations.parts import actions

WITH_PORT = re.compile(r"^(?:([0-9.]+)|\[([^\[\]]+)\]):[0-9]{1,5}$", re.ASCII)  # as some balancers tell it


def peer_address() -> Address | None:
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
    peer = _address(request.remote_addr or "")
    return peer is not None and _is_trusted(peer)


def caller_address() -> str | None:
    """Give the same as text, as traces and limits keep it."""
    address = peer_address()
    return None if address is None else str(address)


def _is_trusted(peer: Address) -> bool:
    return any(peer.version == n.version and peer in n for n in actions().settings.trusted_proxies)


def _address(text: str) -> Address | None:
    try:
        return read_address(text.strip("[]"))
    except ValueError:
        return None
