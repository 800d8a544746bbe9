"""Sign-ins by an identity provider at the same moment: each person gets one user, and each username one person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.admit_identity import AdmitIdentity
from app.actions.sign_in.ask_provider import Identity
from app.models import IdentityLink, ProvidedRole, User
from tests.actions.directory.test_races import at_once
from tests.web.account.provider_scene import ID, Scene, staged

pytestmark = pytest.mark.both_databases


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


@pytest.mark.parametrize("number", range(3))
def test_two_first_sign_ins_of_one_person_at_once_both_succeed(scene: Scene, number: int) -> None:
    subject, browsers = f"twice-{number}", [scene.visitor() for _ in range(2)]
    backs = [
        scene.provider.consent(scene.begin(one), subject, preferred_username=subject, groups=["buyers"])
        for one in browsers
    ]
    works = [partial(one.http.get, back) for one, back in zip(browsers, backs, strict=True)]
    answers = [answer for answer in at_once(*works) if isinstance(answer, TestResponse)]
    assert [answer.status_code for answer in answers] == [303, 303], [answer.text for answer in answers]
    assert (scene.count(User), scene.count(IdentityLink), scene.count(ProvidedRole)) == (1, 1, 1)


def test_of_two_people_with_one_username_at_once_one_gets_it(scene: Scene) -> None:
    browsers = [scene.visitor() for _ in range(2)]
    backs = [
        scene.provider.consent(scene.begin(one), f"person-{number}", preferred_username="ann")
        for number, one in enumerate(browsers)
    ]
    works = [partial(one.http.get, back) for one, back in zip(browsers, backs, strict=True)]
    answers = [answer for answer in at_once(*works) if isinstance(answer, TestResponse)]
    assert sorted(answer.status_code for answer in answers) == [303, 403]
    assert (scene.count(User), scene.count(IdentityLink)) == (1, 1)


def test_a_user_who_is_deleted_while_an_account_is_linked_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, link = scene.admit("person-1", preferred_username="ann"), AdmitIdentity.link
    assert who.get("/account").status_code == 200  # has the token of the form
    [url] = re.findall(r'href="(http://127[^"]+)"', who.post(f"/account/providers/{ID}/link").text)

    def delete_and_link(admit: AdmitIdentity, actor: Actor, identity: Identity) -> None:
        scene.face.core.actions.users.delete(OPERATOR, actor.id)
        link(admit, actor, identity)

    monkeypatch.setattr(AdmitIdentity, "link", delete_and_link)
    answer = who.http.get(scene.provider.consent(url.replace("&amp;", "&"), "person-2"))
    assert answer.status_code == 403 and scene.count(IdentityLink) == 0
