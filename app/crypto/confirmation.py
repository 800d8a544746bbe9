"""What a token is bound to: the `cnf` claim (RFC 7800 §3.1), by a DPoP key, by a client certificate, or by both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Thumbprints in base64url of the key and the certificate whose holder alone may use the token."""

    jkt: str | None = None  # of a public key (RFC 9449 §6.1)
    x5t_s256: str | None = None  # of a certificate (RFC 8705 §3.1)

    @property
    def token_type(self) -> str:
        """The scheme under which the token is sent (RFC 9449 §5); a certificate does not change it."""
        return "DPoP" if self.jkt else "Bearer"

    def members(self) -> dict[str, str]:
        """Return the members of `cnf`."""
        named = {"jkt": self.jkt, "x5t#S256": self.x5t_s256}
        return {name: value for name, value in named.items() if value is not None}


UNBOUND = Confirmation()


def confirmation_in(claims: Mapping[str, Any]) -> Confirmation:
    """Read what one of our own tokens is bound to."""
    cnf = claims.get("cnf", {})
    return Confirmation(cnf.get("jkt"), cnf.get("x5t#S256"))
