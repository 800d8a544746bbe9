"""/console/search: which credential is this secret? It is looked up and forgotten: never shown, kept or logged."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.credentials.kind import Description
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.crypto.pasted_token import strip_scheme
from app.errors import Invalid, NotFound
from app.http.current import actions
from app.web.console.onward import place_of
from app.web.room import Room, actor, done, said_by_field, show, status_of

blueprint = Room("console_search", "/console/search", operators=True)


@blueprint.get("")
def index() -> Response:
    """Ask for a secret."""
    return show("console/search.html", found=None, errors={})


@blueprint.post("")
def find() -> Response:
    """Tell which credential the secret is; the field is empty in the answer."""
    try:
        presented = _presented()
    except Invalid as error:
        return show("console/search.html", status_of(error), found=None, errors=said_by_field(error))
    found, claims = actions().inspect(presented), actions().verify(presented)
    kind, known = found.target, _known(found)
    return show(
        "console/search.html",
        found=found,
        claims=claims,
        kind=kind,
        title=actions().known_credentials.titles.get(kind or "", "Nothing of ours"),
        owner=_owner(found, known),
        place=place_of(kind or "", found.id),
        can_end=known is not None and known.revoked_at is None and found.status != "expired",
        errors={},
    )


@blueprint.get("/<row:kind>/<row:credential_id>/revoke")
def ask_to_revoke(kind: str, credential_id: str) -> Response:
    """Say what will stop working."""
    known = actions().known_credentials.get(kind, credential_id)
    return show("console/search_revoke.html", known=known, title=actions().known_credentials.titles[kind])


@blueprint.post("/<row:kind>/<row:credential_id>/revoke")
def revoke(kind: str, credential_id: str) -> Response:
    """End a credential for good, by its id."""
    actions().known_credentials.revoke(actor(), kind, credential_id)
    return done("It is revoked: it is refused everywhere from now on.", "console_search.index")


def _presented() -> str:
    """Read the secret, as people paste it; raises Invalid, which never holds it."""
    given = strip_scheme(request.form.get("credential", ""))
    if not given:
        raise Invalid.field("credential", "paste the secret")
    if len(given) > MAX_TOKEN_LENGTH:
        raise Invalid.field("credential", "is longer than any credential")
    return given


def _known(found: Description) -> Description | None:
    try:
        return actions().known_credentials.get(found.target, found.id) if found.target and found.id else None
    except NotFound:  # it went at the same moment
        return None


def _owner(found: Description, known: Description | None) -> tuple[str | None, str | None]:
    """Give whose it is, and the page of that user or client."""
    name = found.owner_name or found.owner_id
    return name, place_of(found.owner_type or "", known.owner_row_id if known else None)
