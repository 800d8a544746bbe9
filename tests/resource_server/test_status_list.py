"""Local verification with status lists: what it refuses, when, and at what cost in requests."""

import base64
import gzip
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.resource_server import document, keys, status_list
from tests.resource_server.fake_server import ISSUER, KEYS, LIST, TTL, Answer, FakeServer, pack
from tests.resource_server.guards import Caller, answer, calling

MOMENT = 0.01


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.mark.contract("locally a revoked credential is refused `ttl` seconds later, without a request a call")
def test_a_bit_refuses_the_tokens_of_its_index_and_no_other(server: FakeServer, caller: Caller) -> None:
    for index in (0, 9, 131_071):
        server.set_bit(index)
    seen = {index: answer(caller, server.token(index)) for index in (0, 1, 8, 9, 10, 131_070, 131_071)}
    assert seen == {0: 401, 1: 200, 8: 200, 9: 401, 10: 200, 131_070: 200, 131_071: 401}
    assert server.requests == {KEYS: 1, LIST: 1}


@pytest.mark.contract("locally a revoked credential is refused `ttl` seconds later, without a request a call")
def test_a_revocation_is_noticed_once_the_list_is_as_old_as_it_says(server: FakeServer, caller: Caller) -> None:
    token = server.token(7)
    assert answer(caller, token) == 200
    server.set_bit(7)
    server.clock.now += TTL - MOMENT
    assert answer(caller, token) == 200
    server.clock.now += MOMENT
    assert answer(caller, token) == 401


def test_an_unchanged_list_is_not_sent_again(server: FakeServer, caller: Caller) -> None:
    token = server.token()
    for _ in range(4):
        assert answer(caller, token) == 200
        server.clock.now += TTL
    assert server.requests[LIST] == 4
    assert ["If-None-Match" in sent for sent in server.headers] == [False, False, True, True, True]
    assert {sent["Cache-Control"] for sent in server.headers} == {"no-cache"}  # no shared cache makes it older


@pytest.mark.parametrize("etag", ['"caf\xe9"', '"a\tb"'])
def test_a_tag_that_cannot_be_sent_back_is_not(server: FakeServer, caller: Caller, etag: str) -> None:
    server.list_answer = Answer(body=server.status_list().encode(), headers={"ETag": etag})
    for _ in range(2):
        assert answer(caller, server.token()) == 200
        server.clock.now += TTL
    assert not any("If-None-Match" in sent for sent in server.headers)


def test_a_list_that_soon_ends_is_fetched_whole(server: FakeServer, caller: Caller) -> None:
    server.list_claims["exp"] = int(server.clock()) + 30
    assert answer(caller, server.token()) == 200
    del server.list_claims["exp"]
    server.clock.now += TTL
    assert answer(caller, server.token()) == 200
    assert not any("If-None-Match" in sent for sent in server.headers)
    server.down = True
    server.clock.now += 55
    assert answer(caller, server.token()) == 200


@pytest.mark.contract("while the list cannot be had it fails closed after `max_stale` seconds")
def test_while_the_server_is_down_an_older_list_serves_for_a_while(server: FakeServer, caller: Caller) -> None:
    token, other = server.token(), server.token(9)
    server.set_bit(9)
    assert (answer(caller, token), answer(caller, other)) == (200, 401)
    server.down = True
    server.clock.now += 60 - MOMENT
    assert (answer(caller, token), answer(caller, other)) == (200, 401)
    server.clock.now += MOMENT
    assert answer(caller, token) == 503
    server.down = False
    server.clock.now += document.RETRY_PAUSE
    assert answer(caller, token) == 200


def test_no_list_serves_after_its_own_end(server: FakeServer, caller: Caller) -> None:
    server.list_claims["exp"] = int(server.clock()) + 8
    assert answer(caller, server.token()) == 200
    server.down = True
    server.clock.now += 8 - MOMENT
    assert answer(caller, server.token()) == 200
    server.clock.now += MOMENT
    assert answer(caller, server.token()) == 503


