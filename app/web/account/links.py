"""/login/forgot and /login/link: users set a password with a link that works once.

The link's secret follows the # of its address, which browsers send to nobody; opening the page changes nothing, so a
mail scanner that follows the link does not spend it.
"""

from __future__ import annotations

from flask import request
from flask_babel import gettext
from werkzeug.wrappers import Response

from app.compose import Actions
from app.errors import Invalid, LatchkeyError, NotFound
from app.http import browser
from app.http.request import read_request
from app.web import form, pages
from app.web.account.second_step import finish_sign_in
from app.web.page_routes import PageRoutes

LONGEST_NAME = 254  # characters of a username or an address
routes = PageRoutes("links", guard=None)


@routes.get("/login/forgot")
def ask_name(actions: Actions) -> Response:
    """Ask for the username or the address to which a link is mailed."""
    _refuse_without_mail(actions)
    return form.render("account/forgot.html", None)


@routes.post("/login/forgot")
def request_link(actions: Actions) -> Response:
    """Have a link mailed if there is such a user; the answer does not say whether there is."""
    browser.check_form()
    _refuse_without_mail(actions)
    context = read_request(request, actions.settings, actions.clock)
    try:
        name = form.read_line("username", LONGEST_NAME)
        actions.reset_requests.submit(name, context.peer, context.id)
    except LatchkeyError as error:
        return form.render("account/forgot.html", form.Refusal.of(error))
    sent = gettext("If there is such an account with an email address, a link is on its way to it.")
    return pages.redirect_with(sent, "links.ask_name")


@routes.get("/login/link")
def ask_code(actions: Actions) -> Response:
    """Show the form that sends the secret of a link, which a script takes from the address."""
    return form.render("account/link.html", None)


@routes.post("/login/link")
def open_link(actions: Actions) -> Response:
    """Ask for the new password, and say whose it is."""
    browser.check_form()
    return _render_password_form(actions)


@routes.post("/login/link/password")
def set_password(actions: Actions) -> Response:
    """Set the password, and sign the user in."""
    browser.check_form()
    code, password = request.form.get("code", ""), request.form.get("password", "")
    context = read_request(request, actions.settings, actions.clock)
    try:
        if password != request.form.get("again", ""):
            raise Invalid.field("again", "is not the same")
        actor = actions.one_time_links.set_password(code, password, context.peer, context.id)
    except LatchkeyError as error:
        return _render_password_form(actions, form.Refusal.of(error))
    return finish_sign_in(actions, actor, ("link", "pwd"), "")


def _render_password_form(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    code, context = request.form.get("code", ""), read_request(request, actions.settings, actions.clock)
    try:
        opened = actions.one_time_links.open(code, context.peer)
    except LatchkeyError as error:
        return form.render("account/link.html", form.Refusal.of(error))
    return form.render("account/link_password.html", refusal, opened=opened, code=code)


def _refuse_without_mail(actions: Actions) -> None:
    if not actions.one_time_links.offered:
        raise NotFound("there is no such page")
