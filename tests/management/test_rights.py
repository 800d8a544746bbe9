"""Nobody exceeds their own rights: each operation by each caller, on objects with fewer and with more rights."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import UserChanges
from app.management.authorization import TABLE
from tests.management.face import Face
from tests.management.rights import CASES, Case
from tests.management.scene import Scene

SCOPED = {name: scope for name, scope in TABLE.items() if isinstance(scope, str)}
MATRIX = [pytest.param(name, case, id=f"{name}: {case.label}") for name in SCOPED for case in CASES.get(name, [])]
DONE = (200, 201, 204)


@dataclass
class Callers:
    """The tokens of everybody who calls, each made once."""

    face: Face
    kept: dict[str, str]

    def machine(self, *scopes: str) -> str:
        """Return a machine token of these scopes."""
        return self._once(f"machine {scopes}", lambda: self.face.machine(*scopes))

    def pat(self) -> str:
        """Return a personal access token with `manage`."""
        return self._once("pat", lambda: self.face.pat("manage"))

    def exchanged(self) -> str:
        """Return the JWT that it was exchanged for."""
        return self._once("exchanged", lambda: self.face.core.exchange(self.pat()))

    def demoted(self) -> str:
        """Return the token of an administrator who is one no longer."""
        return self._once("demoted", lambda: self._changed(UserChanges(roles=())))

    def disabled(self) -> str:
        """Return the token of an administrator who is disabled."""
        return self._once("disabled", lambda: self._changed(UserChanges(enabled=False)))

    def _changed(self, changes: UserChanges) -> str:
        username = self.face.person("manage")
        token = self.face.core.pat(username, "manage")[1]
        self.face.core.actions.users.change(OPERATOR, self.face.core.row_id(username), changes)
        return token

    def _once(self, name: str, make: Callable[[], str]) -> str:
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


@pytest.fixture(scope="module")
def callers(face: Face) -> Callers:
    return Callers(face, {})


@pytest.fixture(scope="module")
def scene(face: Face, admin: str) -> Scene:
    made = Scene(face, admin)
    face.person("manage"), made.client("manage")  # administrators who stay
    return made


@pytest.mark.contract("no operation exceeds the caller's own rights")
def test_every_operation_with_a_scope_is_in_the_matrix() -> None:
    assert set(CASES) == set(SCOPED)


@pytest.mark.contract("no operation exceeds the caller's own rights")
@pytest.mark.parametrize(("name", "case"), MATRIX)
def test_every_operation_is_refused_without_its_scope(scene: Scene, callers: Callers, name: str, case: Case) -> None:
    method, path, body = case.request(scene, name)
    noun, _, verb = SCOPED[name].partition(":")  # `manage` has no verb
    others = {callers.machine("introspect"): 403, callers.demoted(): 403, callers.disabled(): 401, "": 401}
    if verb == "write" and noun != "keys":
        others[callers.machine(f"{noun}:read")] = 403
    for token, status in others.items():
        answer = scene.face.call(method, path, token or None, json=body)
        assert answer.status_code == status
        assert status != 403 or 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.contract("no operation exceeds the caller's own rights")
@pytest.mark.parametrize(("name", "case"), MATRIX)
def test_a_scope_reaches_objects_whose_scopes_the_caller_has_too(
    scene: Scene, callers: Callers, name: str, case: Case
) -> None:
    method, path, body = case.request(scene, name)
    answer = scene.face.call(method, path, callers.machine(SCOPED[name]), json=body)
    if case.built_in:
        assert answer.status_code == 409
    elif not case.carries:
        assert answer.status_code in DONE, answer.text
    else:
        assert answer.status_code == 403, answer.text
        challenge = answer.headers["WWW-Authenticate"]
        assert 'error="insufficient_scope"' in challenge and f'scope="{case.missing}"' in challenge
        assert scene.face.call(method, path, scene.admin, json=body).status_code in DONE  # nothing was done before


@pytest.mark.contract("no operation exceeds the caller's own rights")
@pytest.mark.parametrize(("name", "case"), MATRIX)
def test_manage_reaches_everything_but_a_delegate_creates_no_credential(
    scene: Scene, callers: Callers, name: str, case: Case
) -> None:
    request = None
    for token, delegated in {callers.pat(): True, callers.exchanged(): True, scene.admin: False}.items():
        method, path, body = request = request or case.request(scene, name)
        answer = scene.face.call(method, path, token, json=body)
        if delegated and case.credential:
            assert answer.status_code == 403, answer.text
            assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        else:
            assert answer.status_code in ((409,) if case.built_in else DONE), answer.text
        if answer.status_code in DONE and method != "GET":
            request = None  # the next caller needs another object


def test_the_last_administrator_is_kept_with_a_reason(own_face: Face) -> None:
    admin, boss = own_face.machine("manage"), own_face.core.row_id(own_face.person("manage"))
    for method, body in (("PATCH", {"enabled": False}), ("PATCH", {"roles": []}), ("DELETE", None)):
        answer = own_face.call(method, f"/users/{boss}", admin, json=body)
        assert (
            answer.status_code == 409
            and "no enabled user with a password or a linked account and a role that gives manage"
            in answer.json["detail"]
        )
    assert own_face.call("GET", f"/users/{boss}", admin).json["enabled"]


def test_only_manage_revokes_any_signing_key(own_face: Face) -> None:
    admin, rotate = own_face.machine("manage"), own_face.core.actions.rotate_signing_key
    rotate(OPERATOR)
    keeper = own_face.machine("keys:write")
    before = rotate.list()
    assert {key.status for key in before} == {"next", "active", "retiring"}
    for key in before:
        answer = own_face.call("DELETE", f"/signing-keys/{key.kid}", keeper)
        assert answer.status_code == 403 and "manage" in answer.json["detail"]
    assert rotate.list() == before and own_face.core.active(admin)
    assert own_face.call("POST", "/signing-keys/rotate", keeper).status_code == 200