@pytest.mark.contract("while the list cannot be had it fails closed after `max_stale` seconds")
def test_without_patience_a_list_serves_only_while_it_is_new(flavour: str, server: FakeServer) -> None:
    with calling(flavour, server, max_stale=0) as caller:
        assert answer(caller, server.token()) == 200
        server.down = True
        server.clock.now += TTL - MOMENT
        assert answer(caller, server.token()) == 200
        server.clock.now += MOMENT
        assert answer(caller, server.token()) == 503


def test_a_server_that_is_down_is_asked_once_a_second(server: FakeServer, caller: Caller) -> None:
    token = server.token()
    server.down = True
    assert {answer(caller, token) for _ in range(20)} == {503}
    assert server.requests == {KEYS: 1}
    server.down = False
    assert answer(caller, token) == 503
    server.clock.now += document.RETRY_PAUSE
    assert answer(caller, token) == 200
    server.down = True
    server.clock.now += TTL
    assert {answer(caller, token) for _ in range(20)} == {200}
    assert server.requests[LIST] == 2


def test_a_clock_that_is_set_back_makes_a_list_old(server: FakeServer, caller: Caller) -> None:
    token = server.token(3)
    assert answer(caller, token) == 200
    server.set_bit(3)
    server.clock.now -= 3_000
    assert answer(caller, token) == 401


@pytest.mark.parametrize("index", [-1, -131_072, 131_072, 2**63, 10**400, True, False, "0", 0.0, None, [0], {}])
def test_an_index_that_is_not_in_the_list_is_refused(server: FakeServer, caller: Caller, index: Any) -> None:
    assert answer(caller, server.token(index)) == 401


@pytest.mark.parametrize(
    "status",
    ["revoked", 0, True, [], {}, {"status_list": None}, {"status_list": [0, LIST]}, {"status_list": {"idx": 0}},
     {"status_list": {"uri": LIST}}, {"other": {"idx": 0, "uri": LIST}}],
    ids=str,
)  # fmt: skip
def test_a_status_that_names_no_list_is_refused(server: FakeServer, caller: Caller, status: Any) -> None:
    assert answer(caller, server.token(status=status)) == 401
    assert server.requests[LIST] == 0


@pytest.mark.parametrize(
    "uri",
    [f"{ISSUER}/status-lists/", f"{ISSUER}/status-lists/../oauth/token", f"{ISSUER}/status-lists/a/b", f"{LIST}?x=1",
     f"{LIST}#x", f"{LIST}\n", "https://auth.example.evil.example/status-lists/monday", f"{ISSUER}/status-lists",
     f"{ISSUER}@evil.example/status-lists/monday", "http://auth.example/status-lists/monday", "file:///etc/passwd",
     f"{ISSUER}/status-lists/{'x' * 129}", f"{ISSUER}/status-lists/..", 7, None, [LIST]],
    ids=str,
)  # fmt: skip
def test_a_list_elsewhere_is_never_fetched(server: FakeServer, caller: Caller, uri: Any) -> None:
    assert answer(caller, server.token(status={"status_list": {"idx": 0, "uri": uri}})) == 401
    assert set(server.requests) == {KEYS}


def bomb(size: int) -> str:
    return pack(bytes(size))


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": f"{ISSUER}/status-lists/tuesday"}, {"sub": None}, {"iss": "https://other.example"}, {"iss": None},
        {"exp": 1}, {"exp": None}, {"exp": "later"}, {"exp": True}, {"ttl": 0}, {"ttl": -5}, {"ttl": "5"},
        {"ttl": True}, {"ttl": None}, {"iat": None}, {"status_list": None}, {"status_list": "x"}, {"status_list": {}},
        {"status_list": {"bits": 2, "lst": bomb(8)}}, {"status_list": {"bits": True, "lst": bomb(8)}},
        {"status_list": {"bits": "1", "lst": bomb(8)}}, {"status_list": {"bits": 1}},
        {"status_list": {"bits": 1, "lst": 7}}, {"status_list": {"bits": 1, "lst": "é"}},
        {"status_list": {"bits": 1, "lst": "not zlib"}}, {"status_list": {"bits": 1, "lst": bomb(99)[:-4]}},
        {"status_list": {"bits": 1, "lst": bomb(status_list.MAX_BYTES + 1)}},
        {"status_list": {"bits": 1, "lst": bomb(100_000_000)}},
    ],
)  # fmt: skip
def test_a_list_that_is_not_right_is_not_used(server: FakeServer, caller: Caller, claims: dict[str, Any]) -> None:
    server.list_claims = claims
    assert answer(caller, server.token(1)) == 503


