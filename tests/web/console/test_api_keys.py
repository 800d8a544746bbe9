"""API keys in the console: issued and shown once, changed, rotated with an overlap, revoked after a confirmation."""

import re
from datetime import timedelta

import pytest

from app.actions.directory.api_keys import KeyView
from app.credentials.kind import RateLimit
from tests.core import ORDERS
from tests.management.face import OWN, Face
from tests.web.visitor import Visitor

SECRET = re.compile(r"lk_key_[0-9A-Za-z]{38}")
NEW = f"/console/api-keys/new?resource={ORDERS}"


def issue_key(operator: Visitor, name: str, **fields: str | list[str]) -> str:
    """Issue a key by the form; return its secret."""
    operator.get(NEW)
    answer = operator.post("/console/api-keys", resource=ORDERS, name=name, **fields)
    assert answer.status_code == 201, answer.text
    [secret] = set[str](SECRET.findall(answer.text))
    return secret


def view_of(face: Face, secret: str) -> KeyView:
    return face.core.actions.api_keys.get(str(face.core.actions.inspect(secret).id))


def test_an_empty_list_says_what_to_do(operator: Visitor) -> None:
    page = operator.get("/console/api-keys").text
    assert "There is no key yet" in page and 'href="/console/api-keys/new"' in page
    chosen = operator.get("/console/api-keys/new").text
    assert NEW in chosen and OWN not in chosen


def test_the_api_of_a_new_key_is_found_by_a_part_of_its_name_or_identifier(operator: Visitor) -> None:
    for part in ("ORDER", "example/ord"):
        assert f"<code>{ORDERS}</code>" in operator.get(f"/console/api-keys/new?q={part}").text
    assert "No API matches" in operator.get("/console/api-keys/new?q=nosuchapi").text


def test_a_key_is_shown_once_and_works(face: Face, operator: Visitor) -> None:
    secret = issue_key(operator, "partner")
    assert face.core.scope(secret) == "orders:list"
    key = view_of(face, secret)
    assert not key.narrowed and key.expires_at is None and key.rate_limit is None and key.allowed_ips == ()
    for path in ("/console/api-keys", f"/console/api-keys/{key.id}"):
        page = operator.get(path).text
        assert "partner" in page and key.hint in page and secret not in page


def test_every_field_of_a_key_can_be_set(face: Face, operator: Visitor) -> None:
    fields = {
        "which": "some",
        "scopes": "orders:list",
        "expires": "day",
        "expires_on": "2031-02-28",
        "requests": "5",
        "window_seconds": "60",
        "allowed_ips": "192.0.2.0/24, 2001:db8::/32\r\n198.51.100.7",
    }
    key = view_of(face, issue_key(operator, "narrow", **fields))
    assert key.narrowed and key.scopes == ("orders:list",) and key.rate_limit == RateLimit(5, 60)
    assert key.expires_at is not None and key.expires_at.isoformat() == "2031-03-01T00:00:00+00:00"
    assert key.allowed_ips == ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32")


def test_an_invalid_value_is_refused_at_its_field_and_nothing_is_issued(face: Face, operator: Visitor) -> None:
    for fields, said in (
        ({"name": ""}, 'id="name-help">is needed'),
        ({"requests": "5"}, 'id="window_seconds-help">is needed'),
        ({"window_seconds": "5"}, 'id="requests-help">is needed'),
        ({"requests": "no"}, 'id="requests-help">must be a whole number'),
        ({"allowed_ips": "192.0.2.0/24 192.0.2.1/24"}, 'id="allowed_ips-help">192.0.2.1/24 is not a valid network'),
        ({"expires": "day"}, 'id="expiry-problem" class="problem">Must be a day from'),
        ({"expires": "day", "expires_on": "2029-12-31"}, 'id="expiry-problem"'),
        ({"expires": "soon"}, 'id="expiry-problem"'),
        ({"which": "some", "scopes": "orders:read"}, 'id="scopes-problem" class="problem">Not a public permission'),
    ):
        operator.get(NEW)
        answer = operator.post("/console/api-keys", **{"resource": ORDERS, "name": "wrong one", **fields})
        assert answer.status_code == 422 and said in answer.text, (fields, said)
        assert not SECRET.search(answer.text)
    assert "wrong one" not in operator.get("/console/api-keys").text


def test_neither_the_management_api_nor_an_unknown_one_takes_a_key(operator: Visitor) -> None:
    for identifier in (OWN, "https://nowhere.example", ""):
        operator.get(NEW)
        answer = operator.post("/console/api-keys", resource=identifier, name="x")
        assert answer.status_code == 422 and "no such API" in answer.text


def test_a_change_keeps_the_expiry_and_scopes_that_are_to_be_kept(face: Face, operator: Visitor) -> None:
    ends = {"expires": "day", "expires_on": "2031-02-28", "which": "some", "scopes": "orders:list"}
    secret = issue_key(operator, "before", **ends)
    key = view_of(face, secret)
    page = operator.get(f"/console/api-keys/{key.id}").text
    assert 'value="before"' in page and 'value="keep" checked' in page
    fields = {"name": "after", "which": "keep", "expires": "keep", "requests": "9", "window_seconds": "60"}
    answer = operator.post(f"/console/api-keys/{key.id}", **fields, enabled="on")
    assert answer.status_code == 303
    after = view_of(face, secret)
    assert (after.name, after.expires_at, after.narrowed, after.enabled) == ("after", key.expires_at, True, True)
    assert after.rate_limit == RateLimit(9, 60)


