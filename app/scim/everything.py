"""/.search: users and groups as one list, the users first (RFC 7644 §3.4.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response
from scim2_models import ScimFilter

from app.actions.directory.provisioning_lists import Wanted
from app.compose import Actions
from app.scim import groups, users
from app.scim.messages import list_body, make_response, read_body, read_search
from app.scim.models import Employee, Group


def search_everything(actions: Actions) -> Response:
    """List users and groups by a search in the body."""
    search = read_search(Employee | Group, read_body())
    wanted, projection = search.wanted, search.projection
    people = actions.provisioning.users.page(_about(Employee, wanted))
    start, count = max(wanted.start - people.total, 0), wanted.count - len(people.found)
    rest = replace(_about(Group, wanted), start=start, count=count)
    teams = actions.provisioning.groups.page(rest, members=groups.shows_members(projection))
    found = [users.write(actions, one, projection) for one in people.found]
    found += [groups.write(actions, one, projection) for one in teams.found]
    return make_response(list_body(found, people.total + teams.total, wanted.start + 1))


def _about(model: Any, wanted: Wanted) -> Wanted:
    """Return what is wanted of one type: a filter on an attribute that it does not have matches nothing."""
    return wanted if wanted.filter is None else replace(wanted, filter=ScimFilter[model](str(wanted.filter)))
