"""/signing-keys: the keys that sign our tokens."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, page_of, paged
from app.management.fields import Flag, Given, Moment

blueprint = Operations("signing-keys", "The server's signing keys")


class SigningKeySchema(Schema):
    """A signing key as it is shown."""

    kid = fields.String(required=True)
    alg = fields.String(required=True)
    status = fields.String(required=True, metadata={"enum": ["next", "active", "retiring"]})
    created_at = Moment(required=True)
    retires_at = Moment(required=True, allow_none=True)


class NothingSchema(Given):
    """An empty object."""


class RotationSchema(Given):
    """How to rotate."""

    only_when_known = Flag(
        load_default=False, metadata={"description": "409 while a verifier's cache may not hold the next key yet"}
    )


@blueprint.get("/signing-keys")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(SigningKeySchema))
def list_signing_keys(query: dict[str, Any]) -> Any:
    """List the signing keys that are published"""
    keys = sorted(actions().rotate_signing_key.list(), key=lambda key: key.kid)
    rest = [key for key in keys if query["after"] is None or key.kid > query["after"]]
    shown = rest[: query["limit"]]
    return paged((shown, shown[-1].kid if len(rest) > len(shown) else None))


@blueprint.post("/signing-keys/rotate")
@blueprint.arguments(RotationSchema, required=False)
@blueprint.response(200, SigningKeySchema)
def rotate_signing_key(given: dict[str, Any]) -> Any:
    """Let the next key sign; the one before verifies until its last token has ended"""
    return actions().rotate_signing_key(caller(), only_when_known=given["only_when_known"])


@blueprint.delete("/signing-keys/<row:kid>")
@blueprint.response(204)
def revoke_signing_key(kid: str) -> None:
    """End a signing key at once, with every token it signed; needs manage. After the active one the next key signs"""
    actions().rotate_signing_key.revoke(caller(), kid)
