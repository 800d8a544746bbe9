"""While an identity provider hangs or is away, its page says so, and everybody else signs in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.contract.waiting import until
from tests.web.account.provider_scene import NAME, Scene, entry, staged

SLOW = 0.3  # seconds that stand for the patience of a fetch


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with staged(tmp_path_factory.mktemp("away"), "Other") as made:
        yield made


@pytest.fixture
def _restored(scene: Scene) -> Iterator[None]:
    """Make the provider answer again after a test."""
    yield
    scene.provider.hangs.clear()
    scene.provider.release.clear()
    scene.seconds += 400.0


@pytest.mark.contract("a provider that is away stops nobody else")
@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("path", ["/token", "/jwks", "/.well-known/openid-configuration"])
def test_while_a_provider_hangs_its_page_says_so_and_others_sign_in(
    scene: Scene, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = scene.face.core.actions.federation
    monkeypatch.setattr(federation.ask._client._ask, "_patience", SLOW)
    monkeypatch.setattr(federation.ask._tokens._documents._fetch_json, "_patience", SLOW)
    who = scene.visitor()
    back = scene.provider.consent(scene.begin(who), "hangs", preferred_username="hangs")
    scene.provider.hangs.add(path)
    scene.seconds += 400.0
    before = time.monotonic()
    answer = who.http.get(back)
    assert answer.status_code == 503 and "does not answer" in answer.text
    assert who.http.get("/account").status_code == 303
    assert time.monotonic() - before < 5
    other = scene.visitor()
    back = scene.others["other"].consent(scene.begin(other, "other"), "meanwhile", preferred_username="meanwhile")
    assert other.http.get(back).status_code == 303
    scene.provider.release.set()


@pytest.mark.contract("a provider that is away stops nobody else")
@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("path", ["/token", "/.well-known/openid-configuration"])
def test_any_number_of_sign_ins_at_a_provider_that_hangs_stop_nobody_else(scene: Scene, path: str) -> None:
    provider, other, crowd = scene.provider, scene.others["other"], [scene.visitor() for _ in range(12)]
    answers = [provider.consent(scene.begin(who), "crowd", preferred_username="crowd") for who in crowd]
    provider.hangs.add(path)
    scene.seconds += 400.0
    before = len(provider.asked)
    with ThreadPoolExecutor(len(crowd)) as threads:
        sent = [threads.submit(who.http.get, answer) for who, answer in zip(crowd, answers, strict=True)]
        until(lambda: path in [asked for asked, *_ in provider.asked[before:]])
        who = scene.visitor()
        back = other.consent(scene.begin(who, "other"), "aside", preferred_username="aside")
        assert who.http.get(back).status_code == 303
        provider.release.set()
        assert {one.result().status_code for one in sent} <= {303, 503}


def test_a_provider_that_is_away_is_named_on_the_page(tmp_path: Path) -> None:
    with staged(tmp_path) as made:
        away = entry(made.provider, "Away") | {"issuer": "http://127.0.0.1:9"}
    (tmp_path / "second").mkdir()
    with staged(tmp_path / "second", identity_provider=[away]) as made:
        response = made.visitor().http.get("/login/with/away")
        assert response.status_code == 503 and "Away does not answer" in response.text
        assert made.visitor().get("/login").status_code == 200 and NAME not in response.text
