"""Status lists over HTTP: what a resource server gets, and what it costs."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from jwt.utils import base64url_decode
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from app.actions.audit.actor import OPERATOR
from app.actions.status import lists
from tests.core import MutableClock
from tests.oauth.wire import ISSUER, Wire, refused

MakeWire = Callable[..., Wire]
LIST = "/status-lists/00001"
DRAFT = "draft-ietf-oauth-status-list"


@pytest.fixture
def wire(own_wire: MakeWire) -> Wire:
    """An application with one list."""
    made = own_wire()
    made.token(made.robot)
    return made


def status_of(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False})["status"]["status_list"]


def read(wire: Wire, path: str = LIST, **headers: str) -> Any:
    answer = wire.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def claims_of(answer: Any) -> Any:
    return jwt.decode(answer.text, options={"verify_signature": False})


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements of SQLAlchemy; the epoch is read past it."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.contract("every JWT has `status`; `GET /status-lists/{id}`: type, signature, `bits`, `ttl`, `exp`")
@pytest.mark.spec(f"{DRAFT} §5.1")
def test_a_token_names_a_list_that_is_signed_by_a_published_key(wire: Wire) -> None:
    token = wire.token(wire.robot).json["access_token"]
    status = status_of(token)
    assert status["uri"].startswith(f"{ISSUER}/status-lists/")
    answer = read(wire, status["uri"].removeprefix(ISSUER))
    assert answer.content_type == "application/statuslist+jwt"
    keys = jwt.PyJWKSet.from_dict(read(wire, "/.well-known/jwks.json").json)
    header, now = jwt.get_unverified_header(answer.text), wire.core.clock().timestamp()
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "statuslist+jwt"}
    options: Any = {"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "iat", "exp"]}
    claims = jwt.decode(answer.text, keys[header["kid"]], algorithms=["ES256"], options=options)
    assert claims["iss"] == ISSUER and claims["sub"] == status["uri"] and claims["ttl"] == 5
    assert claims["iat"] <= now and 1800 <= claims["exp"] - now <= 3600
    assert claims["status_list"]["bits"] == 1
    bits = zlib.decompress(base64url_decode(claims["status_list"]["lst"]))
    assert len(bits) == 131_072 // 8 and not any(bits)


@pytest.mark.contract("revocation is in the list of the next request")
def test_a_revoked_token_is_refused_by_the_next_list(wire: Wire) -> None:
    token = wire.token(wire.robot).json["access_token"]
    index, before = status_of(token)["idx"], read(wire)
    assert wire.revoke(token, wire.robot).status_code == 200
    after = read(wire)
    bits = zlib.decompress(base64url_decode(claims_of(after)["status_list"]["lst"]))
    assert bits[index // 8] >> index % 8 & 1 and sum(bits).bit_count() == 1
    assert after.headers["ETag"] != before.headers["ETag"]


@pytest.mark.contract("`ttl` and `Cache-Control: max-age` of `STATUS_LIST_TTL`")
def test_it_may_be_kept_for_as_long_as_the_setting_says(own_wire: MakeWire) -> None:
    wire = own_wire(status_list_ttl=60)
    wire.token(wire.robot)
    answer = read(wire)
    assert answer.headers["Cache-Control"] == "public, max-age=60" and claims_of(answer)["ttl"] == 60
    assert read(wire, "/status-lists").headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.contract("`ETag`: an unchanged list costs a 304 and no look-up but the authority epoch")
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_an_unchanged_list_is_304(wire: Wire, form: str) -> None:
    tag = read(wire).headers["ETag"].removeprefix("W/")
    answer = wire.http.get(LIST, headers={"If-None-Match": form.format(tag)})
    assert answer.status_code == 304 and answer.data == b""
    assert answer.headers["ETag"] == f"W/{tag}" and answer.headers["Cache-Control"] == "public, max-age=5"


def test_another_tag_is_answered_with_the_list(wire: Wire) -> None:
    for other in ('"other"', "", "nonsense"):
        assert read(wire, **{"If-None-Match": other}).data


@pytest.mark.contract("`ETag`: an unchanged list costs a 304 and no look-up but the authority epoch")
def test_an_unchanged_list_costs_no_statement(wire: Wire) -> None:
    tag, first = read(wire).headers["ETag"], read(wire)
    with statements() as seen:
        assert read(wire).data == first.data
        assert wire.http.get(LIST, headers={"If-None-Match": tag}).status_code == 304
    assert seen == []


def test_a_change_that_is_of_no_token_keeps_list_and_tag(wire: Wire) -> None:
    before = read(wire)
    wire.core.user("bob")
    wire.core.assign("bob", "clerk")
    after = read(wire)
    assert after.data == before.data and after.headers["ETag"] == before.headers["ETag"]


def test_the_signature_is_renewed_every_half_hour(wire: Wire) -> None:
    before = read(wire)
    wire.core.clock.advance(minutes=30)
    after = read(wire)
    assert claims_of(after)["iat"] == claims_of(before)["iat"] + 1800
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_rotated_key_signs_the_next_answer(wire: Wire) -> None:
    before = jwt.get_unverified_header(read(wire).text)["kid"]
    wire.core.actions.rotate_signing_key(OPERATOR)
    assert jwt.get_unverified_header(read(wire).text)["kid"] != before


@pytest.mark.contract("an unknown list is 404")
@pytest.mark.parametrize(
    "number", ["00002", "fffff", "1", "0000A", "000001", "0x001", "00001/", "-0001", "+0001", "%30000x", "x" * 300]
)
def test_an_unknown_or_malformed_number_is_404(wire: Wire, number: str) -> None:
    refused(wire.http.get(f"/status-lists/{number}"), 404, "invalid_request")


@pytest.mark.spec(f"{DRAFT} §8.4")
@pytest.mark.parametrize("query", ["time=1893456000", "time=", "time=x", "a=b&time=1"])
def test_a_list_of_another_time_is_404(wire: Wire, query: str) -> None:
    assert wire.http.get(f"{LIST}?{query}").status_code == 404


def test_another_parameter_is_ignored(wire: Wire) -> None:
    assert read(wire, f"{LIST}?now").data == read(wire).data


def test_a_head_request_has_the_headers_alone(wire: Wire) -> None:
    answer, whole = wire.http.head(LIST), read(wire)
    assert answer.status_code == 200 and answer.data == b""
    for name in ("ETag", "Cache-Control", "Content-Type", "Content-Length"):
        assert answer.headers[name] == whole.headers[name]


@pytest.mark.parametrize("path", [LIST, "/status-lists"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_is_only_read(wire: Wire, path: str, method: str) -> None:
    answer = wire.http.open(path, method=method)
    assert answer.status_code == 405 and {"GET", "HEAD"} <= {*answer.headers["Allow"].replace(" ", "").split(",")}


@pytest.mark.spec(f"{DRAFT} §8.1")
@pytest.mark.parametrize("path", [LIST, "/status-lists", "/status-lists/fffff"])
def test_a_script_of_every_page_reads_it(wire: Wire, path: str) -> None:
    answer = wire.http.get(path, headers={"Origin": "https://evil.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers and "Set-Cookie" not in answer.headers


@pytest.mark.contract("`status_list_aggregation_endpoint` in the metadata names the live ones")
@pytest.mark.spec(f"{DRAFT} §9.1")
@pytest.mark.parametrize("document", ["oauth-authorization-server", "openid-configuration"])
def test_the_metadata_name_the_endpoint_that_names_the_live_lists(wire: Wire, document: str) -> None:
    endpoint = read(wire, f"/.well-known/{document}").json["status_list_aggregation_endpoint"]
    assert endpoint == f"{ISSUER}/status-lists"
    assert read(wire, "/status-lists").json == {"status_lists": [f"{ISSUER}{LIST}"]}
    wire.core.clock.advance(days=2)
    assert read(wire, "/status-lists").json == {"status_lists": []}


@pytest.mark.contract("a list is kept until its last token has expired, then it is gone")
def test_an_ended_list_is_404_although_it_was_read(wire: Wire) -> None:
    read(wire)
    wire.core.clock.advance(hours=12, minutes=1)
    assert wire.http.get(LIST).status_code == 404


def test_lists_of_an_issuer_with_a_path_are_below_it(own_wire: MakeWire) -> None:
    wire = own_wire(issuer="https://login.example/auth")
    uri = status_of(wire.token(wire.robot).json["access_token"])["uri"]
    assert uri == "https://login.example/auth/status-lists/00001"
    answer = read(wire, "/auth/status-lists/00001")
    assert claims_of(answer)["sub"] == uri and claims_of(answer)["iss"] == "https://login.example/auth"
    assert read(wire, "/auth/status-lists").json["status_lists"] == [uri]


@pytest.mark.contract("a list that cannot be read is 503, never a stale one")
def test_a_database_that_fails_is_503(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    read(wire)

    def fail(*_: object) -> None:
        raise OperationalError("SELECT", None, Exception("the disk is full"))

    monkeypatch.setattr(lists, "_read_bits", fail)
    wire.core.enable("robot", False)
    refused(wire.http.get(LIST), 503, "temporarily_unavailable")
    monkeypatch.undo()
    assert read(wire).data


def test_a_clock_that_is_set_back_is_answered(wire: Wire) -> None:
    clock: MutableClock = wire.core.clock
    read(wire)
    clock.advance(hours=-2)
    assert claims_of(read(wire))["iat"] <= clock().timestamp()
