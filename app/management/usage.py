"""/usage: how often a credential was used and refused, in groups of hours, days, resources or outcomes."""

from __future__ import annotations

from typing import Any, get_args

from app.actions.insight.usage import MOST_ROWS, GroupBy, UsageRow
from app.compose import Actions
from app.management.blueprint import Operations
from app.management.fields import Moment, RequestSchema, Text, one_of
from app.management.paging import answer_page, page_schema
from app.management.schemas import answer_schema

operations = Operations("usage", "How often credentials were used and refused")

UsageSchema = answer_schema(UsageRow)


class UsageQuery(RequestSchema):
    """Whose usage, of which time: whole hours or days from `since`, until before `until`."""

    credential = Text(
        required=True,
        metadata={"description": "id of a personal access token, an API key, a client or a grant; or a client_id"},
    )
    since = Moment(metadata={"description": "30 days ago by default; hours are kept for 35 days, days for 400"})
    until = Moment()
    group_by = one_of(
        *get_args(GroupBy),
        load_default="day",
        metadata={"description": f"times are sorted, others have the most used first; at most {MOST_ROWS} groups"},
    )


@operations.get("/usage", page_schema(UsageSchema), query=UsageQuery)
def read_usage(actions: Actions, query: dict[str, Any]) -> Any:
    """Count the uses and refusals of a credential; what happened in the last seconds may still be missing"""
    return answer_page((actions.read_usage.of(query.pop("credential"), **query), None))
