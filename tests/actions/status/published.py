"""Read status lists as a stranger does: with PyJWT, the published keys, and zlib."""

import zlib
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.utils import base64url_decode

from tests.core import ISSUER, Core, contents

Position = tuple[str, int]  # a list's address, and an index


@dataclass(frozen=True)
class ReadList:
    """A list whose signature was verified."""

    header: dict[str, Any]
    claims: dict[str, Any]

    @property
    def bits(self) -> bytes:
        return zlib.decompress(base64url_decode(self.claims["status_list"]["lst"]))

    def is_invalid(self, index: int) -> bool:
        """Return the bit of an index, the lowest bit of a byte first."""
        return bool(self.bits[index // 8] >> (index % 8) & 1)


def position_of(token: str) -> Position:
    """Return where a JWT says that its status is."""
    status = contents(token)["status"]["status_list"]
    return status["uri"], status["idx"]


def read_list(core: Core, uri: str) -> ReadList:
    """Return the list at an address now; it must be there, and valid."""
    assert uri.startswith(f"{ISSUER}/status-lists/")
    published = core.actions.status_lists.get(int(uri.rsplit("/", 1)[1], 16))
    assert published is not None, uri
    return verify_list(core, published.token, uri)


def verify_list(core: Core, token: str, uri: str) -> ReadList:
    """Verify a list by the published keys, at the time of the core's clock."""
    with core.store.reading() as session:
        keys = jwt.PyJWKSet(core.actions.signing_keys.published(session, core.clock()))
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(
        token,
        keys[header["kid"]],
        algorithms=["ES256"],
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert header["typ"] == "statuslist+jwt"
    assert claims["sub"] == uri
    assert claims["status_list"]["bits"] == 1
    assert claims["iat"] <= core.clock().timestamp() < claims["exp"]
    return ReadList(header, claims)


def is_invalid(core: Core, token: str) -> bool:
    """Return whether the status list refuses a JWT now."""
    uri, index = position_of(token)
    return read_list(core, uri).is_invalid(index)


def is_refused(core: Core, token: str) -> bool:
    """Return whether introspection finds a JWT inactive, or narrower than what it says."""
    claims, said = core.actions.verify(token), contents(token)
    audience = said["aud"] if isinstance(said["aud"], list) else [said["aud"]]
    if claims is None or set(claims.audience) != set(audience):
        return True
    return {*str(claims.scopes).split()} != {*said["scope"].split()}
