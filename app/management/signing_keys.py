"""/signing-keys: the keys that sign our tokens."""

from __future__ import annotations

from typing import Any

from app.actions.directory.signing_keys import SigningKeyView
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.fields import Flag, Given
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema

operations = Operations("signing-keys", "The server's signing keys")

SigningKeySchema = answer_schema(SigningKeyView)


class NothingSchema(Given):
    """An empty object."""


class RotationSchema(Given):
    """How to rotate."""

    only_when_known = Flag(
        load_default=False, metadata={"description": "409 while a verifier's cache may not hold the next key yet"}
    )


@operations.get("/signing-keys", page_schema(SigningKeySchema), query=PageQuery)
def list_signing_keys(actions: Actions, query: dict[str, Any]) -> Any:
    """List the signing keys that are published"""
    keys = sorted(actions.rotate_signing_key.list(), key=lambda key: key.kid)
    rest = [key for key in keys if query["after"] is None or key.kid > query["after"]]
    shown = rest[: query["limit"]]
    return answer_page((shown, shown[-1].kid if len(rest) > len(shown) else None))


@operations.post("/signing-keys/rotate", SigningKeySchema, body=RotationSchema, body_required=False, status=200)
def rotate_signing_key(actions: Actions, given: dict[str, Any]) -> Any:
    """Let the next key sign; the one before verifies until its last token has ended"""
    return actions.rotate_signing_key(caller(), only_when_known=given["only_when_known"])


@operations.delete("/signing-keys/<row:kid>")
def revoke_signing_key(actions: Actions, kid: str) -> None:
    """End a signing key at once, with every token it signed; needs manage. After the active one the next key signs"""
    actions.rotate_signing_key.revoke(caller(), kid)
