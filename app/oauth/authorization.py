"""The authorization endpoint (RFC 6749 §3.1): check the request, sign in, ask for consent, redirect with a code."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from urllib.parse import urlencode

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import redirect, request, url_for
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.wrappers import Response

from app.actions.delegation.consents import ConsentQuestion
from app.actions.sign_in.sessions import SignedIn
from app.compose import Actions
from app.crypto.request_time import RequestTimes
from app.errors import Busy, GrantRefused, Invalid, LatchkeyError, TooManyRequests
from app.http import browser
from app.http.request import read_request
from app.models.client import BY_OPERATOR
from app.oauth.authorization_code import Approval, AuthorizationCode
from app.oauth.authorization_pages import AuthorizationPages
from app.oauth.authorization_request import MARK, AuthorizationRequest, read_query
from app.oauth.authorization_response import REDIRECT
from app.oauth.caller import anonymous_actor
from app.oauth.client import OAuthClient
from app.oauth.errors import clean_description
from app.oauth.server import Server
from app.operations.paths import AUTHORIZE

EXPIRED = "this form has expired: go back to the app and begin again"
BROWSER = "Mozilla/"  # how every browser's User-Agent begins
Step = Callable[["Asked", SignedIn], Response]


class Asked:
    """A valid authorization request, and the answers to it that are redirects."""

    def __init__(self, request: AuthorizationRequest, grant: AuthorizationCode, server: Server) -> None:
        self.request = request
        self.grant = grant
        self._server = server

    def redirect(self, approval: Approval | None) -> Response:
        """Redirect with a code, or with access_denied."""
        return cast(Response, self._server.create_authorization_response(self.request, approval, grant=self.grant))

    def refuse(self, error: str, description: str) -> Response:
        """Redirect with an error (RFC 6749 §4.1.2.1)."""
        uri, state = self.grant.redirect_uri, self.request.parameters.get("state")
        refusal = OAuth2Error(clean_description(description), error=error, redirect_uri=uri, state=state)
        return self._server.redirect_error(refusal)

    def question(self, actions: Actions, user_id: str) -> ConsentQuestion:
        """Return what the client asks this user for; raise GrantRefused."""
        parameters, client = self.request.parameters, self.grant.registration
        return actions.consents.question(user_id, client, parameters.get("scope"), parameters.getlist("resource"))


class AuthorizationEndpoint:
    """Nothing is stored before the user has consented: anybody may call this."""

    def __init__(self, server: Server, actions: Actions, pages: AuthorizationPages) -> None:
        self._server = server
        self._actions = actions
        self._pages = pages
        self._times = RequestTimes(actions.settings.secret_keys)

    def show(self) -> Response:
        """Answer the request of a client: sign in, ask for consent, or redirect to the client."""
        if request.method == "POST":
            return self._repeat()
        answer = self._with_request(lambda asked: self._with_user(asked, self._continue))
        return self._end_redirects(answer) if _follows_a_form() else answer

    def _end_redirects(self, answer: Response) -> Response:
        """Go on to the client by a page where a form of ours led here.

        Chromium applies the form's `form-action`, which allows no other host, to every redirect that follows.
        """
        location = answer.location or "/"
        return answer if location.startswith("/") else self._pages.go_on(location)

    def _repeat(self) -> Response:
        """Redirect a posted request to the same one in the URL: only so a browser sends the session along."""
        try:
            if request.query_string:
                raise InvalidRequestError("the parameters are in the body and in the URL")
            query = urlencode(read_query(request.get_data()))
        except OAuth2Error as error:
            return self._pages.refuse(str(error.description))
        return redirect(f"{url_for('oauth.authorize')}?{query}", REDIRECT)

    def answer(self) -> Response:
        """Read the consent form; the request in its URL is checked again in full."""
        try:
            browser.check_form()
        except (browser.CSRFError, UnsupportedMediaType) as error:
            return self._pages.refuse(EXPIRED, error.code or 400)
        return self._with_request(self._decide)

    def _with_request(self, step: Callable[[Asked], Response]) -> Response:
        """Check the request; an error is redirected once the redirect URI is known, before that it is a page."""
        actions = self._actions
        try:
            asked = AuthorizationRequest(request.query_string, read_request(request, actions.settings, actions.clock))
        except OAuth2Error as error:
            return self._pages.refuse(str(error.description))
        client_id = asked.parameters.get("client_id", "")
        try:
            actions.client_documents.refresh(client_id, anonymous_actor(asked.context), discover=True)
            grant = self._server.get_consent_grant(asked)  # type: ignore[no-untyped-call]
        except OAuth2Error as error:
            return self._refuse_request(asked, error)
        except LatchkeyError as error:  # of the look-up of the client
            return self._pages.refuse(str(error), error.status or 400)
        return step(Asked(asked, grant, self._server))

    def _refuse_request(self, asked: AuthorizationRequest, error: OAuth2Error) -> Response:
        """Redirect with an error, but to an app that registered itself only a user who is signed in.

        So a link of ours to a page of anybody's choice leads there through the sign-in form (RFC 9700 §4.11.2).
        """
        if error.redirect_uri is None:
            return self._pages.refuse(str(error.description))
        trusted = cast(OAuthClient, asked.client).registration.registered_by == BY_OPERATOR or "none" in asked.prompt
        if trusted or browser.find_session(self._actions) is not None:
            return self._server.redirect_error(error)
        mark = self._times.mark(asked.unmarked, self._actions.clock())
        return self._pages.ask_to_sign_in(f"{AUTHORIZE}?{asked.marked(mark)}", again=False)

    def _with_user(self, asked: Asked, step: Step) -> Response:
        """Ask the user to sign in if that is needed; redirect a refusal of an action."""
        signed_in = browser.find_session(self._actions)
        if signed_in is None or self._must_sign_in(asked.request, signed_in):
            return self._ask_to_sign_in(asked, again=signed_in is not None)
        if signed_in.lacks_factor:
            return self._ask_for_factor(asked, missing=True)
        try:
            return step(asked, signed_in)
        except LatchkeyError as error:
            return asked.refuse(_code_of(error), str(error))

    def _must_sign_in(self, asked: AuthorizationRequest, signed_in: SignedIn) -> bool:
        """Return whether the session is too old for `prompt` or `max_age`, and not begun for this very request."""
        now, begun = self._actions.clock(), signed_in.signed_in_at
        asked_at = self._times.read(asked.mark, asked.unmarked, now)
        if asked_at is not None and begun > asked_at:
            return False
        return asked.asks_for_sign_in or (asked.max_age is not None and (now - begun).total_seconds() > asked.max_age)

    def _ask_to_sign_in(self, asked: Asked, *, again: bool) -> Response:
        if "none" in asked.request.prompt:
            return asked.refuse("login_required", "the user is not signed in, or not recently enough")
        mark = self._times.mark(asked.request.unmarked, self._actions.clock())
        return self._pages.ask_to_sign_in(f"{AUTHORIZE}?{asked.request.marked(mark)}", again=again)

    def _ask_for_factor(self, asked: Asked, *, missing: bool) -> Response:
        if "none" in asked.request.prompt:
            return asked.refuse("interaction_required", "the user has to set up a second factor first")
        return self._pages.ask_for_factor(f"{AUTHORIZE}?{asked.request.query}", missing=missing)

    def _continue(self, asked: Asked, signed_in: SignedIn) -> Response:
        question, prompt = asked.question(self._actions, signed_in.actor.id), asked.request.prompt
        if not question.needed and "consent" not in prompt:
            return asked.redirect(Approval(signed_in.actor, self._actions.consents.agreed(question)))
        if "none" in prompt:
            return asked.refuse("consent_required", "the user has not agreed to all of this yet")
        if signed_in.must_confirm:  # a consent mints a grant, as a form mints a token; a repeated request does not
            return self._ask_for_factor(asked, missing=False)
        return self._ask_consent(asked, signed_in, question)

    def _decide(self, asked: Asked) -> Response:
        decision = request.form.getlist("decision")
        if decision == ["deny"]:
            return asked.redirect(None)
        if decision != ["allow"]:
            return self._pages.refuse("the decision must be allow or deny")
        return self._with_user(asked, self._agree)

    def _agree(self, asked: Asked, signed_in: SignedIn) -> Response:
        if signed_in.must_confirm:
            return self._ask_for_factor(asked, missing=False)
        question = asked.question(self._actions, signed_in.actor.id)
        try:
            granted = self._actions.consents.agree(signed_in.actor, question, request.form.getlist("scopes"))
        except Invalid as refusal:
            return self._ask_consent(asked, signed_in, question, refusal)
        return asked.redirect(Approval(signed_in.actor, granted))

    def _ask_consent(
        self, asked: Asked, signed_in: SignedIn, question: ConsentQuestion, refusal: LatchkeyError | None = None
    ) -> Response:
        action = f"{url_for('oauth.answer_consent')}?{asked.request.query}"
        page = self._pages.ask_consent(question, signed_in, action, str(asked.grant.redirect_uri), refusal)
        page.status_code = 200  # in the body of an error, a `state` that looks like a secret would be redacted
        return page


def _follows_a_form() -> bool:
    """Return whether a form of ours led a browser here, by Fetch Metadata, or without them by the mark of a sign-in.

    Programs, which apply no policy to redirects, are redirected.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:  # of an older browser, or over plain http off loopback
        return MARK in request.args and request.headers.get("User-Agent", "").startswith(BROWSER)
    return site == "same-origin"


def _code_of(error: LatchkeyError) -> str:
    """Return the error code of a refusal (RFC 6749 §4.1.2.1)."""
    if isinstance(error, GrantRefused):
        return error.code
    return "temporarily_unavailable" if isinstance(error, TooManyRequests | Busy) else "access_denied"
