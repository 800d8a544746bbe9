"""/device: a user enters the code that a device shows, and allows its app or not (RFC 8628 §3.3)."""

from __future__ import annotations

from urllib.parse import quote

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from app.compose import Actions
from app.errors import GrantRefused, Invalid, LatchkeyError, NotFound
from app.web import form, pages
from app.web.authorization.consent import ALLOW, DECISION, DENY, SCOPES, render_consent
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_confirmed, visitor
from app.web.wordings import translate_refusal

CODE = "user_code"
PAGE = "/device"
LONGEST_CODE = 40  # characters, with spaces and dashes

routes = PageRoutes("device", PAGE)


@routes.get("")
def index(actions: Actions) -> Response:
    """Ask for the code, which the query may hold: the user still compares it (RFC 8628 §5.4)."""
    return _render_form()


@routes.post("")
def ask(actions: Actions) -> Response:
    """Show which app the code belongs to, and ask for consent."""
    try:
        return _render_consent(actions, form.read_line(CODE, LONGEST_CODE))
    except (Invalid, NotFound, GrantRefused) as error:
        return _render_form(error)


@routes.post("/answer")
def answer(actions: Actions) -> Response:
    """Allow or refuse the app of the device."""
    code = request.form.get(CODE, "")[:LONGEST_CODE]
    try:
        decision = form.read_choice(DECISION, ALLOW, DENY)
        if decision == DENY:
            actions.devices.deny(actor(actions), code)
        elif asks := require_confirmed(actions, f"{PAGE}?user_code={quote(code)}"):
            return asks
        else:
            actions.devices.allow(actor(actions), code, form.checked_values(SCOPES))
    except (NotFound, GrantRefused) as error:
        return _render_form(error)
    except Invalid as error:
        return _render_consent(actions, code, error)
    return redirect(url_for(".show_allowed" if decision == ALLOW else ".show_refused"), 303)


@routes.get("/allowed")
def show_allowed(actions: Actions) -> Response:
    """Show that the device goes on by itself."""
    return pages.render("authorization/device_done.html", allowed=True)


@routes.get("/refused")
def show_refused(actions: Actions) -> Response:
    """Show that the device gets nothing."""
    return pages.render("authorization/device_done.html", allowed=False)


def _render_consent(actions: Actions, code: str, error: LatchkeyError | None = None) -> Response:
    asked = actions.devices.question(actor(actions), code)
    return render_consent(
        asked.question,
        visitor(actions),
        url_for(".index", user_code=asked.user_code),
        error,
        action=url_for(".answer"),
        device_code=asked.user_code,
    )


def _render_form(error: LatchkeyError | None = None) -> Response:
    """Render the form for a code, with what was wrong with the one that was sent."""
    refusal = None if error is None else form.Refusal.of(error)
    if isinstance(error, NotFound):
        refusal = form.Refusal(error, {CODE: translate_refusal(str(error))}, "")
    return form.render("authorization/device.html", refusal, code=request.values.get(CODE, "")[:LONGEST_CODE])
