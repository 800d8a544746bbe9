"""/audit-events: who did what, when, from where. It can only be read."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from app.actions.audit import AuditFilter
from app.errors import Invalid
from app.management.blueprint import Operations, PageQuery, page_of, paged
from app.management.fields import Moment, Text
from app.models import AuditEvent
from app.operations.parts import actions

blueprint = Operations("audit-events", "The trace of every change")
HIGHEST_ID = 2**63 - 1


class ActorSchema(Schema):
    """Who did it: a user's id, a client's client_id, or what stands for nobody known."""

    type = fields.String(required=True)
    id = fields.String(required=True)
    name = fields.String(required=True)


class AuditEventSchema(Schema):
    """An event as it is shown."""

    id = fields.String(required=True)
    at = Moment(required=True)
    actor = fields.Nested(ActorSchema, required=True)
    action = fields.String(required=True)
    target_type = fields.String(required=True)
    target = fields.String(required=True)
    address = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)


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
    return paged((map(_shown, events), after))


def _shown(event: AuditEvent) -> dict[str, Any]:
    """Gather the actor; the rest is shown as it is kept."""
    actor = {"type": event.actor_type, "id": event.actor, "name": event.actor_name}
    kept = ("at", "action", "target_type", "target", "address", "request_id", "details")
    return {"id": str(event.id), "actor": actor} | {name: getattr(event, name) for name in kept}
