"""/console/signing-keys: the keys that sign our tokens, their rotation and their revocation."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response

from app.compose import Actions
from app.web import pages
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

WARNING = "It verifies nothing any more: every token that it signed ends at once, and its holder must get another."

routes = PageRoutes("console_signing_keys", "/console/signing-keys", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the keys that are published."""
    return pages.render("console/signing_keys.html", keys=actions.rotate_signing_key.list())


@routes.get("/rotate")
def ask_to_rotate(actions: Actions) -> Response:
    """Ask before the keys are rotated."""
    keys = {key.status: key for key in actions.rotate_signing_key.list()}
    ready_at = actions.rotate_signing_key.ready_at()
    return pages.render(
        "console/signing_keys_rotate.html",
        active=keys.get("active"),
        next=keys.get("next"),
        ready_at=ready_at,
        early=actions.clock() < ready_at,
    )


@routes.post("/rotate")
def rotate(actions: Actions) -> Response:
    """Make the next key the one that signs."""
    key = actions.rotate_signing_key(actor(actions))
    return pages.redirect_with(f"The key {key.kid} signs now.", ".index")


@routes.get("/<row:kid>/revoke")
def ask_to_revoke(actions: Actions, kid: str) -> Response:
    """Ask before a key is revoked."""
    key = actions.rotate_signing_key.get(kid)
    return ask("Revoke", f"the key {key.kid}", WARNING, url_for(".index"))


@routes.post("/<row:kid>/revoke")
def revoke(actions: Actions, kid: str) -> Response:
    """Revoke a key and every token that it signed."""
    actions.rotate_signing_key.revoke(actor(actions), kid)
    return pages.redirect_with(f"The key {kid} is revoked.", ".index")
