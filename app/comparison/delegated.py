"""The delegated OAuth token: an app sends the user through sign-in and consent, and gets tokens for what they allow."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import httpx

from app.comparison.namespace import REDIRECT_URI
from app.comparison.specimens import Got, Harm, Http, change_password, harm_of_disabling, set_roles
from app.comparison.stated import OAUTH
from app.comparison.user_browser import AUTHORIZE, UserBrowser
from app.texts import mark

APPS = "/api/v1/me/apps"


class DelegatedToken:
    """The access token of a public app, and the refresh token beside it."""

    column: ClassVar[str] = OAUTH
    lacks: ClassVar[dict[str, str]] = {}
    issuing: ClassVar[str] = mark("one request with a code, after the user agreed")

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, lifetime: int | None = None) -> Got:
        """Ask for every scope as a new user's app does; the user signs in, and agrees to the smallest one only."""
        return self.get_scopes(self._http.space.read)

    def get_scopes(self, *ticked: str) -> Got:
        """Ask for every scope as a new user's app does; the user signs in, and agrees to the `ticked` ones."""
        browser, verifier = self._browser(), secrets.token_urlsafe(32)
        code = browser.authorize(self._address(verifier, self._http.space.scopes, prompt="consent"), ticked)
        return self._read(self.redeem(code, verifier), browser.requests + 1)

    def prepare_codes(self, number: int) -> list[tuple[str, str]]:
        """Return codes with their verifiers, of one session of the browser and of what was agreed to before."""
        browser, read = self._browser(), [self._http.space.read]
        verifiers = [secrets.token_urlsafe(32) for _ in range(number)]
        return [(browser.authorize(self._address(verifier, read), read), verifier) for verifier in verifiers]

    def redeem(self, code: str, verifier: str | None) -> httpx.Response:
        """Present a code at the token endpoint, without a verifier if that is None."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
        return self._ask(form | ({} if verifier is None else {"code_verifier": verifier}))

    def refresh(self, refresh_token: str, scope: str | None = None) -> httpx.Response:
        """Present a refresh token, for all of its scopes or for one of them."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._ask(form | ({} if scope is None else {"scope": scope}))

    def refreshed(self, refresh_token: str, scope: str | None = None) -> Got:
        """Return the tokens of a refresh; raises httpx.HTTPStatusError when it is refused."""
        return self._read(self.refresh(refresh_token, scope), 1)

    def works(self, got: Got) -> bool:
        """Introspect it as the API."""
        return self._http.reads(got.secret)

    def scopes(self, got: Got) -> list[str]:
        """Return the scopes that introspection reports."""
        return self._http.scopes(got.secret)

    def signed(self, got: Got) -> str | None:
        """Return the token itself."""
        return got.secret

    def harms(self, got: Got) -> dict[str, Harm]:
        """Return the changes that should end it; what is rotated is the refresh token."""
        space = self._http.space
        rotated = mark("the refresh token is replaced, what it got lives on")
        return {
            "after_revocation": Harm(self._revoke(got)),
            "after_rotation": Harm(lambda: self.refreshed(got.refresh_token), survived=rotated),
            "after_role_removal": Harm(lambda: set_roles(space), lambda: set_roles(space, space.role("user"))),
            "after_disabling": harm_of_disabling(space),
            "after_password_change": Harm(lambda: change_password(space), survived=mark("it is not the password")),
            "after_app_end": Harm(self._end_app),
        }

    def _revoke(self, got: Got) -> Callable[[], object]:
        form = {"token": got.secret, "client_id": self._http.space.app.client_id}
        return lambda: self._http.client.post("/oauth/revoke", data=form).raise_for_status()

    def _end_app(self) -> None:
        address = f"{APPS}/{self._http.space.app.id}"
        self._http.client.delete(address, auth=self._http.basic()).raise_for_status()

    def _browser(self) -> UserBrowser:
        return UserBrowser(self._http.client, *self._http.basic())

    def _address(self, verifier: str, scopes: Sequence[str], **more: str) -> str:
        """Return the address of the app's authorization request (RFC 6749 §4.1.1)."""
        parameters = {
            "response_type": "code",
            "client_id": self._http.space.app.client_id,
            "redirect_uri": REDIRECT_URI,
            "resource": self._http.space.identifier,
            "scope": " ".join(scopes),
            "state": secrets.token_urlsafe(8),
            "code_challenge": _challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(AUTHORIZE, params=parameters | more))

    def _ask(self, form: dict[str, str]) -> httpx.Response:
        return self._http.client.post("/oauth/token", data=form | {"client_id": self._http.space.app.client_id})

    def _read(self, response: httpx.Response, requests: int) -> Got:
        answer: dict[str, Any] = response.raise_for_status().json()
        return Got(answer["access_token"], requests, refresh_token=answer["refresh_token"])


def _challenge_of(verifier: str) -> str:
    """Return the challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
