"""/users: people."""

from __future__ import annotations

from typing import Any

from app.actions.directory.one_time_links import MadeLink, NewLink
from app.actions.directory.users import Email, NewUser, UserChanges, Username, UserView
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, answer_created
from app.management.paging import answer_page, page_query, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("users", "Users")

UserSchema = answer_schema(UserView)
NewUserSchema = request_schema(NewUser)
UserChangesSchema = request_schema(UserChanges)
LinkSchema = answer_schema(MadeLink)
NewLinkSchema = request_schema(NewLink)
UserQuery = page_query(username=Username, email=Email)


@operations.get("/users", page_schema(UserSchema), query=UserQuery)
def list_users(actions: Actions, query: dict[str, Any]) -> Any:
    """List the users"""
    return answer_page(actions.users.page(**query))


@operations.post("/users", UserSchema, body=NewUserSchema)
def create_user(actions: Actions, new: NewUser) -> Any:
    """Create a user"""
    user = actions.users.create(caller(), new)
    return answer_created(actions, user, f"/users/{user.id}")


@operations.get("/users/<row:user_id>", UserSchema)
def get_user(actions: Actions, user_id: str) -> Any:
    """Show a user"""
    return actions.users.get(user_id)


@operations.patch("/users/<row:user_id>", UserSchema, body=UserChangesSchema)
def change_user(actions: Actions, changes: UserChanges, user_id: str) -> Any:
    """Change a user; the change applies to all their credentials at once"""
    return actions.users.change(caller(), user_id, changes)


@operations.delete("/users/<row:user_id>")
def delete_user(actions: Actions, user_id: str) -> None:
    """Delete a user with all their tokens"""
    actions.users.delete(caller(), user_id)


@operations.post("/users/<row:user_id>/links", LinkSchema, body=NewLinkSchema, status=200)
def create_link(actions: Actions, new: NewLink, user_id: str) -> Any:
    """Make a link with which a user sets a password: mailed to the user, or without mail answered once"""
    return actions.one_time_links.create(caller(), user_id, new)


@operations.delete("/users/<row:user_id>/factors")
def reset_factors(actions: Actions, user_id: str) -> None:
    """Remove the second factors of a user who lost them, and end their sign-ins; 404 without any"""
    actions.second_factors.reset(caller(), user_id)
