"""What the authorization endpoint shows to the user: the endpoint decides when, these pages how."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.actions.delegation.consents import ConsentQuestion
from app.actions.sign_in.sessions import SignedIn
from app.compose import Actions
from app.errors import LatchkeyError
from app.http import browser
from app.web import pages
from app.web.authorization.consent import render_consent
from app.web.authorization.destination import describe_destination, policy_sources
from app.web.visitors import AUTHORIZE
from app.web.wordings import translate_refusal


class WebAuthorizationPages:
    """The pages of an authorization request (RFC 6749 §4.1.1), for `app.oauth`."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def ask_to_sign_in(self, return_path: str, *, again: bool) -> Response:
        """Redirect to the sign-in form, which continues with the request; `again`: also for a signed-in user."""
        return redirect(url_for("sign_in.show_form", next=return_path, again=1 if again else None), 303)

    def ask_for_factor(self, return_path: str, *, missing: bool) -> Response:
        """Redirect to where a signed-in user gives a second factor again; `missing`: sets one up, as they must."""
        return redirect(url_for("second_factor.index" if missing else "confirm.show", next=return_path), 303)

    def ask_consent(
        self,
        question: ConsentQuestion,
        signed_in: SignedIn,
        action: str,
        redirect_uri: str,
        refusal: LatchkeyError | None = None,
    ) -> Response:
        """Render the question of consent, whose form goes to `action` and may be redirected to the redirect URI."""
        return render_consent(
            question,
            signed_in,
            f"{AUTHORIZE}?{request.query_string.decode('ascii', 'replace')}",
            refusal,
            action=action,
            destination=describe_destination(redirect_uri),
            redirects_to=policy_sources(redirect_uri),
        )

    def refuse(self, message: str, status: int = 400) -> Response:
        """Render the refusal of a request whose app or redirect URI is not valid: nothing is sent there."""
        return pages.render(
            "authorization/refused.html",
            status,
            title=gettext("This app's request cannot be answered"),
            message=translate_refusal(message),
            visitor=browser.find_session(self._actions),
        )

    def go_on(self, location: str) -> Response:
        """Render a page that goes on to the app by itself, and by a link where the browser does not."""
        return pages.render("authorization/continue.html", onward=location)
