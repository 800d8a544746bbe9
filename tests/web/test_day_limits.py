"""A field for a day names the valid days, in the form and in its refusal; the last one is accepted."""

import re
from collections.abc import Iterator

import pytest

from tests.core import ORDERS
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor, browser_of

FIELD = re.compile(
    r'name="expires_on" type="date"[^>]*?min="([^"]*)" max="([^"]*)"|'
    r'name="expires_on" type="date" value="[^"]*" autocomplete="off" min="([^"]*)" max="([^"]*)"'
)
DAY = 86_400


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """An application at 2030-01-01 12:00, with a token lifetime of forty days at most."""
    made = start_face(tmp_path_factory.mktemp("days"), rate_limits="off", pat_max_lifetime=40 * DAY)
    yield made
    stop_face(made)


def limits(page: str) -> tuple[str, str]:
    found = FIELD.search(page)
    assert found, page
    first, last = (part for part in found.groups() if part)
    return first, last


@pytest.fixture
def operator(face: Face) -> Visitor:
    return browser_of(face, face.person("manage", "orders:read"))


def forms(face: Face) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Return for each form with a day its page, its path and its other fields."""
    client = face.core.row_id("robot") if "robot" in face.core._rows else face.core.client("robot")
    user = face.core._rows[face.person("orders:read")]
    return {
        "own": ("/account/tokens/new", "/account/tokens", {"name": "a", "scopes": "orders:read", "lifetime": "day"}),
        "user": (
            f"/console/users/{user}/tokens/new",
            f"/console/users/{user}/tokens",
            {"name": "a", "scopes": "orders:read"},
        ),
        "key": (
            f"/console/api-keys/new?resource={ORDERS}",
            "/console/api-keys",
            {"name": "a", "resource": ORDERS, "expires": "day"},
        ),
        "secret": (f"/console/clients/{client}", f"/console/clients/{client}/secrets", {}),
    }


@pytest.mark.parametrize(
    ("form", "last"), [("own", "2030-02-09"), ("user", "2030-02-09"), ("key", "2130-03-17"), ("secret", "2130-03-17")]
)
def test_a_day_outside_the_limits_is_refused_by_naming_them(
    face: Face, operator: Visitor, form: str, last: str
) -> None:
    page, to, fields = forms(face)[form]
    assert limits(operator.get(page).text) == ("2030-01-01", last)
    for day in (
        "2029-12-31",
        last[:-2] + f"{int(last[-2:]) + 1:02}",
        "9999-12-31",
        "0001-01-01",
        "tomorrow",
        "2030-02-31",
    ):
        refused = operator.post(to, **fields, expires_on=day)
        assert refused.status_code == 422, (form, day)
        assert f"ust be a day from 2030-01-01 to {last}" in refused.text, (form, day)
    done = 303 if form == "own" else 201
    assert operator.post(to, **fields, expires_on=last).status_code == done
    another = fields | ({"name": "b"} if fields else {})
    assert operator.post(to, **another, expires_on="2030-01-01").status_code == done


def test_where_a_lifetime_is_shorter_than_a_day_the_refusal_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    face = start_face(
        tmp_path_factory.mktemp("hour"), rate_limits="off", pat_max_lifetime=3600, pat_default_lifetime=60
    )
    who = browser_of(face, face.person("orders:read"))
    who.get("/account/tokens/new")
    for day in ("2030-01-01", ""):
        refused = who.post("/account/tokens", name="a", scopes="orders:read", lifetime="day", expires_on=day)
        assert refused.status_code == 422
        assert "o day can be chosen: the longest lifetime allowed is shorter than a day" in refused.text
        assert "must be" not in refused.text
    stop_face(face)
