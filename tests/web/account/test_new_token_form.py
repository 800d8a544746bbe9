"""/account/tokens/new: filled in by a link or like another token, with the day on which each choice ends."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor, browser_of

DAY = 86_400


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("form"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def name(face: Face) -> str:
    return face.person("orders:read", "orders:write")


@pytest.fixture(scope="module")
def who(face: Face, name: str) -> Visitor:
    return browser_of(face, name)


def filled(page: str) -> dict[str, list[str]]:
    """Return what the form would send."""
    fields: dict[str, list[str]] = {}
    for field in re.findall(r"<input [^>]*>", page):
        kind, key, value = (re.search(rf'{word}="([^"]*)"', field) for word in (" type", " name", " value"))
        if key and value and (kind is None or kind[1] not in ("checkbox", "radio") or " checked" in field):
            fields.setdefault(key[1], []).append(value[1])
    return fields


def open_form(who: Visitor, query: str = "") -> tuple[str, dict[str, list[str]]]:
    answer = who.get(f"/account/tokens/new?{query}")
    assert answer.status_code == 200
    return answer.text, filled(answer.text)


def test_each_choice_of_a_lifetime_names_its_last_day_and_never_has_a_caution(face: Face, who: Visitor) -> None:
    page, _ = open_form(who)
    for choice, days in (("default", 30), ("7", 7), ("90", 90), ("365", 365)):
        ends = face.core.clock() + timedelta(days=days)
        described = page.split(f'id="ends-{choice}"')[1].split("</small>")[0]
        assert ends.isoformat() in described and f"{ends.day} {ends:%b %Y}" in described
    assert "Caution: " in page.split('id="ends-never"')[1].split("</small>")[0]


def test_a_link_fills_the_form_in_and_creates_nothing(face: Face, name: str, who: Visitor) -> None:
    _, sent = open_form(who, "name=nightly+build&scopes=orders:read&expires_in=90d&description=by+cron")
    assert (sent["name"], sent["description"], sent["scopes"]) == (["nightly build"], ["by cron"], ["orders:read"])
    assert sent["lifetime"] == ["90"]
    assert face.core.actions.personal_access_tokens.page(face.core.row_id(name), 10)[0] == []


@pytest.mark.parametrize(
    "scopes", ["orders:read,orders:write", "orders:read+orders:write", "orders:read&scopes=orders:write"]
)
def test_scopes_of_a_link_are_separated_by_commas_spaces_or_repetition(who: Visitor, scopes: str) -> None:
    assert open_form(who, f"scopes={scopes}")[1]["scopes"] == ["orders:read", "orders:write"]


def test_scopes_that_the_roles_do_not_give_are_named_and_left_out(who: Visitor) -> None:
    page, sent = open_form(who, "scopes=orders:read,manage,no:such,<script>")
    notice = page.split("Left out")[1].split("</div>")[0]
    assert sent["scopes"] == ["orders:read"] and "your roles do not give them" in notice
    assert all(f"<code>{scope}</code>" in notice for scope in ("manage", "no:such", "&lt;script&gt;"))
    many, _ = open_form(who, "scopes=" + ",".join(f"s{number}" for number in range(400)))
    assert "<code>390 more</code>" in many and "s399" not in many


@pytest.mark.parametrize(
    ("asked", "lifetime", "seconds"),
    [
        ("", "default", None),
        ("never", "never", None),
        ("30d", "30", None),
        ("2592000", "30", None),  # seconds, as in the API
        ("45d", "asked", 45 * DAY),
        ("12h", "asked", 12 * 3600),
        ("2w", "asked", 14 * DAY),
    ],
)
def test_a_link_asks_for_a_lifetime(who: Visitor, asked: str, lifetime: str, seconds: int | None) -> None:
    _, sent = open_form(who, f"expires_in={asked}")
    assert sent["lifetime"] == [lifetime] and sent.get("expires_in") == (seconds and [str(seconds)])


@pytest.mark.parametrize("asked", ["soon", "0d", "-5", "9999999999w", "1.5d", "%00", "x" * 3000])
def test_a_lifetime_that_is_not_valid_is_explained_and_the_default_chosen(who: Visitor, asked: str) -> None:
    page, sent = open_form(who, f"expires_in={asked}")
    assert sent["lifetime"] == ["default"] and "Not as the link asks: " in page


def test_a_lifetime_beyond_the_policy_is_explained(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("policy"), pat_max_lifetime=40 * DAY)
    who = browser_of(face, face.person("orders:read"))
    for asked in ("90d", "never"):
        page, sent = open_form(who, f"expires_in={asked}")
        assert sent["lifetime"] == ["default"] and "40 days here" in page
    stop_face(face)


def test_the_lifetime_of_a_link_outlives_a_refused_form_and_is_the_tokens(face: Face) -> None:
    name = face.person("orders:read")
    who = browser_of(face, name)
    _, sent = open_form(who, "name=a&scopes=orders:read&expires_in=45d")
    refused = who.post("/account/tokens", **(sent | {"name": ""}))
    again = filled(refused.text)
    assert refused.status_code == 422 and again["lifetime"] == ["asked"] and again["scopes"] == ["orders:read"]
    assert who.post("/account/tokens", **(again | {"name": "a"})).status_code == 303
    ((token,), _) = face.core.actions.personal_access_tokens.page(face.core.row_id(name), 10)
    assert token.expires_at == face.core.clock() + timedelta(days=45)


def test_a_token_is_duplicated_with_other_scopes(face: Face) -> None:
    name = face.person("orders:read", "orders:write")
    who = browser_of(face, name)
    view, _ = face.core.pat(name, "orders:read", name="laptop")
    page = who.get(f"/account/tokens/{view.id}").text
    assert f'href="/account/tokens/new?like={view.id}"' in page
    _, sent = open_form(who, f"like={view.id}")
    assert (sent["name"], sent["scopes"], sent["lifetime"]) == (["laptop copy"], ["orders:read"], ["default"])
    assert who.post("/account/tokens", **(sent | {"scopes": ["orders:write"]})).status_code == 303
    copies = face.core.actions.personal_access_tokens.page(face.core.row_id(name), 10)[0]
    assert {one.name: one.scopes for one in copies} == {"laptop": ("orders:read",), "laptop copy": ("orders:write",)}


def test_a_link_is_opened_after_signing_in(face: Face, name: str) -> None:
    who = Visitor(face.app.test_client())
    link = "/account/tokens/new?name=nightly&scopes=orders:read,orders:write&expires_in=30d"
    asked = who.get(link)
    assert asked.status_code == 303
    who.get(asked.location)
    assert who.sign_in(name, PASSWORD, link).location == link
