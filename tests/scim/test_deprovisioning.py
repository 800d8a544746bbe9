"""Whom the directory disables or deletes is out at once: sessions, tokens and grants, on every node."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.one_time_links import NewLink
from app.actions.limits.storage import DatabaseLimiter
from app.compose import Actions, join
from app.database.store import Store
from app.errors import Invalid, Unauthenticated
from app.models import UserSession
from tests.actions.directory.test_races import at_once
from tests.core import ORDERS
from tests.management.face import Face, start_face, stop_face
from tests.scim.provisioner import Provisioner, operation

pytestmark = pytest.mark.both_databases


@pytest.fixture
def face(tmp_path: Path) -> Iterator[Face]:
    """An application that the test has for itself."""
    made = start_face(tmp_path, rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def other_node(face: Face) -> Iterator[Actions]:
    """Another process of the same server, as far as its store and its caches go."""
    settings, clock = face.core.actions.settings, face.core.clock
    store = Store(create_engine(settings.database_url))
    made = join(settings, store, clock, DatabaseLimiter(store, clock))
    yield made
    made.usage.stop()
    store.dispose()


@pytest.mark.contract("SCIM: `active: false` and DELETE end sessions, tokens and grants at once, in one transaction")
@pytest.mark.asvs("7.4.2")
@pytest.mark.parametrize("how", ["patch", "put", "delete"])
def test_no_credential_of_the_user_lives_on_any_node(face: Face, other_node: Actions, how: str) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    core.role("clerk", "user", "orders:read")
    core.user("ann", "clerk")
    core.app("app")
    granted = core.delegate("ann", "app", "orders:read", ORDERS)
    pat = core.pat("ann", "orders:read")[1]
    tokens = [pat, core.exchange(pat), granted.access.token]
    session = core.actions.sessions.begin(Actor("user", core.row_id("ann"), "ann"), "browser")
    nodes = (core.actions, other_node)
    assert all(node.verify(token) for node in nodes for token in tokens)  # each has cached its answer
    assert all(node.sessions.use(session.secret, None, None) for node in nodes)
    _deprovision(scim, core.row_id("ann"), how)
    assert not any(node.verify(token) for node in nodes for token in tokens)
    assert not any(node.sessions.use(session.secret, None, None) for node in nodes)
    event = core.trace()[-1]
    assert (event.action, event.details["source"]) == ("user.delete" if how == "delete" else "user.update", "scim")


@pytest.mark.contract("SCIM: `active: false` and DELETE end sessions, tokens and grants at once, in one transaction")
def test_a_user_who_left_a_group_loses_what_it_gave_on_every_node(face: Face, other_node: Actions) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    core.user("ann")
    group = scim.group(core.row_id("ann"), displayName="clerks")
    core.give("clerks", "orders:read")
    token = core.pat("ann", "orders:read")[1]
    for node in (core.actions, other_node):
        assert (claims := node.verify(token)) is not None and str(claims.scopes) == "orders:read"
    scim.patched(f"/Groups/{group['id']}", operation("remove", "members", [{"value": core.row_id("ann")}]))
    for node in (core.actions, other_node):
        claims = node.verify(token)
        assert claims is None or not claims.scopes


@pytest.mark.contract("SCIM: `active: false` and DELETE end sessions, tokens and grants at once, in one transaction")
@pytest.mark.parametrize("how", ["patch", "put"])
def test_what_was_ended_stays_so_when_the_user_comes_back(face: Face, other_node: Actions, how: str) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    core.role("clerk", "user", "orders:read")
    user_id = core.user("ann", "clerk")
    core.app("app")
    granted = core.delegate("ann", "app", "orders:read", ORDERS)
    pat = core.pat("ann", "orders:read")[1]
    link = core.actions.one_time_links.create(OPERATOR, user_id, NewLink("invitation")).url or ""
    tokens = [pat, core.exchange(pat), granted.access.token]
    session = core.actions.sessions.begin(Actor("user", user_id, "ann"), "browser")
    _deprovision(scim, user_id, how)
    assert scim.patched(f"/Users/{user_id}", operation("replace", None, {"active": "true"}))["active"] is True
    for node in (core.actions, other_node):
        assert not any(node.verify(token) for token in tokens)
        assert node.sessions.use(session.secret, None, None) is None
    [shown], _ = core.actions.personal_access_tokens.page(user_id, 50)
    assert shown.status == "revoked" and "directory" in (shown.revoked_reason or "")
    [grant], _ = core.actions.apps.grants(50, user_id=user_id)
    assert grant.status == "revoked"
    with pytest.raises(Invalid):
        core.actions.one_time_links.open(link.partition("#")[2], None)
    ended = {event.action for event in core.trace() if event.actor_type == "client"}
    assert {"personal_access_token.revoke", "grant.revoke", "user.update"} <= ended
    assert core.actions.verify(core.pat("ann", "orders:read", name="another")[1])  # the name is free, too


def test_nobody_signs_in_who_was_disabled_meanwhile(face: Face) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    for change in ({"active": False}, None):
        user = scim.user()
        actor = Actor("user", user["id"], user["userName"])  # who has just given the password
        path = f"/Users/{user['id']}"
        scim.patched(path, operation("replace", None, change)) if change else scim.call("DELETE", path)
        with pytest.raises(Unauthenticated):
            core.actions.sessions.begin(actor, "browser")
    assert core.count(UserSession) == 0


@pytest.mark.parametrize("number", range(3))
def test_a_sign_in_beside_a_deprovisioning_leaves_no_session(face: Face, other_node: Actions, number: int) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    actors = [Actor("user", user["id"], user["userName"]) for user in (scim.user() for _ in range(4))]

    def begin(actor: Actor) -> object:
        return other_node.sessions.begin(actor, "browser")

    def disable(actor: Actor) -> object:
        return scim.patched(f"/Users/{actor.id}", operation("replace", "active", False))

    at_once(*(partial(work, actor) for actor in actors for work in (begin, disable)))
    assert core.count(UserSession) == 0


def test_what_was_made_meanwhile_ends_when_the_directory_repeats_itself(face: Face) -> None:
    core, scim = face.core, Provisioner(face, face.machine("scim"))
    core.role("clerk", "user", "orders:read")
    user_id = core.user("ann", "clerk")
    token = core.pat("ann", "orders:read")[1]
    core.enable("ann", False)
    scim.patched(f"/Users/{user_id}", operation("replace", "active", False))
    scim.patched(f"/Users/{user_id}", operation("replace", "active", True))
    assert core.actions.verify(token) is None


def _deprovision(scim: Provisioner, user_id: str, how: str) -> None:
    if how == "patch":
        scim.patched(f"/Users/{user_id}", operation("Replace", "active", "False"))
    elif how == "put":
        assert scim.call("PUT", f"/Users/{user_id}", {"userName": "ann", "active": False}).status_code == 200
    else:
        assert scim.call("DELETE", f"/Users/{user_id}").status_code == 204
