"""/credentials: list and revoke credentials of any owner, revoke leaked secrets, and describe a secret."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any, get_args

from marshmallow import Schema, fields

from app.access.scopes import MalformedScope, Scopes
from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.revoke_many import CredentialIds
from app.actions.insight.credentials import NEWEST, CredentialFilter, CredentialStatus, CredentialView, Sort
from app.actions.limits.abuse import LEAK_REPORTS, LEAKED_CREDENTIALS
from app.actions.tokens.refusals import Presented
from app.compose import Actions
from app.credentials.reasons import Reason
from app.crypto.pasted_token import strip_scheme
from app.errors import Invalid
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.fields import Array, Moment, QueryFlag, RequestSchema, Text, one_of
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("credentials", "Credentials of any kind")
MOST_CREDENTIALS = 1000


CredentialSchema = answer_schema(CredentialView, without=["owner_row_id", "revocable"])
CredentialIdsSchema = request_schema(CredentialIds)


def count_report(actions: Actions) -> None:
    """Count a report against its address, before its body is read. Raise TooManyRequests beyond the limit."""
    actions.abuse_limits.refuse_beyond(LEAK_REPORTS.at(caller().address))


class LeakSchema(RequestSchema):
    """Leaked secrets: tokens, keys, client secrets."""

    credentials = Array(fields.String(), shortest=1, longest=MOST_CREDENTIALS, required=True, load_only=True)


class AcceptedSchema(Schema):
    """An empty answer, whatever the strings were."""


class PresentedSchema(RequestSchema):
    """A secret to look up; it is neither stored nor logged."""

    credential = fields.String(required=True, load_only=True)
    resource = Text(LONGEST_IDENTIFIER, metadata={"description": "identifier of the API at which it was refused"})
    scope = Text(metadata={"description": "the scopes that were needed, separated by spaces"})


class RefusalSchema(Schema):
    """Why a credential is refused: a reason of a closed list, and what would mend it."""

    reason = one_of(*Reason, required=True)
    text = fields.String(required=True)


class InspectionSchema(Schema):
    """What is known of a secret."""

    status = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    credential_type = fields.String(required=True, allow_none=True)
    id = fields.String(required=True, allow_none=True)
    name = fields.String(required=True, allow_none=True)
    hint = fields.String(required=True, allow_none=True)
    owner_type = fields.String(required=True, allow_none=True)
    owner_id = fields.String(required=True, allow_none=True)
    owner_name = fields.String(required=True, allow_none=True)
    created_at = Moment(required=True, allow_none=True)
    expires_at = Moment(required=True, allow_none=True)
    revoked_at = Moment(required=True, allow_none=True)
    exchanged = fields.Boolean(required=True)
    refusal = fields.Nested(RefusalSchema, required=True, allow_none=True)


class CredentialQuery(PageQuery):
    """Which credentials to list, in which order; times are exclusive, but `created_since` is not."""

    kind = Text(metadata={"description": "a `credential_type`, or `client_secret`"})
    owner = Text(metadata={"description": "id or username of a user, id or client_id of a client"})
    scope = Text()
    resource = Text(LONGEST_IDENTIFIER, metadata={"description": "identifier of a resource"})
    status = one_of(*get_args(CredentialStatus))
    expires_before = Moment()
    never_expires = QueryFlag()
    unused_since = Moment(
        metadata={"description": "not used since then; one that was never used counts from its creation"}
    )
    created_since = Moment()
    q = Text(metadata={"description": "its id, or a part of its name, hint, or owner's name, username or e-mail"})
    sort = one_of(*get_args(Sort), load_default=NEWEST)


class RevokedSchema(Schema):
    """How many of the credentials were not revoked before."""

    revoked = fields.Integer(required=True)


@operations.get("/credentials", page_schema(CredentialSchema), query=CredentialQuery)
def list_credentials(actions: Actions, query: dict[str, Any]) -> Any:
    """List the credentials of everybody: tokens, API keys, client secrets, and the clients that get JWTs"""
    page = {name: query.pop(name) for name in ("limit", "after", "sort")}
    return answer_page(actions.credentials.page(CredentialFilter(**query), **page))


@operations.post("/credentials/revoke-many", RevokedSchema, body=CredentialIdsSchema, status=200)
def revoke_many(actions: Actions, many: CredentialIds) -> Any:
    """Revoke up to 1,000 credentials by their ids, all or none; each needs the scope that revoking it alone needs"""
    return {"revoked": actions.revoke_many(caller(), many.ids)}


@operations.post("/credentials/revoke", AcceptedSchema, body=LeakSchema, before=count_report, status=202)
def report_leak(actions: Actions, body: dict[str, Any]) -> Any:
    """Revoke leaked credentials; anybody may, and possession is the proof"""
    actor = caller()
    actions.abuse_limits.refuse_beyond(LEAKED_CREDENTIALS.at(actor.address).times(len(body["credentials"])))
    actions.report_leak(actor, body["credentials"])
    return {}


@operations.post("/credentials/inspect", InspectionSchema, body=PresentedSchema, status=200)
def inspect_credential(actions: Actions, body: dict[str, Any]) -> Any:
    """Show which credential a secret is, whose it is, and why it is not active"""
    credential, resource = strip_scheme(body["credential"]), body.get("resource") or ""
    found = actions.inspect(credential)
    refusal = actions.explain_refusal(Presented(credential, resource, _read_scopes(body.get("scope") or "")))
    asked = resource or body.get("scope")  # of an active credential, `reason` is why it does not do for these
    reason = found.reason or (refusal.reason.value if refusal and asked else None)
    members = {field.name: getattr(found, field.name) for field in dataclass_fields(found)}
    return members | {"reason": reason, "refusal": refusal}


def _read_scopes(text: str) -> Scopes:
    try:
        return Scopes.parse(text)
    except MalformedScope:
        raise Invalid.field("scope", "is malformed: separate scopes by single spaces") from None
