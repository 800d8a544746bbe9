"""/console/signing-keys: the keys that sign our tokens, and the turn from one to the next."""

from __future__ import annotations

from werkzeug.wrappers import Response

from app.operations.parts import actions
from app.web.room import Room, actor, done, show

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
