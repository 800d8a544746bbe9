"""/Users: all users of this server, so that a client can adopt existing ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from flask import Response, g
from scim2_models import ResponseParameters

from app.actions.directory.provisioning_users import WORK, Person, PersonState
from app.compose import Actions
from app.scim.messages import (
    PARAMETERS,
    PROJECTION,
    Body,
    answer,
    answer_list,
    dump,
    is_current,
    read_body,
    read_patch,
    read_projection,
    read_query,
    read_resource,
    read_search,
    root,
)
from app.scim.models import POLICY, Employee

MOST_OPERATIONS = 100
OURS = frozenset(("schemas", "id", "externalId", "userName", "displayName", "active", "groups", "meta"))
User = Any  # Employee is made at run time


def list_users(actions: Actions) -> Response:
    """List the users."""
    return _answer_search(actions, read_query(*PARAMETERS, *PROJECTION))


def search_users(actions: Actions) -> Response:
    """List the users by a search in the body."""
    return _answer_search(actions, read_body())


def create_user(actions: Actions) -> Response:
    """Create a user."""
    user, _ = _read_user()
    projection = read_projection(Employee)
    return _answer(actions, actions.provisioning.users.create(g.actor, _state_of(user)), projection, 201)


def get_user(actions: Actions, user_id: str) -> Response:
    """Show a user."""
    projection = read_projection(Employee)
    return _answer(actions, actions.provisioning.users.get(user_id), projection)


def replace_user(actions: Actions, user_id: str) -> Response:
    """Replace what the client keeps of a user."""
    user, says_active = _read_user()

    def revise(before: Person) -> PersonState:
        return _state_of(user, None if says_active else before.state.enabled)

    return _change(actions, user_id, revise)


def patch_user(actions: Actions, user_id: str) -> Response:
    """Change attributes of a user."""
    patch = read_patch(Employee, MOST_OPERATIONS)

    def revise(before: Person) -> PersonState:
        user = _read_person(before, root(actions))
        return _state_of(user) if patch.patch(user, scim_policy=POLICY) else before.state

    return _change(actions, user_id, revise)


def delete_user(actions: Actions, user_id: str) -> Response:
    """Delete a user."""
    actions.provisioning.users.delete(g.actor, user_id, is_current)
    return Response(status=204)


VIEWS: Mapping[str, Callable[..., Response]] = MappingProxyType(
    {
        "list": list_users,
        "search": search_users,
        "create": create_user,
        "get": get_user,
        "replace": replace_user,
        "patch": patch_user,
        "delete": delete_user,
    }
)


def _answer_search(actions: Actions, parameters: Mapping[str, Any]) -> Response:
    search = read_search(Employee, parameters)
    part = actions.provisioning.users.page(search.wanted)
    return answer_list(search, part, partial(write, actions, projection=search.projection))


def _change(actions: Actions, user_id: str, revise: Callable[[Person], PersonState]) -> Response:
    projection = read_projection(Employee)
    person = actions.provisioning.users.change(g.actor, user_id, revise, is_current)
    return _answer(actions, person, projection)


def write(actions: Actions, person: Person, projection: ResponseParameters[Any]) -> Body:
    """Return a user as it is answered."""
    return dump(_read_person(person, root(actions)), projection)


def _answer(actions: Actions, person: Person, projection: ResponseParameters[Any], status: int = 200) -> Response:
    body, location = write(actions, person, projection), _location(root(actions), person)
    return answer(body, person.version, location, status)


def _location(base: str, person: Person) -> str:
    return f"{base}/Users/{person.id}"


def _read_user() -> tuple[User, bool]:
    """Return the user who was sent, and whether `active` was: a new one is active, another stays as it is."""
    body = read_body()
    says_active = any(name.lower() == "active" for name in body)
    return read_resource(Employee, body if says_active else body | {"active": True}), says_active


def _read_person(person: Person, base: str) -> User:
    """Return a user as a resource."""
    state = person.state
    groups = [
        {"value": one.id, "display": one.name, "type": "direct", "$ref": f"{base}/Groups/{one.id}"}
        for one in person.groups
    ]
    meta = {"resourceType": "User", "created": person.created_at, "lastModified": person.updated_at}
    values = {
        "id": person.id,
        "externalId": state.external_id,
        "userName": state.username,
        "displayName": state.display_name or None,
        "active": state.enabled,
        "emails": _emails(state),
        "groups": groups or None,
        "meta": meta | {"location": _location(base, person), "version": f'W/"{person.version}"'},
    }
    return Employee.model_validate({**state.attributes, **values}, scim_policy=POLICY)


def _emails(state: PersonState) -> list[Body] | None:
    """Return the addresses: the first is the user's, which may have changed on this server."""
    kept = [dict(one) for one in state.attributes.get("emails", ())]
    if state.email is None:
        return (kept[1:] if kept and kept[0].get("value") else kept) or None
    if not kept or not kept[0].get("value"):
        return [{"value": state.email, "type": WORK, "primary": True}, *kept]
    return [kept[0] | {"value": state.email}, *kept[1:]]


def _state_of(user: User, enabled: bool | None = None) -> PersonState:
    """Return what a resource says of a user; the primary address comes first."""
    kept = {name: value for name, value in user.model_dump(mode="json").items() if name not in OURS}
    emails = sorted(kept.pop("emails", ()), key=lambda one: not one.get("primary"))
    if emails:
        kept["emails"] = emails
    return PersonState(
        username=user.user_name or "",
        email=emails[0].get("value") if emails else None,
        display_name=user.display_name or "",
        enabled=user.active if enabled is None else enabled,
        external_id=user.external_id,
        attributes=kept,
    )
