"""/usage and /me/usage: how often a credential was used and refused, by hours, days, resources or outcomes."""

from __future__ import annotations

from typing import Any, get_args

from app.actions.insight.own_usage import Own
from app.actions.insight.usage import MOST_ROWS, GroupBy, UsageRow
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations
from app.management.fields import Moment, Naming, QueryWhole, one_of
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema

operations = Operations("usage", "How often credentials were used and refused")

UsageSchema = answer_schema(UsageRow)


class Period(PageQuery):
    """Of which time: whole hours or days from `since`, until before `until`."""

    limit = QueryWhole(1, MOST_ROWS, load_default=MOST_ROWS)
    since = Moment(metadata={"description": "30 days ago by default; hours are kept for 35 days, days for 400"})
    until = Moment()
    group_by = one_of(
        *get_args(GroupBy),
        load_default="day",
        metadata={"description": "times are sorted, others have the most used first"},
    )


class UsageQuery(Period):
    """Whose usage, of which time."""

    credential = Naming(
        required=True,
        metadata={"description": "id of a personal access token, an API key, a client or a grant; or a client_id"},
    )


class OwnUsageQuery(Period):
    """Which of one's own, of which time."""

    credential = Naming(
        required=True,
        metadata={"description": "id of one's own token, app or grant; or the client_id of the app"},
    )


@operations.get("/usage", page_schema(UsageSchema), query=UsageQuery)
def read_usage(actions: Actions, query: dict[str, Any]) -> Any:
    """Count the uses and refusals of a credential; what happened in the last seconds may still be missing"""
    return answer_page(actions.read_usage.page(query.pop("credential"), **query))


@operations.get("/me/usage", page_schema(UsageSchema), query=OwnUsageQuery)
def read_my_usage(actions: Actions, query: dict[str, Any]) -> Any:
    """Count the uses and refusals of one of the user's own tokens, or of an app with all of its grants"""
    return answer_page(actions.read_usage.page(Own(caller().id, query.pop("credential")), **query))
