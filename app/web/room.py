"""What the rooms of those who are signed in share: who comes in, how a form is guarded, how a refusal is shown."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wrappers import Response

from app.actions.audit.actor import Actor
from app.actions.sign_in.sessions import SignedIn
from app.database.redaction import redact
from app.errors import Busy, Forbidden, Invalid, LatchkeyError, TooManyRequests
from app.http import browser
from app.http.current import actions
from app.http.request_bounds import MOST_FIELDS, MOST_FORM
from app.web.pages import scripted_page

LONGEST_PLACE = 2_000  # characters of a path and query that one is sent on to


class Room(Blueprint):
    """Pages below one path, for those who are signed in; those of an operator's room hold `manage`."""

    def __init__(self, name: str, path: str, *, operators: bool = False) -> None:
        super().__init__(name, __name__, url_prefix=path)
        self._operators = operators
        self.before_request(self._admit)
        self.register_error_handler(LatchkeyError, refused)
        refuse_forms(self)

    def _admit(self) -> Response | None:
        who = browser.signed_in()
        if who is None:
            return redirect(url_for("sign_in.show_form", next=_wanted()), 303)
        if self._operators and not who.actor.manages:
            raise Forbidden("this is for operators, whose roles give the scope manage", "manage")
        browser.protect()
        return None


def refuse_forms(blueprint: Blueprint) -> None:
    """Answer with a page for a form that is out of date, too large, or of another content type."""
    blueprint.register_error_handler(browser.CSRFError, out_of_date)
    for unreadable in (RequestEntityTooLarge, UnsupportedMediaType):
        blueprint.register_error_handler(unreadable, unreadable_form)


def visitor() -> SignedIn:
    """Give who is signed in, in a room that lets nobody else in."""
    who = browser.signed_in()
    if who is None:
        raise Forbidden("sign in first")
    return who


def actor() -> Actor:
    """Give who acts."""
    return visitor().actor


def begin_session(actor: Actor) -> None:
    """Let the browser of somebody who has just proved who they are hold a new secret; the one of before is dead."""
    before = browser.signed_in()
    agent = request.headers.get("User-Agent", "")
    browser.sign_in(actions().sessions.begin(actor, agent, before.session_id if before else None))


def show(template: str, status: int = 200, **shown: Any) -> Response:
    """Give a page of a room, with who is signed in."""
    return scripted_page(template, status, visitor=browser.signed_in(), **shown)


def done(message: str, endpoint: str, **values: Any) -> Response:
    """Go on to a page that says what was done: a reload repeats nothing."""
    flash(message)
    return redirect(url_for(endpoint, **values), 303)


def status_of(error: LatchkeyError) -> int:
    """Give the status of a refusal."""
    return error.status or 400


def said_by_field(error: LatchkeyError) -> dict[str, str]:
    """Give what is wrong, by the form's field; what belongs to none stands under the empty name."""
    if isinstance(error, Invalid):
        return {one.field.split(".")[0]: one.message for one in error.errors}
    return {"": str(error)}


def refused(error: LatchkeyError) -> Response:
    """Show a refusal that no form speaks of."""
    status = status_of(error)
    return in_time(show("refused.html", status, title=HTTPStatus(status).phrase, said=str(error)), error)


def in_time(response: Response, error: LatchkeyError) -> Response:
    """Say to a program too when a refusal will be over, if it will (RFC 9110 §10.2.3)."""
    if isinstance(error, TooManyRequests | Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def out_of_date(error: HTTPException) -> Response:
    """Show that a form was not ours, or of a session that is over."""
    return show("refused.html", 400, title="This form is out of date", said="Go back, load its page again, and repeat.")


def unreadable_form(error: HTTPException) -> Response:
    """Show that a form could not be read, and why."""
    status = error.code or 400
    bounds = f"a form has at most {MOST_FIELDS} fields and {MOST_FORM // 1024} KiB"
    said = bounds if status == RequestEntityTooLarge.code else error.description
    return show("refused.html", status, title=HTTPStatus(status).phrase, said=said)


def _wanted() -> str | None:
    """Return where the visitor wanted to go, to go on there after signing in; None for what is too long or a secret."""
    wanted = request.full_path.rstrip("?")
    kept = len(wanted) <= LONGEST_PLACE and redact(wanted) == wanted  # no address repeats a secret
    return wanted if request.method == "GET" and kept else None
