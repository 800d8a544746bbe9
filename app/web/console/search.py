"""/console/search: find the credential that a secret belongs to; the secret is never shown, stored or logged."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.actions.tokens.refusals import Presented
from app.compose import Actions
from app.credentials.kind import Description
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.crypto.pasted_token import strip_scheme
from app.errors import Invalid, NotFound
from app.web import form, pages
from app.web.console.links import page_of, page_of_credential
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

TEMPLATE = "console/search.html"

routes = PageRoutes("console_search", "/console/search", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """Ask for a secret."""
    return form.render(TEMPLATE, None, found=None)


@routes.post("")
def find(actions: Actions) -> Response:
    """Show the credential of the secret; its field is empty in the answer."""
    try:
        secret = _read_secret()
    except Invalid as error:
        return form.render(TEMPLATE, form.Refusal.of(error), found=None)
    found, claims = actions.inspect(secret), actions.verify(secret)
    refusal = actions.explain_refusal.explain_verdict(Presented(secret), claims)
    known, titles = _find_credential(actions, found), actions.known_credentials.titles
    return form.render(
        TEMPLATE,
        None,
        found=found,
        claims=claims,
        explanation=refusal,
        kind=found.target,
        title=titles.get(found.target or "", "No credential of this server"),
        owner=found.owner_name or found.owner_id,
        owner_page=page_of(found.owner_type or "", known.owner_row_id if known else None),
        page=page_of_credential(found.target or "", found.id),
        revocable=known is not None and known.revoked_at is None and found.status != "expired",
    )


@routes.get("/<row:kind>/<row:credential_id>/revoke")
def ask_to_revoke(actions: Actions, kind: str, credential_id: str) -> Response:
    """Ask before a credential is revoked."""
    known = actions.known_credentials.get(kind, credential_id)
    return pages.render("console/search_revoke.html", known=known, title=actions.known_credentials.titles[kind])


@routes.post("/<row:kind>/<row:credential_id>/revoke")
def revoke(actions: Actions, kind: str, credential_id: str) -> Response:
    """Revoke a credential by its id."""
    actions.known_credentials.revoke(actor(actions), kind, credential_id)
    return pages.redirect_with("It is revoked: it is refused everywhere.", ".index")


def _read_secret() -> str:
    """Read the secret, without what people paste around it; raises Invalid, which never holds it."""
    secret = strip_scheme(request.form.get("credential", ""))
    if not secret:
        raise Invalid.field("credential", "paste the secret")
    if len(secret) > MAX_TOKEN_LENGTH:
        raise Invalid.field("credential", "is longer than any credential")
    return secret


def _find_credential(actions: Actions, found: Description) -> Description | None:
    try:
        return actions.known_credentials.get(found.target, found.id) if found.target and found.id else None
    except NotFound:  # it was deleted since it was inspected
        return None
