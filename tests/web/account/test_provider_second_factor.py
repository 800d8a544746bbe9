"""A second factor at an identity provider: it counts here for the sign-in that it was used in (RFC 8176 §2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.account.provider_scene import staged

SET_UP = "/account/second-factor"


@pytest.mark.both_databases
@pytest.mark.contract("a user who must have a second factor sets one up first, and keeps the last one")
@pytest.mark.parametrize("required", ["everybody", "administrators"])
def test_who_must_have_one_may_have_it_at_the_provider(tmp_path: Path, required: str) -> None:
    roles = {"roles": {"admins": ["boss"]}}
    with staged(tmp_path, entries=roles, require_second_factor=required) as scene:
        scene.face.core.role("boss", "user", "manage")
        proven = scene.admit("s-1", preferred_username="ann", groups=["admins"], amr=["pwd", "mfa"])
        assert proven.get("/account").status_code == proven.get("/console").status_code == 200
        assert proven.http.get("/api/v1/me").status_code == 200
        alone = scene.admit("s-1", groups=["admins"], amr=["pwd"])
        for path in ("/account", "/console"):
            assert str(alone.get(path).location).startswith(SET_UP)
        assert alone.http.get("/api/v1/me").status_code == 403
        other = scene.admit("s-2", preferred_username="bob")
        assert other.get("/account").status_code == (303 if required == "everybody" else 200)
