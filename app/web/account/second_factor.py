"""/account/second-factor: a user's own passkeys, authenticator app and recovery codes."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.wrappers import Response

from app.compose import Actions
from app.errors import Invalid, Unauthenticated
from app.web import form, new_secret, pages
from app.web.account.ceremonies import begin_ceremony, end_set_up, keep_set_up, read_answer, read_set_up
from app.web.account.second_step import own_address, own_path
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_fresh, visitor

ADD = "add"  # what a ceremony is for
LONGEST_NAME = 60  # characters of a passkey's name
MODULE = 5  # pixels of a square in the picture

routes = PageRoutes("second_factor", "/account/second-factor", guard=require_fresh)


@routes.get("")
def index(actions: Actions) -> Response:
    """Show the passkeys, the app, and how many recovery codes are left."""
    return _render(actions)


@routes.post("/passkeys/options")
def ask_for_passkey(actions: Actions) -> Response:
    """Return what the browser is asked to make."""
    found = visitor(actions)
    return begin_ceremony(actions, ADD, actions.second_factors.ask_for_new_passkey(found.actor, found.display_name))


@routes.post("/passkeys")
def add_passkey(actions: Actions) -> Response:
    """Add the passkey that the browser made."""
    try:
        name = form.read_line("name", LONGEST_NAME)
        answer, session_id = read_answer(actions, ADD), visitor(actions).session_id
        codes = actions.second_factors.add_passkey(actor(actions), name, answer, session_id)
    except (Invalid, Unauthenticated) as error:
        return _render(actions, form.Refusal.of(error, form="passkey"))
    return _go_on(actions, codes, gettext("The passkey is added."))


@routes.get("/passkeys/<row:passkey_id>/remove")
def ask_to_remove_passkey(actions: Actions, passkey_id: str) -> Response:
    """Ask before a passkey is removed."""
    passkeys = actions.second_factors.of_user(actor(actions).id).passkeys
    name = next((one.name for one in passkeys if one.id == passkey_id), None)
    if name is None:
        return redirect(url_for(".index"), 303)
    return pages.render("account/factor_remove.html", name=name, to=url_for(".remove_passkey", passkey_id=passkey_id))


@routes.post("/passkeys/<row:passkey_id>/remove")
def remove_passkey(actions: Actions, passkey_id: str) -> Response:
    """Remove a passkey."""
    actions.second_factors.remove_passkey(actor(actions), passkey_id)
    return pages.redirect_with(gettext("The passkey is removed."), ".index")


@routes.post("/app")
def begin_app(actions: Actions) -> Response:
    """Make a secret for an authenticator app; it counts once a code has confirmed it."""
    keep_set_up(actions.second_factors.one_time_codes.make(), actions.clock())
    return redirect(url_for(".show_app", next=_onward()), 303)


@routes.get("/app")
def show_app(actions: Actions) -> Response:
    """Show the secret of the app that is being set up, as a picture and as text, and ask for a code."""
    return _render_app(actions)


@routes.post("/app/confirm")
def confirm_app(actions: Actions) -> Response:
    """Add the app, if this is a code of it."""
    me, sealed = actor(actions), read_set_up(actions.clock()) or ""
    try:
        code = request.form.get("code", "")
        codes = actions.second_factors.add_app(me, sealed, code, visitor(actions).session_id)
    except Invalid as error:
        return _render_app(actions, form.Refusal.of(error))
    end_set_up()
    return _go_on(actions, codes, gettext("The authenticator app is added."))


@routes.get("/app/remove")
def ask_to_remove_app(actions: Actions) -> Response:
    """Ask before the app is removed."""
    return pages.render("account/factor_remove.html", name=gettext("Authenticator app"), to=url_for(".remove_app"))


@routes.post("/app/remove")
def remove_app(actions: Actions) -> Response:
    """Remove the app."""
    actions.second_factors.remove_app(actor(actions))
    return pages.redirect_with(gettext("The authenticator app is removed."), ".index")


@routes.post("/recovery-codes")
def make_recovery_codes(actions: Actions) -> Response:
    """Make ten new codes in place of the earlier ones."""
    codes = actions.second_factors.make_recovery_codes(actor(actions))
    return new_secret.redirect_to_page(actions, "\n".join(codes), ".show_recovery_codes")


@routes.get("/recovery-codes")
def show_recovery_codes(actions: Actions) -> Response:
    """Show new codes, once."""
    secret = new_secret.read_secret(actions)
    onward = own_address(request.args.get("next", ""))
    page = pages.render("account/recovery_codes.html", codes=(secret or "").splitlines(), onward=onward)
    return new_secret.delete_secret(actions, page)


def _go_on(actions: Actions, codes: Any, message: str) -> Response:
    """Show the recovery codes that come with the first factor, and lead on to the page that needs it."""
    if codes:
        return new_secret.redirect_to_page(actions, "\n".join(codes), ".show_recovery_codes", onward=_onward())
    return pages.redirect_with(message, ".index")


def _render(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    return form.render(
        "account/second_factor.html",
        refusal,
        factors=actions.second_factors.of_user(actor(actions).id),
        lacks_factor=visitor(actions).lacks_factor,
        passkeys=actions.second_factors.passkeys.available,
        server=actions.second_factors.passkeys.rp_id,
        passkey_errors=form.errors_of(refusal, "passkey"),
        onward=_onward(),
    )


def _render_app(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    codes, sealed = actions.second_factors.one_time_codes, read_set_up(actions.clock())
    secret = None if sealed is None else codes.reveal(sealed)
    if secret is None:
        return redirect(url_for(".index"), 303)
    address = codes.address(secret, actor(actions).name, actions.second_factors.passkeys.rp_id)
    return form.render("account/app_set_up.html", refusal, secret=secret, picture=_draw(address), onward=_onward())


def _onward() -> str | None:
    """Return the page of ours that the user came for before a factor had to be set up."""
    return own_path(request.values.get("next", ""))


def _draw(address: str) -> Markup:
    """Return the picture that an app reads; colours are attributes, which the policy of the page allows."""
    import segno  # few pages need it

    svg = segno.make(address, error="m").svg_inline(scale=MODULE, border=3, dark="#000", light="#fff", svgclass="qr")
    return Markup(svg)  # noqa: S704 - made by the library from squares alone
