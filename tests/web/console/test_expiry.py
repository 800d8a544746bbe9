"""Lifetimes are entered as a number of days, hours or minutes, or as a day; never in seconds."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.core import ORDERS
from tests.management.face import Face, start_face, stop_face
from tests.web.console.conftest import sign_in_operator
from tests.web.visitor import Visitor

FORMS = ("a key", "a secret", "a token")


def target_of(face: Face, form: str) -> tuple[str, dict[str, str]]:
    """Return where a form is sent, and its other fields."""
    core = face.core
    if form == "a key":
        return "/console/api-keys", {"resource": ORDERS, "name": "till"}
    if form == "a secret":
        client = core._rows.get("till") or core.client("till")
        return f"/console/clients/{client}/secrets", {"secret_name": "till"}
    if "keeper" not in core._rows:
        core.role("keeper", "user", "orders:read")
        core.user("keeper", "keeper")
    return f"/console/users/{core.row_id('keeper')}/tokens", {"name": "till", "scopes": "orders:read"}


def ends_of(face: Face, form: str) -> list[timedelta | None]:
    """Return how long the credentials of a form are valid from now."""
    actions, now = face.core.actions, face.core.clock()
    if form == "a key":
        ends = [row.expires_at for row in actions.api_keys.page(200)[0]]
    elif form == "a secret":
        ends = [row.expires_at for row in actions.client_secrets.page(face.core.row_id("till"), 200)[0]]
    else:
        ends = [row.expires_at for row in actions.personal_access_tokens.page(face.core.row_id("keeper"), 200)[0]]
    return [end - now if end else None for end in ends]


@pytest.mark.parametrize("form", FORMS)
def test_a_lifetime_is_a_number_and_a_unit(face: Face, operator: Visitor, form: str) -> None:
    to, fields = target_of(face, form)
    operator.get("/console")
    lifetime = {"expires": "in", "expires_in": "30", "expires_in_unit": "days"}
    assert operator.post(to, **fields, **lifetime).status_code == 201
    assert timedelta(days=30) in ends_of(face, form)


@pytest.mark.parametrize("form", FORMS)
def test_an_invalid_lifetime_is_refused_and_shown_again(face: Face, operator: Visitor, form: str) -> None:
    to, fields = target_of(face, form)
    operator.get("/console")
    for number, unit in (("", "days"), ("0", "days"), ("-1", "days"), ("9" * 30, "hours"), ("3", "fortnights")):
        answer = operator.post(to, **fields, expires="in", expires_in=number, expires_in_unit=unit)
        assert answer.status_code == 422, (number, unit)
        assert 'class="problem">' in answer.text and f'size="4" autocomplete="off" value="{number}"' in answer.text
        assert 'value="in" checked' in answer.text
    assert operator.post(to, **fields, expires="someday").status_code == 422


def test_the_longest_lifetime_of_tokens_bounds_the_number(tmp_path: Path) -> None:
    own = start_face(tmp_path, rate_limits="off", pat_default_lifetime=86_400, pat_max_lifetime=7 * 86_400)
    operator = sign_in_operator(own)
    to, fields = target_of(own, "a token")
    for days, status in (("8", 422), ("7", 201)):
        operator.get("/console")
        answer = operator.post(to, **fields, expires="in", expires_in=days, expires_in_unit="days")
        assert answer.status_code == status
        assert ("Must be a whole number from 1 to 7" in answer.text) is (status == 422)
    stop_face(own)


@pytest.mark.parametrize("path", ["resources/new", "users/{user}/tokens/new", "clients/{client}"])
def test_no_form_asks_for_seconds_alone(face: Face, operator: Visitor, path: str) -> None:
    for form in FORMS:
        target_of(face, form)
    page = operator.get(
        "/console/" + path.format(user=face.core.row_id("keeper"), client=face.core.row_id("till"))
    ).text
    assert "days</option>" in page and "in seconds" not in page.lower()
