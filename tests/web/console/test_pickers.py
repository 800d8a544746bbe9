"""Pickers with many choices: searchable, and what was picked comes first and stays picked when a form is refused."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientChanges
from tests.management.face import Face, start_face, stop_face
from tests.web.console.conftest import sign_in_operator
from tests.web.visitor import Visitor, browser_of

MANY = 20
SCOPES = [f"picked:{number:02}" for number in range(MANY)]
ROLES, MACHINE_ROLES = ([f"{kind} {number:02}" for number in range(MANY)] for kind in ("clerk", "robot"))
APIS = [f"https://api.example/{number:02}" for number in range(MANY)]
BOX = re.compile(r'<input [^>]*type="checkbox" name="(\w+)" value="([^"]+)"( checked)?')


@dataclass(frozen=True)
class Form:
    """The page of a form, where it is sent, its picker, two choices that are not among the first, and its fields."""

    page: str
    target: str
    name: str
    picked: tuple[str, str]
    fields: dict[str, str]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """An application with many objects of each type."""
    made = start_face(tmp_path_factory.mktemp("pickers"), rate_limits="off")
    core = made.core
    core.resource("https://api.example/picked", *SCOPES[:10], public=SCOPES[10:])
    core.resource("https://api.example/public", public=[f"public:{number:02}" for number in range(MANY)])
    for number in range(MANY):
        core.role(ROLES[number], "user", SCOPES[number])
        core.role(MACHINE_ROLES[number], "machine")
        core.resource(APIS[number])
    core.user("ann", *ROLES)
    core.client("ci")
    yield made
    stop_face(made)


def forms(face: Face) -> dict[str, Form]:
    core = face.core
    user, client = core.row_id("ann"), core.row_id("ci")
    [role] = core.actions.roles.page(1, name=ROLES[0])[0]
    two = (SCOPES[5], SCOPES[17])
    public = {"resource": "https://api.example/public", "name": " ", "which": "some"}
    key_page = "/console/api-keys/new?resource=https://api.example/public"
    return {
        "a new user": Form("/console/users/new", "/console/users", "roles", (ROLES[7], ROLES[19]), {"username": " "}),
        "a user": Form(f"/console/users/{user}", f"/console/users/{user}", "roles", (ROLES[7], ROLES[19]), {}),
        "a new client": Form(
            "/console/clients/new", "/console/clients", "roles", (MACHINE_ROLES[7], MACHINE_ROLES[19]), {}
        ),
        "a client": Form(f"/console/clients/{client}", f"/console/clients/{client}", "serves", (APIS[7], APIS[19]), {}),
        "a new role": Form("/console/roles/new", "/console/roles", "permissions", two, {"type": "user"}),
        "a role": Form(f"/console/roles/{role.id}", f"/console/roles/{role.id}", "permissions", two, {}),
        "a token": Form(f"/console/users/{user}/tokens/new", f"/console/users/{user}/tokens", "scopes", two, {}),
        "a key": Form(key_page, "/console/api-keys", "scopes", ("public:07", "public:19"), public),
        "one's own token": Form("/account/tokens/new", "/account/tokens", "scopes", two, {}),
    }


def boxes(page: str, name: str) -> list[tuple[str, bool]]:
    """Return the values of the boxes of a picker in the order of the page, and whether each is ticked."""
    return [(value, bool(ticked)) for field, value, ticked in BOX.findall(page) if field == name]


@pytest.mark.parametrize(
    "name",
    ["a new user", "a user", "a new client", "a client", "a new role", "a role", "a token", "a key", "one's own token"],
)
def test_a_long_picker_is_searchable_and_shows_what_was_picked_first(crowded: Face, name: str) -> None:
    form = forms(crowded)[name]
    visitor = sign_in_operator(crowded)
    if name == "one's own token":
        visitor = browser_of(crowded, _with_password(crowded))
    page = visitor.get(form.page).text
    assert f'data-narrows="{form.name}-choices"' in page and f'id="{form.name}-choices"' in page
    offered = [value for value, _ in boxes(page, form.name)]
    assert len(offered) == len(set(offered)) >= MANY and set(form.picked) <= set(offered)
    fields: dict[str, str | list[str]] = {"name": " ", **form.fields, form.name: list(form.picked)}
    refused = visitor.post(form.target, **fields)
    assert refused.status_code == 422
    shown = boxes(refused.text, form.name)
    assert shown[:2] == [(value, True) for value in form.picked]
    assert not any(ticked for _, ticked in shown[2:]) and sorted(value for value, _ in shown) == sorted(offered)


def _with_password(face: Face) -> str:
    """Return the name of a user with a password who has every role of this module."""
    name = face.person("orders:read")
    face.core.assign(name, *ROLES)
    return name


def test_a_short_picker_is_plain(face: Face, operator: Visitor) -> None:
    page = operator.get("/console/users/new").text
    assert "data-narrows" not in page


def test_what_an_object_has_comes_first(crowded: Face) -> None:
    client, visitor = crowded.core.row_id("ci"), sign_in_operator(crowded)
    changes = ClientChanges(roles=(MACHINE_ROLES[11],), serves=(APIS[15],))
    crowded.core.actions.clients.change(OPERATOR, client, changes)
    page = visitor.get(f"/console/clients/{client}").text
    assert boxes(page, "roles")[0] == (MACHINE_ROLES[11], True) and boxes(page, "serves")[0] == (APIS[15], True)
    [role] = crowded.core.actions.roles.page(1, name=ROLES[18])[0]
    assert boxes(visitor.get(f"/console/roles/{role.id}").text, "permissions")[0] == (SCOPES[18], True)
