"""Read an authorization request (RFC 6749 §4.1.1) from the query: each parameter once, but for `resource`."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import cast
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from werkzeug.datastructures import MultiDict

from app.http.request import Request
from app.oauth.form_reader import FormPayload

LONGEST = 4_800  # bytes: the sign-in form repeats the query as a part of its own
MOST_PARAMETERS = 100
MARK = "signed_in_after"  # ours: the marked time of the request, after which the user has to sign in
DECIDES_DESTINATION = ("client_id", "redirect_uri")
SECONDS = re.compile(r"[0-9]{1,9}")


class AuthorizationRequest(OAuth2Request):
    """A query, where Authlib reads a form too; its check for https is left to our settings.

    `parameters` has each parameter that is sent once, and each `resource`.
    """

    def __init__(self, query: bytes, context: Request) -> None:
        """Raise InvalidRequestError, without a redirect, for a query that says not clearly where to redirect to."""
        super().__init__("GET", "https://checked.by.settings/")
        pairs = read_query(query)
        counts = Counter(name for name, _ in pairs)
        self.repeated = sorted(name for name, count in counts.items() if count > 1 and name != "resource")
        for name in DECIDES_DESTINATION:
            if name in self.repeated:
                raise InvalidRequestError(f"{name} is repeated")
        self.pairs = [(name, value) for name, value in pairs if value or name in self.repeated]  # RFC 6749 §3.1
        self.parameters = MultiDict((n, v) for n, v in self.pairs if n not in self.repeated)
        self.payload = FormPayload(self.parameters)
        self.context = context

    @cached_property
    def prompt(self) -> frozenset[str]:
        """The values of `prompt`."""
        return frozenset(self.parameters.get("prompt", "").split())

    @property
    def max_age(self) -> int | None:
        """Seconds since the sign-in; `None` for any number. Raise InvalidRequestError."""
        text = self.parameters.get("max_age")
        if text is None:
            return None
        if not SECONDS.fullmatch(text):
            raise InvalidRequestError("max_age is not a number of seconds")
        return int(text)

    @property
    def asks_for_sign_in(self) -> bool:
        """Whether a session that exists already is not enough; so says also a `max_age` of 0."""
        return "login" in self.prompt or self.max_age == 0

    @property
    def mark(self) -> str:
        """The mark that an earlier answer of ours added to the request; empty without one."""
        return self.parameters.get(MARK, "")

    @cached_property
    def unmarked(self) -> str:
        """The query without our mark, in one spelling."""
        return urlencode([(name, value) for name, value in self.pairs if name != MARK])

    @property
    def query(self) -> str:
        """The whole query, in one spelling."""
        return urlencode(self.pairs)

    def marked(self, mark: str) -> str:
        """Return the query with a mark."""
        return f"{self.unmarked}&{urlencode({MARK: mark})}"


def authorization_request(request: object) -> AuthorizationRequest:
    """Return the request of the grant as the authorization request that the endpoint made."""
    return cast(AuthorizationRequest, request)


def read_query(query: bytes) -> list[tuple[str, str]]:
    """Return the parameters; raise InvalidRequestError."""
    if len(query) > LONGEST:
        raise InvalidRequestError(f"the request is longer than {LONGEST} bytes")
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidRequestError(f"the request is not a form in UTF-8 with at most {MOST_PARAMETERS} fields") from None
