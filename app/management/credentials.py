"""/credentials: revoke leaked secrets, and describe a secret to an operator."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.actions.limits.abuse import LEAK_REPORTS, LEAKED_CREDENTIALS
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.fields import Given, Listed, Moment

operations = Operations("credentials", "Credentials of any kind, by their secret")
MOST_CREDENTIALS = 1000


def count_report(actions: Actions) -> None:
    """Count a report against its address, before its body is read. Raise TooManyRequests beyond the limit."""
    actions.abuse_limits.refuse_beyond(LEAK_REPORTS.at(caller().address))


class LeakSchema(Given):
    """Leaked secrets: tokens, keys, client secrets."""

    credentials = Listed(fields.String(), shortest=1, longest=MOST_CREDENTIALS, required=True, load_only=True)


class AcceptedSchema(Schema):
    """An empty answer, whatever the strings were."""


class PresentedSchema(Given):
    """A secret to look up; it is neither stored nor logged."""

    credential = fields.String(required=True, load_only=True)


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


@operations.post("/credentials/revoke", AcceptedSchema, body=LeakSchema, before=count_report, status=202)
def report_leak(actions: Actions, body: dict[str, Any]) -> Any:
    """Revoke leaked credentials; anybody may, and possession is the proof"""
    actor = caller()
    actions.abuse_limits.refuse_beyond(LEAKED_CREDENTIALS.at(actor.address).times(len(body["credentials"])))
    actions.report_leak(actor, body["credentials"])
    return {}


@operations.post("/credentials/inspect", InspectionSchema, body=PresentedSchema, status=200)
def inspect_credential(actions: Actions, body: dict[str, Any]) -> Any:
    """Tell which credential a secret is, whose, and why it is not active"""
    return actions.inspect(body["credential"])
