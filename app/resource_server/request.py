"""What a guard sees of a request: a value that each adapter makes of its framework's request."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, cast

from .configuration import Verification
from .credential import Credential
from .errors import InvalidRequest, NothingSent

KEPT = "latchkey_resource_server.request"
B64TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")  # RFC 6750 §2.1


@dataclass(frozen=True)
class Request:
    """Describe one request to the API. Each header is a tuple of all its values."""

    method: str
    url: str  # as the caller sent it, without query and fragment
    authorization: tuple[str, ...] = field(default=(), repr=False)
    api_key: tuple[str, ...] = field(default=(), repr=False)  # X-API-Key
    dpop: tuple[str, ...] = field(default=(), repr=False)
    client_ip: str | None = None
    certificate: bytes | None = field(default=None, repr=False)  # of the TLS client, in DER
    verified: dict[object, dict[Verification, Credential]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # by the rules that verified it: a proof counts once, however many guards of one API the request passes


@dataclass(frozen=True)
class Presented:
    """A credential as it was sent: the token, and whether by the DPoP scheme."""

    token: str = field(repr=False)
    by_dpop: bool = False

    @property
    def is_well_formed(self) -> bool:
        """Return whether it can be a token at all."""
        return B64TOKEN.fullmatch(self.token) is not None

    @property
    def is_jwt(self) -> bool:
        """Return whether it has the three parts of a signed JWT."""
        return self.token.count(".") == 2


def keep_request(place: MutableMapping[str, Any], request: Request) -> Request:
    """Return the equal value that is kept in `place`, the framework's own request, with what was verified of it."""
    known = place.get(KEPT)
    if known != request:
        place[KEPT] = request
        return request
    return cast(Request, known)


def read_presented(request: Request) -> Presented:
    """Return the credential of a request; raise NothingSent without one, InvalidRequest for two (RFC 6750 §2)."""
    keys = [Presented(key) for key in _split(request.api_key)]
    others = _split(request.authorization)
    sent = [found for value in others if (found := _read_authorization(value)) is not None]
    if len(keys) + len(sent) > 1 or (keys and others):
        raise InvalidRequest
    if not keys and not sent:
        raise NothingSent
    return (keys + sent)[0]


def _split(values: tuple[str, ...]) -> list[str]:
    """Return the values of a header, of which a server may have joined several by commas."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _read_authorization(value: str) -> Presented | None:
    """Return the credential of an Authorization header; None for another scheme than Bearer and DPoP."""
    scheme, _, token = value.partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        return None
    return Presented(token.strip(), scheme.lower() == "dpop")


def normalize_address(address: str | None) -> str | None:
    """Return an IP address without its zone, None for anything else, as the peer of a Unix socket."""
    try:
        return str(ip_address((address or "").partition("%")[0]))
    except ValueError:
        return None
