"""/audit-events: who did what, when, from where. It can only be read."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.actions.audit.read import AuditFilter
from app.errors import Invalid
from app.http.current import actions
from app.management.blueprint import Operations, PageQuery, page_of, paged
from app.management.fields import Moment, Text

blueprint = Operations("audit-events", "The trace of every change")
HIGHEST_ID = 2**63 - 1


class AuditEventSchema(Schema):
    """An event as it is shown."""

    id = fields.String(required=True)
    at = Moment(required=True)
    actor_type = fields.String(required=True)
    actor = fields.String(required=True, metadata={"description": "a user's id, a client's client_id, or neither"})
    actor_name = fields.String(required=True)
    action = fields.String(required=True)
    target_type = fields.String(required=True)
    target = fields.String(required=True)
    address = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)
    previous_hash = fields.String(
        required=True, allow_none=True, metadata={"description": "the hash of the event before"}
    )
    hash = fields.String(
        required=True, allow_none=True, metadata={"description": "SHA-256 of this event and of `previous_hash`"}
    )


class AuditQuery(PageQuery):
    """Which events to list, newest first; `since` is inclusive, `until` exclusive."""

    actor = Text()
    action = Text()
    target = Text()
    since = Moment()
    until = Moment()


def _before(after: str | None) -> int | None:
    if after is None:
        return None
    if not after.isdecimal() or int(after) > HIGHEST_ID:
        raise Invalid.field("cursor", "Is no cursor of this list.")
    return int(after)


@blueprint.get("/audit-events")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, page_of(AuditEventSchema))
def list_audit_events(query: dict[str, Any]) -> Any:
    """List the events, newest first"""
    limit, before = query.pop("limit"), _before(query.pop("after"))
    events, after = actions().audit.page(AuditFilter(**query), limit, before)
    return paged((events, after))