def test_the_largest_list_is_used(server: FakeServer, caller: Caller) -> None:
    server.bits = bytearray(status_list.MAX_BYTES)
    assert answer(caller, server.token(8 * status_list.MAX_BYTES - 1)) == 200


@pytest.mark.parametrize(
    "header", [{"typ": "at+jwt"}, {"typ": "JWT"}, {"typ": None}, {"kid": "unknown"}, {"kid": None}], ids=str
)
def test_a_list_of_another_type_or_key_is_not_used(server: FakeServer, caller: Caller, header: dict[str, Any]) -> None:
    server.list_header = header
    assert answer(caller, server.token()) == 503


def test_a_list_that_is_not_signed_by_the_server_is_not_used(server: FakeServer, caller: Caller) -> None:
    signed, own = server.status_list(), ec.generate_private_key(ec.SECP256R1())
    claims, header = jwt.decode(signed, options={"verify_signature": False}), jwt.get_unverified_header(signed)
    named = {"kid": header["kid"], "typ": header["typ"]}
    head, body, signature = signed.split(".")
    forged = [
        jwt.encode(claims, own, "ES256", named), jwt.encode(claims, "", "none", named),
        jwt.encode(claims, "x" * 40, "HS256", named), f"{head}.{body[:-4]}AAAA.{signature}", f"{head}..{signature}",
        "", "not a JWT", "a.b.c", "\xff",
    ]  # fmt: skip
    for token in forged:
        server.list_answer = Answer(body=token.encode())
        assert answer(caller, server.token()) == 503
        server.clock.now += document.RETRY_PAUSE
    server.list_answer = None
    assert answer(caller, server.token()) == 200


