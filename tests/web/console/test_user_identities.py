"""A user's page in the console: an account at an identity provider is linked, shown as text, and unlinked."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from app.models import IdentityLink
from tests.web.account.provider_scene import ID, NAME, Scene, staged
from tests.web.visitor import Visitor, sign_in_at_once

pytestmark = pytest.mark.both_databases


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def open_page(scene: Scene, name: str) -> tuple[Visitor, str]:
    """Open a user's page as an operator; return the browser and the page's path."""
    operator, page = sign_in_at_once(scene.face, scene.face.person("manage")), f"/console/users/{scene.user(name).id}"
    assert operator.get(page).status_code == 200
    return operator, page


@pytest.mark.contract("an operator links an account to somebody within their own rights")
def test_an_account_is_linked_and_unlinked_after_a_question(scene: Scene) -> None:
    name = scene.face.person("orders:read")
    operator, page = open_page(scene, name)
    assert "no identity provider signs them in" in operator.get(page).text
    linked = operator.post(f"{page}/identities", provider=ID, subject="<b>ann")
    assert linked.status_code == 303 and linked.location == page
    shown = operator.get(page).text
    assert "<code>&lt;b&gt;ann</code>" in shown and f"<td>{NAME}" not in shown
    who = scene.admit("<b>ann")
    assert name in who.get("/account").text
    [link] = scene.face.core.actions.federation.links.of_user(scene.user(name).id)
    unlink = f"{page}/identities/{link.id}/unlink"
    asked = unescape(operator.get(unlink).text)
    assert "Unlink <b>ann?" in asked and "every sign-in of theirs ends" in asked
    assert scene.count(IdentityLink) == 1
    assert operator.post(unlink).status_code == 303 and scene.count(IdentityLink) == 0
    assert who.get("/account").status_code == 303 and operator.get(unlink).status_code == 404


def test_what_is_wrong_is_said_at_its_field(scene: Scene) -> None:
    scene.admit("taken", preferred_username="bob")
    operator, page = open_page(scene, scene.face.person())
    for provider, subject, status, message in (
        *((ID, "", 422, "is needed"), (ID, "x" * 256, 422, "at most 255 characters")),
        *((ID, "taken", 409, "is linked to a user already"), ("nobody", "s-1", 422, "no such identity provider")),
    ):
        answer = operator.post(f"{page}/identities", provider=provider, subject=subject)
        assert answer.status_code == status and message in unescape(answer.text), subject
        assert answer.text.count('aria-invalid="true"') == 1, subject
    assert scene.count(IdentityLink) == 1
