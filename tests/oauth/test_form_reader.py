"""The endpoints read one form of limited size in UTF-8; malformed input never gives a 500."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app import MAX_BODY
from app.http.request_bounds import MOST_FIELDS
from app.oauth.form_reader import KNOWN
from tests.oauth.wire import EXCHANGE, GRANT, ORDERS, Wire, basic, refused

FORM = "application/x-www-form-urlencoded"
ENDPOINTS = ("token", "introspect", "revoke")
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", "\x00", "client_credentials", EXCHANGE, "robot", ORDERS, "lk_pat_", "a.b.c", "1.2.3.4"]),
)
FORMS = st.lists(st.tuples(st.one_of(st.sampled_from(sorted(KNOWN)), st.text(max_size=8)), TEXTS), max_size=8)
HEADERS = st.one_of(
    st.none(),
    st.sampled_from(
        ["Basic", "Bearer", "Basic Og==", "Bearer \xff", "Basic \xff", "Digest a, b", ",", "Basic a,Bearer b"]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30),
    st.builds(basic, st.binary(max_size=12), st.binary(max_size=12)),
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def send(wire: Wire, endpoint: str, body: bytes, content_type: str = FORM, **headers: str) -> Any:
    """POST bytes as they are, as `robot`."""
    sent = {"Content-Type": content_type, "Authorization": basic(*wire.robot)} | headers
    return wire.http.post(f"/oauth/{endpoint}", data=body, headers=sent)


@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", "", ";"])
def test_only_a_form_is_read(wire: Wire, endpoint: str, content_type: str) -> None:
    refused(send(wire, endpoint, b"token=x&grant_type=client_credentials", content_type), 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §3.2")
def test_the_content_type_may_name_a_charset(wire: Wire) -> None:
    body = urlencode(GRANT | {"resource": ORDERS}).encode()
    assert send(wire, "token", body, f"{FORM}; charset=UTF-8").status_code == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("body", [b"token=\xff\xfe", b"token=%FF%FE", b"\xff=x&token=y", b"%C3=1&token=x"])
def test_invalid_utf8_is_refused(wire: Wire, endpoint: str, body: bytes) -> None:
    refused(send(wire, endpoint, body), 400, "invalid_request")


@pytest.mark.asvs("2.4.1")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_too_much_is_413_and_too_many_fields_400(wire: Wire, endpoint: str) -> None:
    refused(send(wire, endpoint, b"token=" + b"x" * MAX_BODY), 413, "invalid_request")
    refused(send(wire, endpoint, b"a=1&" * (MOST_FIELDS + 1)), 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405_and_lists_the_allowed_one(wire: Wire, endpoint: str, method: str) -> None:
    response = wire.http.open(f"/oauth/{endpoint}", method=method)
    assert response.status_code == 405 and "POST" in response.headers["Allow"]
    assert response.content_type == "application/json" and response.headers["Cache-Control"] == "no-store"


@pytest.mark.contract("a repeated parameter is `invalid_request`, but for `resource` and `audience`")
@pytest.mark.spec("RFC 8707 §2", "RFC 8693 §2.1")
def test_resource_and_audience_may_be_repeated_and_mean_the_same(wire: Wire) -> None:
    answer = wire.token(wire.robot, resource=[ORDERS, ORDERS], audience=["https://api.example/stock", ORDERS])
    assert "stock:read" in answer.json["scope"].split() and answer.json["expires_in"] == 600


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@QUICK
@given(fields=FORMS, header=HEADERS)
@example(fields=[("grant_type", "client_credentials"), ("scope", "\x00"), ("resource", "\x00")], header=None)
@example(fields=[("client_assertion_type", "x"), ("token", "x")], header="")
def test_no_form_and_no_header_gives_a_500(
    wire: Wire, endpoint: str, fields: list[tuple[str, str]], header: str | None
) -> None:
    headers = {"Content-Type": FORM} | ({} if header is None else {"Authorization": header})
    body = urlencode(fields, errors="surrogatepass")
    response = wire.http.post(f"/oauth/{endpoint}", data=body, headers=headers)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        refused(response, response.status_code, (response.json or {})["error"])


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@QUICK
@given(body=st.binary(max_size=200), content_type=st.sampled_from([FORM, "application/json", "x", FORM + "; a=\xff"]))
def test_no_body_of_bytes_gives_a_500(wire: Wire, endpoint: str, body: bytes, content_type: str) -> None:
    assert send(wire, endpoint, body, content_type).status_code < 500
    assert send(wire, endpoint, b"token=x&grant_type=" + body, content_type).status_code < 500
