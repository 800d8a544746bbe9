"""Schemas that are made from records: each field is declared once and is read within a limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from marshmallow import Schema, ValidationError
from pydantic import Field

from app.actions.directory.api_keys import KeyChanges, KeyView, NewKey
from app.actions.directory.changes import UNSET
from app.actions.directory.clients import ClientChanges, NewClient
from app.actions.directory.fields import Mark, fields_of
from app.actions.directory.personal_access_tokens import NewToken, TokenView
from app.actions.directory.resources import NewResource, ResourceView
from app.actions.directory.roles import NewRole, RoleChanges
from app.actions.directory.users import NewUser, UserChanges, UserView
from app.credentials.kind import RateLimit
from app.crypto.certificate import SUBJECT_FIELDS
from app.management import api_keys, clients, resources, roles, token_schemas, users
from app.management.schemas import request_schema

FLAT = {"certificate_subject": SUBJECT_FIELDS, "lifetime": ("expires_at", "expires_in")}
LEFT_OUT = {"narrowed", "user_id"}  # of answers
REQUESTS: Mapping[type, type[Schema]] = {
    NewKey: api_keys.NewKeySchema,
    KeyChanges: api_keys.KeyChangesSchema,
    NewClient: clients.NewClientSchema,
    ClientChanges: clients.ClientChangesSchema,
    NewToken: token_schemas.NewTokenSchema,
    NewResource: resources.NewResourceSchema,
    NewRole: roles.NewRoleSchema,
    RoleChanges: roles.RoleChangesSchema,
    NewUser: users.NewUserSchema,
    UserChanges: users.UserChangesSchema,
}
ANSWERS: Mapping[type, type[Schema]] = {
    KeyView: api_keys.KeySchema,
    TokenView: token_schemas.TokenSchema,
    ResourceView: resources.ResourceSchema,
    UserView: users.UserSchema,
}


@dataclass(frozen=True)
class Sample:
    """A record with a field of each mark."""

    secret: Annotated[str, Field(max_length=9), Mark.SECRET]
    lines: Annotated[str | None, Field(max_length=9), Mark.LINES, Mark.NOT_NULL] = None
    name: Annotated[str, Field(min_length=1, max_length=9), Mark.NOT_BLANK] = "none"
    limit: RateLimit | None = None


@dataclass(frozen=True)
class Unlimited:
    """A record whose text has no limit."""

    name: str


@pytest.mark.parametrize("record", REQUESTS, ids=lambda record: record.__name__)
def test_a_request_has_the_fields_of_its_record(record: type) -> None:
    names = [field.name for field in fields_of(record)]
    flat = [part for name in names for part in FLAT.get(name, (name,))]
    assert sorted(REQUESTS[record]().fields) == sorted(flat)


@pytest.mark.parametrize("view", ANSWERS, ids=lambda view: view.__name__)
def test_an_answer_has_the_fields_of_its_view(view: type) -> None:
    assert set(ANSWERS[view]().fields) == {field.name for field in fields_of(view)} - LEFT_OUT


def test_a_request_is_read_into_its_record() -> None:
    limit = {"requests": 1, "window_seconds": 2}
    read = request_schema(Sample)().load({"secret": "x", "lines": "a\nb", "limit": limit})
    assert read == Sample("x", "a\nb", "none", RateLimit(1, 2))
    assert api_keys.KeyChangesSchema().load({"scopes": None}) == KeyChanges(scopes=None, name=UNSET)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"secret": "x" * 10},
        {"secret": "a\nb"},
        {"secret": "x", "lines": None},
        {"secret": "x", "name": "  "},
        {"secret": "x", "limit": {"requests": 0, "window_seconds": 1}},
        {"secret": "x", "other": 1},
    ],
)
def test_what_a_constraint_excludes_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        request_schema(Sample)().load(body)


def test_a_secret_is_never_written() -> None:
    assert "secret" not in request_schema(Sample)().dump(Sample("x"))


def test_a_request_with_an_unlimited_text_is_an_error() -> None:
    with pytest.raises(TypeError, match="needs a max_length"):
        request_schema(Unlimited)
