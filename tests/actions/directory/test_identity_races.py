"""Sign-ins at an identity provider and what operators do to the same user meanwhile take their locks in one order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.identity_provider_records import NewIdentityProvider
from app.actions.directory.users import UserChanges
from app.actions.sign_in.ask_provider import Identity
from app.errors import LatchkeyError
from tests.second_factors import NOBODY, at_once
from tests.web.account.provider_scene import ID, Scene, staged

pytestmark = pytest.mark.both_databases
ROUNDS = 10


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def admit(scene: Scene, state: str, *groups: str, at: str = ID) -> Actor:
    provider = scene.face.core.actions.federation.providers.find(at)
    assert provider is not None
    until = scene.clock() + timedelta(minutes=10)
    identity = Identity(provider, "s-1", "ann", None, "", frozenset(groups), None, False, state, until)
    return scene.face.core.actions.federation.admit(NOBODY, identity)


def test_a_sign_in_that_changes_roles_and_an_operator_do_not_wait_in_a_circle(scene: Scene) -> None:
    admit(scene, "first", "buyers")
    user_id, users = scene.user("ann").id, scene.face.core.actions.users

    def rename(text: str) -> object:
        return users.change(OPERATOR, user_id, UserChanges(display_name=text))

    for number in range(ROUNDS):
        groups = ("auditors",) if number % 2 == 0 else ("buyers",)
        outcomes = at_once(
            partial(admit, scene, f"a{number}", *groups),
            partial(rename, f"name {number}"),
            partial(rename, f"other {number}"),
        )
        assert [one for one in outcomes if isinstance(one, LatchkeyError)] == []
        assert scene.roles("ann").keys() == ({"auditor", "buyer"} if number % 2 == 0 else {"buyer"})


def test_the_deletion_of_a_provider_and_of_what_it_gave_do_not_wait_in_a_circle(scene: Scene) -> None:
    actions, issuer = scene.face.core.actions, scene.provider.issuer
    ann = admit(scene, "first")
    for number in range(ROUNDS):
        known: dict[str, Any] = {"groups_claim": "groups", "roles": {"buyers": ["buyer"]}, "private_key_jwt": True}
        new = NewIdentityProvider(f"idp {number}", issuer, "us", **known)
        added = actions.federation.manage.create(OPERATOR, new).id
        admit(scene, f"b{number}", "buyers", at=added)
        for _ in range(5):
            actions.sessions.begin(ann, "Firefox", provider=added)
        outcomes = at_once(
            partial(actions.federation.manage.delete, OPERATOR, added),
            partial(actions.users.change, OPERATOR, ann.id, UserChanges(enabled=False)),
        )
        assert [one for one in outcomes if isinstance(one, LatchkeyError)] == []
        actions.users.change(OPERATOR, ann.id, UserChanges(enabled=True))
        assert actions.sessions.page(ann.id) == [] and scene.roles("ann") == {}