def nest(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(404), Answer(304), Answer(500), Answer(204), Answer(302, headers={"Location": LIST}),
        Answer(body=b"x" * 2_000_000), Answer(body=nest(100_000).encode()),
        Answer(body=gzip.compress(b"x" * 100_000_000), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["missing", "unchanged", "failed", "empty", "elsewhere", "too long", "nested", "compressed"],
)  # fmt: skip
def test_an_answer_that_is_not_a_list_is_a_failure(server: FakeServer, caller: Caller, wrong: Answer) -> None:
    server.list_answer = wrong
    assert answer(caller, server.token()) == 503


def test_a_deeply_nested_list_is_not_used(server: FakeServer, caller: Caller) -> None:
    kid, key = next(iter(server.keys.items()))
    signed = jwt.PyJWS().encode(nest(100_000).encode(), key, "ES256", {"kid": kid, "typ": "statuslist+jwt"})
    server.list_answer = Answer(body=signed.encode())
    assert answer(caller, server.token()) == 503


def test_a_status_list_is_not_an_access_token(server: FakeServer, caller: Caller) -> None:
    assert answer(caller, server.status_list()) == 401
    assert answer(caller, server.token(header={"typ": "statuslist+jwt"})) == 401
    assert server.requests == {}


def test_a_deeply_nested_token_is_refused(server: FakeServer, caller: Caller) -> None:
    kid, key = next(iter(server.keys.items()))
    deep = nest(100_000).encode()
    head = base64.urlsafe_b64encode(b'{"typ":"at+jwt","kid":' + deep + b"}").rstrip(b"=").decode()
    for token in (jwt.PyJWS().encode(deep, key, "ES256", {"kid": kid, "typ": "at+jwt"}), f"{head}.e30.AAAA"):
        assert answer(caller, token) == 401


def test_a_token_without_a_status_is_refused_or_introspected(flavour: str, server: FakeServer) -> None:
    token = server.token(status=None)
    with calling(flavour, server) as without_client:
        assert answer(without_client, token) == 401
    with calling(flavour, server, client_id="orders", client_secret="x") as caller:
        assert answer(caller, token) == 401
        server.introspected = {"active": True, **jwt.decode(token, options={"verify_signature": False})}
        assert answer(caller, token) == 200
        assert answer(caller, server.token(status=None, header={"kid": "unknown"})) == 401
    assert sum(count for url, count in server.requests.items() if "introspect" in url) == 2


def test_the_number_of_kept_lists_is_bounded(server: FakeServer, caller: Caller, monkeypatch: Any) -> None:
    monkeypatch.setattr(status_list, "MAX_LISTS", 2)
    assert answer(caller, server.token()) == 200
    for name in "ab":
        missing = {"status_list": {"idx": 0, "uri": f"{ISSUER}/status-lists/{name}"}}
        assert answer(caller, server.token(status=missing)) == 503
    assert answer(caller, server.token()) == 200
    assert server.requests[LIST] == 2


@pytest.mark.contract("an unknown `kid` never makes a request a call")
def test_unknown_keys_fetch_the_set_once_in_some_seconds(server: FakeServer, caller: Caller) -> None:
    assert answer(caller, server.token()) == 200
    for number in range(100):
        assert answer(caller, server.token(header={"kid": f"unknown-{number}"})) == 401
    assert server.requests[KEYS] == 1
    server.clock.now += keys.UNKNOWN_KEY_PAUSE
    for number in range(100):
        assert answer(caller, server.token(header={"kid": f"unknown-{number}"})) == 401
    assert server.requests[KEYS] == 2


def test_a_new_key_is_fetched_when_it_is_first_seen(server: FakeServer, caller: Caller) -> None:
    assert answer(caller, server.token()) == 200
    server.rotate("second")
    server.clock.now += keys.UNKNOWN_KEY_PAUSE
    assert answer(caller, server.token()) == 200
    assert server.requests[KEYS] == 2


def test_keys_are_fetched_again_when_they_are_old(server: FakeServer, caller: Caller) -> None:
    token = server.token(exp=int(server.clock()) + 10_000)
    assert answer(caller, token) == 200
    server.rotate("second")
    del server.keys["first"]
    server.clock.now += keys.KEYS_MAX_AGE - MOMENT
    assert answer(caller, token) == 200
    server.clock.now += MOMENT
    assert answer(caller, token) == 401


def test_keys_serve_for_a_while_while_the_server_is_down(flavour: str, server: FakeServer) -> None:
    with calling(flavour, server, check_status=False) as caller:
        assert answer(caller, server.token()) == 200
        server.down = True
        server.clock.now += keys.KEYS_MAX_AGE + 60 - MOMENT
        assert answer(caller, server.token()) == 200
        server.clock.now += MOMENT
        assert answer(caller, server.token()) == 503


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"keys": 7}', nest(100_000), '{"keys": "x"}'], ids=lambda body: body[:12] or "nothing"
)
def test_a_key_set_that_is_not_one_is_a_failure(server: FakeServer, flavour: str, body: str) -> None:
    with calling(flavour, server) as caller:
        server.keys_answer = Answer(body=body.encode())
        assert answer(caller, server.token()) == 503


def test_a_key_that_cannot_be_read_is_left_out(server: FakeServer, caller: Caller) -> None:
    point = "A" * 43
    server.other_keys = [7, {}, {"kty": "RSA", "kid": "a"}, {"kty": "EC", "crv": "P-256", "kid": "b", "x": "?", "y": 1},
                         {"kty": "EC", "crv": "P-256", "kid": "c", "x": point, "y": point}]  # fmt: skip
    assert answer(caller, server.token()) == 200
