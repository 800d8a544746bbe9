"""The pages that the authorization endpoint needs; the web package has them, and `create_app` passes them."""

from __future__ import annotations

from typing import Protocol

from werkzeug.wrappers import Response

from app.actions.delegation.consents import ConsentQuestion
from app.actions.sign_in.sessions import SignedIn
from app.errors import LatchkeyError


class AuthorizationPages(Protocol):
    """Ask the user to sign in and to consent, and show what cannot be redirected to a client."""

    def ask_to_sign_in(self, return_path: str, *, again: bool) -> Response:
        """Redirect to the sign-in form; `again`: also a user who is signed in must sign in."""

    def ask_for_factor(self, return_path: str, *, missing: bool) -> Response:
        """Redirect to where a signed-in user gives a second factor again; `missing`: sets one up, as they must."""

    def ask_consent(
        self,
        question: ConsentQuestion,
        signed_in: SignedIn,
        action: str,
        redirect_uri: str,
        refusal: LatchkeyError | None = None,
    ) -> Response:
        """Show what the client asks for; the form posts to `action`, `refusal` says why the last answer was refused."""

    def refuse(self, message: str, status: int = 400) -> Response:
        """Show why a request is refused without a redirect."""

    def go_on(self, location: str) -> Response:
        """Show a page from which the browser goes on by itself to a client."""
