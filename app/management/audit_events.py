"""/audit-events: who did what, when and from where; read only."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.actions.audit.record import AuditFilter
from app.compose import Actions
from app.errors import Invalid
from app.management.blueprint import Operations
from app.management.fields import Moment, Text
from app.management.paging import INVALID_CURSOR, PageQuery, answer_page, page_schema

operations = Operations("audit-events", "The trace of every change")
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


def _read_id(after: str | None) -> int | None:
    if after is None:
        return None
    if not after.isdecimal() or int(after) > HIGHEST_ID:
        raise Invalid.field("cursor", INVALID_CURSOR)
    return int(after)


@operations.get("/audit-events", page_schema(AuditEventSchema), query=AuditQuery)
def list_audit_events(actions: Actions, query: dict[str, Any]) -> Any:
    """List the events, newest first"""
    limit, before = query.pop("limit"), _read_id(query.pop("after"))
    events, after = actions.audit.page(AuditFilter(**query), limit, before)
    return answer_page((events, after))
