"""The answer to an authorization request: a redirect whose parameters are appended to the client's redirect URI."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from authlib.oauth2.rfc9207.parameter import IssuerParameter
from werkzeug.wrappers import Response

REDIRECT = 303  # RFC 9700 §4.12: never one that repeats a form's body


class Issuer(IssuerParameter):
    """Append `iss` to every answer (RFC 9207 §2), where Authlib rewrites the query of the redirect URI."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer

    def get_issuer(self) -> str:
        """Return the issuer."""
        return self._issuer

    def add_issuer_parameter(self, authorization_server: object, response: Response) -> None:
        """Add the parameter to a redirect."""
        if response.location:
            response.location = append_parameters(response.location, [("iss", self._issuer)])


def append_parameters(uri: str, parameters: Iterable[tuple[str, str | None]]) -> str:
    """Append to a URI that stays as it was registered, where Authlib encodes its query in another way.

    A space is `%20`, which is also read correctly where a `+` is not.
    """
    separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return f"{uri}{separator}{urlencode([(name, value or '') for name, value in parameters], quote_via=quote)}"
