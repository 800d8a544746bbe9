"""/login and /logout: in with a password, out for good; the root leads there."""

from __future__ import annotations

import re

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from app.database.redaction import redact
from app.errors import Busy, TooManyRequests, Unauthenticated
from app.http import browser
from app.http.current import actions
from app.http.envelope import request_id
from app.http.issuer_path import encoded_root
from app.http.peer import caller_address
from app.web.room import LONGEST_PLACE, begin_session, in_time, refuse_forms, show, status_of

OURS = re.compile(r"/(account|console)([/?][A-Za-z0-9_./?=&%+~:@-]*+)?")  # nobody is sent elsewhere after signing in
WRONG = "The username or the password is wrong."

blueprint = Blueprint("sign_in", __name__)
refuse_forms(blueprint)


@blueprint.get("/")
def begin() -> Response:
    """Lead those who only know the server's name to what they have here."""
    return redirect(url_for("tokens.index"), 303)


@blueprint.get("/login")
def show_form() -> Response:
    """Ask for a name and a password; who is signed in goes on."""
    if browser.signed_in():
        return redirect(_onward(request.args.get("next", "")), 303)
    return _form(200)


@blueprint.post("/login")
def sign_in() -> Response:
    """Begin a session, whatever the browser held before."""
    browser.protect()
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        actor = actions().authenticate_user(username, password, caller_address(), request_id())
    except Unauthenticated:
        return _form(401, username, WRONG)
    except (TooManyRequests, Busy) as error:
        return in_time(_form(status_of(error), username, f"{str(error).capitalize()}."), error)
    begin_session(actor)
    return redirect(_onward(request.form.get("next", "")), 303)


@blueprint.post("/logout")
def sign_out() -> Response:
    """End the session of this browser."""
    browser.protect()
    who = browser.signed_in()
    if who is not None:
        actions().sessions.end(who.actor, who.actor.id, who.session_id)
    browser.sign_out()
    return redirect(url_for("sign_in.show_form"), 303)


def _form(status: int, username: str = "", said: str = "") -> Response:
    wanted = request.values.get("next", "")
    return show("sign_in.html", status, username=username, said=said, next=wanted if _is_ours(wanted) else "")


def _onward(wanted: str) -> str:
    return encoded_root() + (wanted if _is_ours(wanted) else "/account/tokens")


def _is_ours(place: str) -> bool:
    ours = len(place) <= LONGEST_PLACE and OURS.fullmatch(place) is not None
    return ours and redact(place) == place  # no page repeats a secret
