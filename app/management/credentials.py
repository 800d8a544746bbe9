"""/credentials: revoke what was found in the wild; tell an operator what a secret is."""

from __future__ import annotations

from functools import wraps
from typing import Any, cast

from marshmallow import Schema, fields

from app.actions.limits.abuse import LEAK_REPORTS, LEAKED_CREDENTIALS
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, ViewT
from app.management.fields import Given, Listed, Moment

blueprint = Operations("credentials", "Credentials of any kind, by their secret")
MOST_CREDENTIALS = 1000


def count_report(view: ViewT) -> ViewT:
    """Count a report against its address before its body is read; raise TooManyRequests beyond the limit."""

    @wraps(view)
    def counting(*args: Any, **kwargs: Any) -> Any:
        actions().abuse_limits.refuse_beyond(LEAK_REPORTS.at(caller().address))
        return view(*args, **kwargs)

    return cast(ViewT, counting)


class LeakSchema(Given):
    """Secrets that were found where they should not be: tokens, keys, client secrets."""

    credentials = Listed(fields.String(), shortest=1, longest=MOST_CREDENTIALS, required=True, load_only=True)


class AcceptedSchema(Schema):
    """Says nothing, whatever the strings were."""


class PresentedSchema(Given):
    """A secret to be looked up; it is neither kept nor logged."""

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


@blueprint.post("/credentials/revoke")
@count_report
@blueprint.arguments(LeakSchema)
@blueprint.response(202, AcceptedSchema)
def report_leak(body: dict[str, Any]) -> Any:
    """Revoke leaked credentials; anybody may, and possession is the proof"""
    who = caller()
    actions().abuse_limits.refuse_beyond(LEAKED_CREDENTIALS.at(who.address).times(len(body["credentials"])))
    actions().report_leak(who, body["credentials"])
    return {}


@blueprint.post("/credentials/inspect")
@blueprint.arguments(PresentedSchema)
@blueprint.response(200, InspectionSchema)
def inspect_credential(body: dict[str, Any]) -> Any:
    """Tell which credential a secret is, whose, and why it is not active"""
    return actions().inspect(body["credential"])
