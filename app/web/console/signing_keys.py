"""/console/signing-keys: the keys that sign our tokens, how they are rotated, and the end of a stolen one."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.http.current import actions
from app.web.console.confirmation import ask
from app.web.page_routes import Room, actor, done, show

ENDS = "It verifies nothing from now on: every token that it signed ends at once, and whoever has one asks for another."

blueprint = Room("console_signing_keys", "/console/signing-keys", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the keys that are published."""
    return show("console/signing_keys.html", keys=actions().rotate_signing_key.list())


@blueprint.get("/rotate")
def ask_to_rotate() -> Response:
    """Say what a rotation does."""
    keys = {key.status: key for key in actions().rotate_signing_key.list()}
    active, coming, ready_at = keys.get("active"), keys.get("next"), actions().rotate_signing_key.ready_at()
    early = actions().clock() < ready_at
    return show("console/signing_keys_rotate.html", active=active, next=coming, ready_at=ready_at, early=early)


@blueprint.post("/rotate")
def rotate() -> Response:
    """Let the next key sign."""
    key = actions().rotate_signing_key(actor())
    return done(f"The key {key.kid} signs from now on.", "console_signing_keys.index")


@blueprint.get("/<row:kid>/revoke")
def ask_to_revoke(kid: str) -> Response:
    """Say what ends with a key."""
    key = actions().rotate_signing_key.get(kid)
    return ask(f"Revoke the key {key.kid}?", ENDS, "Revoke", url_for(".revoke", kid=kid), url_for(".index"))


@blueprint.post("/<row:kid>/revoke")
def revoke(kid: str) -> Response:
    """End a key and all that it signed."""
    actions().rotate_signing_key.revoke(actor(), kid)
    return done(f"The key {kid} is revoked.", ".index")
