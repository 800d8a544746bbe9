"""/comparison: the kinds side by side, as last measured here; measuring needs the scope `manage`."""

from __future__ import annotations

from typing import Any

from flask import current_app
from marshmallow import Schema, fields

from app.actions.audit.actor import MANAGE, Actor
from app.comparison.latest import latest
from app.comparison.measure import is_possible, measure
from app.compose import Actions
from app.errors import Forbidden, Unauthenticated
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.fields import QueryFlag, RequestSchema

operations = Operations("comparison", "The kinds of credential, side by side")


class WantedSchema(RequestSchema):
    """Whether to measure now."""

    run = QueryFlag(load_default=None)


class CellSchema(Schema):
    """The contract's statement or the measured value for one kind; `agrees` is false where they contradict."""

    text = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True)
    agrees = fields.Boolean(required=True, allow_none=True)


class RowSchema(Schema):
    """One row; `source` says where a statement comes from, or how a value was measured."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    measured = fields.Boolean(required=True)
    source = fields.String(required=True)
    cells = fields.Dict(keys=fields.String(), values=fields.Nested(CellSchema), required=True)


class ColumnSchema(Schema):
    """One kind."""

    name = fields.String(required=True)
    title = fields.String(required=True)


class ComparisonSchema(Schema):
    """The table; `at` is null until it is measured."""

    issuer = fields.String(required=True)
    at = fields.String(required=True, allow_none=True, metadata={"format": "date-time"})
    via = fields.String(required=True)
    columns = fields.List(fields.Nested(ColumnSchema), required=True)
    rows = fields.List(fields.Nested(RowSchema), required=True)
    contradictions = fields.List(fields.String(), required=True)


@operations.get("/comparison", ComparisonSchema, query=WantedSchema)
def show_comparison(actions: Actions, query: dict[str, Any]) -> Any:
    """Show the last comparison; with the scope `manage` and `run=true`, or when there is none yet, measure now"""
    report = latest(actions.settings)
    if query["run"]:
        _require_manage(caller())
    never = report.at is None and caller().manages and is_possible(actions.settings)
    wanted = query["run"] or (never and query["run"] is None)
    return (measure(actions, current_app.wsgi_app) if wanted else report).as_json()


def _require_manage(actor: Actor) -> None:
    if actor.type == "anonymous":
        raise Unauthenticated("send a Bearer token to measure")
    if not actor.manages:
        raise Forbidden(f"measuring needs the scope {MANAGE}", MANAGE)
