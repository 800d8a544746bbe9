"""/Groups: the user roles that are provisioned, and their members."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from flask import Response, g
from scim2_models import (
    InvalidValueException,
    MutabilityException,
    PatchOp,
    PatchOperation,
    Path,
    ResponseParameters,
    ScimFilter,
)
from scim2_models.path import CompareOperator, Comparison, FilterNode
from werkzeug.exceptions import RequestEntityTooLarge

from app.actions.directory.provisioning_groups import MemberStep, Team, TeamState
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
from app.scim.models import POLICY, Group

MOST_OPERATIONS = 1_000
MOST_MEMBERS = 5_000  # that one request names
MOST_SELECTIONS = 10  # filters of members in one PATCH that are more than an id
ANYBODY = {"value": "usr", "$ref": "/Users/usr", "type": "User", "display": "anybody"}


def list_groups(actions: Actions) -> Response:
    """List the groups."""
    return _answer_search(actions, read_query(*PARAMETERS, *PROJECTION))


def search_groups(actions: Actions) -> Response:
    """List the groups by a search in the body."""
    return _answer_search(actions, read_body())


def create_group(actions: Actions) -> Response:
    """Create a group."""
    group, projection = _read_group(), read_projection(Group)
    state, members = _state_of(group), _member_ids(group)
    team = actions.provisioning.groups.create(g.actor, state, members, members=shows_members(projection))
    return _answer(actions, team, projection, 201)


def get_group(actions: Actions, group_id: str) -> Response:
    """Show a group."""
    projection = read_projection(Group)
    team = actions.provisioning.groups.get(group_id, members=shows_members(projection))
    return _answer(actions, team, projection)


def replace_group(actions: Actions, group_id: str) -> Response:
    """Replace a group and its members."""
    group = _read_group()
    steps = [MemberStep("replace", _member_ids(group))]
    return _change(actions, group_id, lambda before: _state_of(group), steps)


def patch_group(actions: Actions, group_id: str) -> Response:
    """Change attributes or members of a group."""
    work = _split(read_patch(Group, MOST_OPERATIONS))

    def revise(before: Team) -> TeamState:
        if not work.others:
            return before.state
        group = _read_team(before, root(actions))
        PatchOp[Group](operations=work.others).patch(group, scim_policy=POLICY)
        return _state_of(group)

    return _change(actions, group_id, revise, work.steps)


def delete_group(actions: Actions, group_id: str) -> Response:
    """Delete a group."""
    actions.provisioning.groups.delete(g.actor, group_id, is_current)
    return Response(status=204)


VIEWS: Mapping[str, Callable[..., Response]] = MappingProxyType(
    {
        "list": list_groups,
        "search": search_groups,
        "create": create_group,
        "get": get_group,
        "replace": replace_group,
        "patch": patch_group,
        "delete": delete_group,
    }
)


def _answer_search(actions: Actions, parameters: Mapping[str, Any]) -> Response:
    search = read_search(Group, parameters)
    part = actions.provisioning.groups.page(search.wanted, members=shows_members(search.projection))
    return answer_list(search, part, partial(write, actions, projection=search.projection))


def _change(actions: Actions, group_id: str, revise: Callable[[Team], TeamState], steps: list[MemberStep]) -> Response:
    projection = read_projection(Group)
    shown = shows_members(projection)
    team = actions.provisioning.groups.change(g.actor, group_id, revise, steps, is_current, members=shown)
    return _answer(actions, team, projection)


def write(actions: Actions, team: Team, projection: ResponseParameters[Any]) -> Body:
    """Return a group as it is answered; one member decides what is answered of each: there may be thousands."""
    base = root(actions)
    body = dump(_read_team(team, base), projection)
    if team.members:
        kept = _pattern(projection).get("members", [{}])[0].keys()
        body["members"] = [_write_member(base, one.id, one.username, kept) for one in team.members]
    return body


def _answer(actions: Actions, team: Team, projection: ResponseParameters[Any], status: int = 200) -> Response:
    body, location = write(actions, team, projection), _location(root(actions), team)
    return answer(body, team.version, location, status)


def _write_member(base: str, user_id: str, username: str, kept: Any) -> Body:
    whole = {"value": user_id, "$ref": f"{base}/Users/{user_id}", "type": "User", "display": username}
    return {name: value for name, value in whole.items() if name in kept}


def _pattern(projection: ResponseParameters[Any]) -> Body:
    return dump(Group.model_validate({"id": "role", "displayName": "x", "members": [ANYBODY]}), projection)


def shows_members(projection: ResponseParameters[Any]) -> bool:
    """Return whether the members of groups are answered."""
    return "members" in _pattern(projection)


def _location(base: str, team: Team) -> str:
    return f"{base}/Groups/{team.id}"


def _read_group() -> Group:
    return read_resource(Group, read_body())


def _read_team(team: Team, base: str) -> Group:
    """Return a group as a resource, without its members."""
    meta = {"resourceType": "Group", "created": team.created_at, "lastModified": team.updated_at}
    values = {
        "id": team.id,
        "externalId": team.state.external_id,
        "displayName": team.state.name,
        "meta": meta | {"location": _location(base, team), "version": f'W/"{team.version}"'},
    }
    return Group.model_validate(values, scim_policy=POLICY)


def _state_of(group: Group) -> TeamState:
    return TeamState(group.display_name or "", group.external_id)


def _member_ids(group: Group) -> tuple[str, ...]:
    return _bounded(tuple(one.value for one in group.members or () if one.value is not None))


def _bounded(user_ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(user_ids) > MOST_MEMBERS:
        raise RequestEntityTooLarge(f"a request names at most {MOST_MEMBERS} members")
    return user_ids


@dataclass(slots=True)
class _Work:
    """The operations of a PATCH: on members, which are never loaded all together, and on other attributes."""

    steps: list[MemberStep] = field(default_factory=list)
    others: list[PatchOperation[Any]] = field(default_factory=list)


def _split(patch: PatchOp[Any]) -> _Work:
    work = _Work()
    for operation in patch.operations or ():
        if operation.path is not None:
            _sort_in(work, operation, operation.path, operation.value)
        elif isinstance(operation.value, dict):
            for name, value in operation.value.items():  # RFC 7644 §3.5.2.1: each is an attribute of the resource
                _sort_in(work, operation, name, value)
        else:
            work.others.append(operation)
    _bounded(tuple(user_id for step in work.steps for user_id in step.user_ids))
    if sum(step.among is not None for step in work.steps) > MOST_SELECTIONS:
        raise RequestEntityTooLarge(f"a request has at most {MOST_SELECTIONS} filters of members beside ids")
    return work


def _sort_in(work: _Work, operation: PatchOperation[Any], path: str, value: Any) -> None:
    if _is_members(path):
        _join_step(work.steps, _step(operation.op, Path[Group](path), value))
    elif operation.path is not None:
        work.others.append(operation)
    else:
        work.others.append(PatchOperation[Group](op=operation.op, value={path: value}))


def _is_members(path: str) -> bool:
    binding = Path[Group](path).resolve() if path.lower() not in ("schemas", "") else None
    return binding is not None and binding.field_name == "members"


def _step(verb: PatchOperation.Op, path: Path[Group], value: Any) -> MemberStep:
    binding = path.resolve()
    of_one = binding is not None and binding.sub_field_name is not None
    if of_one or (path.value_filter is not None and verb != PatchOperation.Op.remove):
        raise MutabilityException(detail="a member is added or removed, never changed")
    if path.value_filter is not None:
        return _removal(path, path.value_filter)
    if verb == PatchOperation.Op.remove:
        return MemberStep("remove", everybody=True) if value is None else MemberStep("remove", _ids_in(value))
    return MemberStep("add" if verb == PatchOperation.Op.add else "replace", _ids_in(value))


def _removal(path: Path[Group], selected: FilterNode) -> MemberStep:
    """Return the removal of the members that a path selects; most name one by its id."""
    by_filter = MemberStep("remove", among=ScimFilter[Group](str(path)))
    if not isinstance(selected, Comparison) or selected.attr_path.attr.lower() != "value":
        return by_filter
    equals = selected.op == CompareOperator.eq and isinstance(selected.value, str)
    return MemberStep("remove", (selected.value,)) if equals else by_filter


def _join_step(steps: list[MemberStep], step: MemberStep) -> None:
    """Add a step; several of one verb that follow each other and name users become one."""
    last = steps[-1] if steps else step
    joins = all(one.user_ids and one.verb != "replace" for one in (last, step)) and last.verb == step.verb
    if steps and joins:
        steps[-1] = MemberStep(step.verb, last.user_ids + step.user_ids)
    else:
        steps.append(step)


def _ids_in(value: Any) -> tuple[str, ...]:
    """Return the ids of the members that an operation lists."""
    return tuple(_list_ids(value if isinstance(value, list) else [] if value is None else [value]))


def _list_ids(members: list[Any]) -> Iterator[str]:
    for member in members:
        attributes = member.items() if isinstance(member, dict) else ()
        user_id = next((value for name, value in attributes if name.lower() == "value"), None)
        if not isinstance(user_id, str):
            raise InvalidValueException(detail='a member is an object such as {"value": "usr_1"}')
        yield user_id