def test_a_key_is_disabled_and_widened(face: Face, operator: Visitor) -> None:
    secret = issue_key(operator, "narrow", which="some")
    key = view_of(face, secret)
    assert key.narrowed and face.core.scope(secret) == ""
    operator.get(f"/console/api-keys/{key.id}")
    operator.post(f"/console/api-keys/{key.id}", name="wide", which="all", expires="never", enabled="on")
    assert face.core.scope(secret) == "orders:list"
    operator.post(f"/console/api-keys/{key.id}", name="wide", which="keep", expires="keep")
    assert not face.core.active(secret) and view_of(face, secret).status == "disabled"


def test_a_wrong_change_is_shown_by_its_field_with_what_was_typed(face: Face, operator: Visitor) -> None:
    key = view_of(face, issue_key(operator, "unchanged"))
    operator.get(f"/console/api-keys/{key.id}")
    answer = operator.post(f"/console/api-keys/{key.id}", name="typed", allowed_ips="nonsense", expires="keep")
    assert (
        answer.status_code == 422
        and "nonsense is not a valid network" in answer.text
        and 'value="typed"' in answer.text
    )
    assert face.core.actions.api_keys.get(key.id).name == "unchanged"


def test_a_rotation_says_until_when_the_old_secret_works(face: Face, operator: Visitor) -> None:
    old = issue_key(operator, "turning")
    key = view_of(face, old)
    assert "overlap" in operator.get(f"/console/api-keys/{key.id}/rotate").text
    answer = operator.post(f"/console/api-keys/{key.id}/rotate", overlap_seconds="2", unit="hours")
    [new] = set(SECRET.findall(answer.text))
    until = face.core.clock() + timedelta(hours=2)
    assert answer.status_code == 200 and new != old and until.strftime("works until %Y-%m-%d %H:%M:%S") in answer.text
    assert face.core.active(old) and face.core.active(new)
    face.core.clock.advance(hours=2)
    assert not face.core.active(old) and face.core.active(new)


def test_an_overlap_of_nothing_ends_the_old_secret_at_once(face: Face, operator: Visitor) -> None:
    old = issue_key(operator, "at once")
    path = f"/console/api-keys/{view_of(face, old).id}/rotate"
    operator.get(path)
    assert operator.post(path, overlap_seconds="0", unit="seconds").status_code == 200
    assert not face.core.active(old)


def test_an_overlap_is_at_most_a_week(face: Face, operator: Visitor) -> None:
    old = issue_key(operator, "long")
    path = f"/console/api-keys/{view_of(face, old).id}/rotate"
    operator.get(path)
    for fields in ({"overlap_seconds": "8", "unit": "days"}, {"overlap_seconds": "1", "unit": "years"}):
        answer = operator.post(path, **fields)
        assert answer.status_code == 422 and 'id="overlap_seconds-help">must be' in answer.text
    assert face.core.active(old) and view_of(face, old).hint == face.core.actions.inspect(old).hint


@pytest.mark.asvs("10.4.9")
def test_a_key_is_revoked_after_a_confirmation(face: Face, operator: Visitor) -> None:
    secret = issue_key(operator, "ending")
    key = view_of(face, secret)
    asked = operator.get(f"/console/api-keys/{key.id}/revoke").text
    assert "stops working at once" in asked and key.hint in asked and face.core.active(secret)
    assert operator.post(f"/console/api-keys/{key.id}/revoke").status_code == 303
    assert not face.core.active(secret)
    page = operator.get("/console/api-keys?status=revoked").text
    assert "refused everywhere" in page and key.hint in page
    shown = operator.get(f"/console/api-keys/{key.id}").text
    assert "revoked by an operator" in shown and "revoked the API key" in shown and 'name="name"' not in shown
    late = operator.post(f"/console/api-keys/{key.id}", name="late", expires="keep")
    assert late.status_code == 409 and "revoked" in late.text
    assert operator.post(f"/console/api-keys/{key.id}/rotate", overlap_seconds="0").status_code == 409


def test_the_list_goes_on_by_page_and_keeps_its_filter(face: Face, operator: Visitor) -> None:
    made = [face.core.key(enabled=False)[0].id for _ in range(51)]
    first = operator.get(f"/console/api-keys?status=disabled&resource={ORDERS}").text
    onward = re.search(r'href="([^"]+)" rel="next"', first)
    assert onward is not None
    second = operator.get(onward[1].replace("&amp;", "&")).text
    seen = [*re.findall(r'scope="row"><a href="/console/api-keys/(\w+)"', first + second)]
    assert set(made) <= set(seen) and len(seen) == len(set(seen)) and 'rel="next"' not in second
