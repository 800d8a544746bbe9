"""The schemas of personal access tokens, for their owner and for an operator."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validates_schema

from app.actions.directory.fields import Status
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenView
from app.management.fields import Given, Moment, Whole
from app.management.paging import page_query
from app.management.schemas import answer_schema, request_schema

LONGEST_LIFETIME = 2**53  # seconds that a JSON number can say; the policy is stricter


class _WithLifetime(Given):
    """Reads `expires_at` or `expires_in` as the lifetime; `expires_at` null means never, neither the default."""

    @validates_schema
    def _refuse_both(self, data: dict[str, Any], **_: Any) -> None:
        if "expires_at" in data and "expires_in" in data:
            raise ValidationError("Give expires_at or expires_in, not both.", "expires_in")

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        never = "expires_at" in data and data["expires_at"] is None
        lifetime = AskedLifetime(data.pop("expires_at", None), data.pop("expires_in", None), never)
        return super()._make(data | {"lifetime": lifetime})


TokenSchema = answer_schema(TokenView, without=["user_id"])
MadeTokenSchema = answer_schema(TokenView, "MadeToken", without=["user_id"], token=fields.String(required=True))
NewTokenSchema = request_schema(
    NewToken,
    base=_WithLifetime,
    without=["lifetime"],
    expires_at=Moment(allow_none=True),
    expires_in=Whole(1, LONGEST_LIFETIME, metadata={"description": "seconds"}),
)
TokenQuery = page_query(status=Status)
