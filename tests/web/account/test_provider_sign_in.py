"""Signing in at an identity provider: OpenID Connect Core 1.0 §3.1, RFC 9207 and RFC 9700 §4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.account.provider_scene import NAME, Scene, staged


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def test_a_person_signs_in_and_is_made_a_user(scene: Scene) -> None:
    who = scene.visitor()
    assert f"Sign in with {NAME}" in who.get("/login").text
    response = scene.sign_in(who, "s-1", preferred_username="ann", email="ann@acme.example", email_verified=True)
    assert response.status_code == 303 and response.location == "/account/tokens", response.text
    assert who.get("/account").status_code == 200
    user = scene.user("ann")
    assert user.email == "ann@acme.example" and user.password_digest is None
