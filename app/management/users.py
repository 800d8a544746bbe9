"""/users: people."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.actions.directory.users import NewUser, UserChanges
from app.actions.sign_in.passwords import LONGEST, SHORTEST
from app.http.current import actions
from app.management.authorization import caller
from app.management.blueprint import Operations, PageQuery, gone, made, page_of, paged
from app.management.fields import Flag, Given, Listed, Moment, Name, Text
from app.models.names import LONGEST_EMAIL, LONGEST_USERNAME

blueprint = Operations("users", "Users")


class UserSchema(Schema):
    """A user as shown: never the password."""

    id = fields.String(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    display_name = fields.String(required=True)
    enabled = fields.Boolean(required=True)
    roles = fields.List(fields.String(), required=True)
    created_at = Moment(required=True)


class NewUserSchema(Given):
    """A user to be made. Without a password nobody signs in as them."""

    makes = NewUser
    username = Text(LONGEST_USERNAME, required=True)
    email = Text(LONGEST_EMAIL, allow_none=True)
    password = Text(LONGEST, shortest=SHORTEST, load_only=True)
    display_name = Text(shortest=0)
    enabled = Flag(metadata={"default": True})
    roles = Listed(Name(), metadata={"description": "names of user roles"})


class UserChangesSchema(Given):
    """What changes of a user."""

    makes = UserChanges
    username = Text(LONGEST_USERNAME)
    email = Text(LONGEST_EMAIL, allow_none=True)
    password = Text(LONGEST, shortest=SHORTEST, load_only=True)
    display_name = Text(shortest=0)
    enabled = Flag()
    roles = Listed(Name(), metadata={"description": "names of user roles"})


class UserQuery(PageQuery):
    """Which users to list."""

    username = Text(LONGEST_USERNAME)
    email = Text(LONGEST_EMAIL)


@blueprint.get("/users")
@blueprint.arguments(UserQuery, location="query")
@blueprint.response(200, page_of(UserSchema))
def list_users(query: dict[str, Any]) -> Any:
    """List the users"""
    return paged(actions().users.page(**query))


@blueprint.post("/users")
@blueprint.arguments(NewUserSchema)
@blueprint.response(201, UserSchema)
def create_user(new: NewUser) -> Any:
    """Make a user"""
    user = actions().users.create(caller(), new)
    return made(user, f"/users/{user.id}")


@blueprint.get("/users/<row:user_id>")
@blueprint.response(200, UserSchema)
def get_user(user_id: str) -> Any:
    """Show a user"""
    return actions().users.get(user_id)


@blueprint.patch("/users/<row:user_id>")
@blueprint.arguments(UserChangesSchema)
@blueprint.response(200, UserSchema)
def change_user(changes: UserChanges, user_id: str) -> Any:
    """Change a user: every credential of theirs feels it at once"""
    return actions().users.change(caller(), user_id, changes)


@blueprint.delete("/users/<row:user_id>")
@blueprint.response(204)
def delete_user(user_id: str) -> Response:
    """Delete a user and every token of theirs"""
    actions().users.delete(caller(), user_id)
    return gone()
