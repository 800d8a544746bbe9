"""The answers to a gateway, and the address that a request really comes from."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import MAX_BODY
from app.credentials.kind import RateLimit
from tests.oauth.wire import ORDERS, STOCK, Wire, basic

SIX = ("Credential-Type", "Subject", "Username", "Client-Id", "Scope", "Credential-Id")
MakeWire = Callable[..., Wire]


def identity_headers(response: Any) -> dict[str, str]:
    """Return the six headers, all of which must be there."""
    assert response.status_code == 200, f"{response.status_code} {response.text}"
    assert response.headers["Cache-Control"] == "no-store" and response.data == b""
    assert all(len(response.headers.getlist(f"X-Auth-{name}")) == 1 for name in SIX)
    return {name: response.headers[f"X-Auth-{name}"] for name in SIX}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- who is let through


def test_each_kind_fills_what_applies_and_leaves_the_rest_empty(wire: Wire) -> None:
    (pat_view, pat), (key_view, key) = wire.core.pat("alice", "orders:read", "stock:read"), wire.core.key()
    m2m = wire.core.m2m("robot", "orders:write stock:read")
    whose = wire.core.row_id("alice")
    assert list(identity_headers(wire.ask(**bearer(pat))).values()) == [
        "personal_access_token", whose, "alice", "", "orders:read", pat_view.id]  # fmt: skip
    assert list(identity_headers(wire.ask(X_API_Key=key)).values()) == [
        "api_key",
        "",
        "",
        "",
        "orders:list",
        key_view.id,
    ]
    machine = identity_headers(wire.ask(Authorization=basic("anybody", m2m)))
    assert list(machine.values())[:5] == ["client_credentials", "robot", "", "robot", "orders:write"]
    exchanged = identity_headers(wire.ask(**bearer(wire.core.exchange(key, client_id="robot"))))
    assert (exchanged["Credential-Type"], exchanged["Subject"], exchanged["Client-Id"]) == ("api_key", "", "")


@pytest.mark.parametrize(
    "username", ["zoë", "日本", "a\r\nX-Auth-Scope: manage", "a%0d%0ab", "start\x01", 'quo"te', "a b", "\x7f", "ÿ", "٪"]
)
def test_no_username_breaks_the_headers(wire: Wire, username: str) -> None:
    wire.core.user(username, "clerk")
    headers = identity_headers(wire.ask(**bearer(wire.core.pat(username, "orders:read")[1])))
    assert headers["Username"].isascii() and headers["Username"].isprintable()
    assert headers["Scope"] == "orders:read"


def test_every_scope_asked_for_is_needed(wire: Wire) -> None:
    token = wire.core.m2m("robot", "orders:read stock:read")
    for scope in ("", " ", "orders:read", "orders:read orders:read"):
        identity_headers(wire.ask({"scope": scope}, **bearer(token)))
    for scope, missing in (("orders:write orders:read", "orders:write"), ("stock:read", "stock:read")):
        response = wire.ask({"scope": scope}, **bearer(token))
        assert response.status_code == 403
        challenge = response.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer ") and 'error="insufficient_scope"' in challenge
        assert f'scope="{missing}"' in challenge


@pytest.mark.spec("RFC 6750 §3.1")
def test_another_audience_an_unknown_resource_and_a_bad_token_are_401(wire: Wire) -> None:
    key = wire.core.key()[1]
    for query, token in (
        ({"resource": STOCK}, key),
        ({"resource": "https://nowhere.example"}, key),
        ({"resource": "\x00"}, key),
        ({}, "nonsense"),
        ({}, "lk_key_" + "0" * 38),
    ):
        response = wire.ask(query, X_API_Key=token)
        assert response.status_code == 401 and 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.spec("RFC 6750 §3")
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"X_API_Key": ""}, {"Authorization": "Bearer "}, {"X_API_Key": " , "},
     {"Authorization": "Digest x"}, {"Authorization": basic("user", "")}],
)  # fmt: skip
def test_nothing_sent_is_a_challenge_without_an_error(wire: Wire, headers: dict[str, str]) -> None:
    response = wire.ask(**headers)
    assert response.status_code == 401 and response.headers["WWW-Authenticate"] == 'Bearer realm="latchkey"'
    wanted = wire.ask({"challenge": "basic"}, **headers)
    assert wanted.status_code == 401 and wanted.headers["WWW-Authenticate"].startswith('Basic realm="')


@pytest.mark.parametrize("header", ["Basic ???", "Basic", "Basic /////w==", "Basic YQ", "Bearer \xff", "Bearer a b"])
def test_a_header_that_cannot_be_read_is_401(wire: Wire, header: str) -> None:
    assert wire.ask(Authorization=header).status_code == 401


def test_an_empty_header_beside_a_credential_is_absent(wire: Wire) -> None:
    key = wire.core.key()[1]
    identity_headers(wire.ask(X_API_Key=key, Authorization=""))
    identity_headers(wire.ask(X_API_Key="", **bearer(key)))


def test_two_credentials_no_resource_and_a_repeated_parameter_are_400(wire: Wire) -> None:
    key = wire.core.key()[1]
    assert wire.ask(X_API_Key=key, **bearer(key)).status_code == 400
    assert wire.ask(X_API_Key=f"{key}, {key}").status_code == 400
    assert wire.ask(Authorization=f"Bearer {key}, Bearer {key}").status_code == 400
    for query in ({"resource": ""}, {"resource": [ORDERS, ORDERS]}, {"scope": ["a", "b"]}, {"x": ["1", "1"]}):
        assert wire.ask(query, X_API_Key=key).status_code == 400
    assert wire.ask({"scope": 'a"b'}, X_API_Key=key).status_code == 400


def test_the_query_takes_api_keys_only_where_a_parameter_is_named(own_wire: MakeWire) -> None:
    wire = own_wire(forward_auth_query_key="apikey")
    key, pat = wire.core.key()[1], wire.core.pat("alice", "orders:read")[1]
    identity_headers(wire.ask({"apikey": key}))
    assert wire.ask({"apikey": pat}).status_code == 401
    assert wire.ask({"apikey": key}, X_API_Key=key).status_code == 400
    assert wire.ask({"apikey": [key, key]}).status_code == 400
    assert wire.ask({"other": key}).status_code == 401


# --- where the credential is


@pytest.mark.contract("the credential as Basic's user name, the other half of any bytes")
@pytest.mark.spec("RFC 7617 §2")
@pytest.mark.parametrize("password", ["", "x-oauth-basic", "x-token-auth"])
def test_the_credential_may_be_the_user_name_of_basic(wire: Wire, password: str) -> None:
    pat = wire.core.pat("alice", "orders:read", name=f"beside {password}")[1]
    for token in (wire.core.key()[1], pat, wire.core.m2m("robot", "orders:read")):
        identity_headers(wire.ask(Authorization=basic(token, password)))
        assert wire.ask(Authorization=basic(token[:-1], password)).status_code == 401
        assert wire.ask(Authorization=basic(token, "anything else")).status_code == 401


@pytest.mark.contract("the credential as Basic's user name, the other half of any bytes")
@pytest.mark.spec("RFC 7617 §2")
@pytest.mark.parametrize(
    "username", [b"", b"zo\xeb", b"\xff\xfe", b"\0", b"a b,c", b"lk_key_x", "日本".encode(), b"%3A"]
)
def test_the_other_half_is_never_judged(wire: Wire, username: bytes) -> None:
    key = wire.core.key()[1]
    identity_headers(wire.ask(Authorization=basic(username, key)))
    assert wire.ask(Authorization=basic(username, key[:-1])).status_code == 401
    refused = wire.ask(Authorization=basic(username, "zoë".encode("latin-1")))
    assert refused.status_code == 401 and "invalid_token" in refused.headers["WWW-Authenticate"]


# --- how long the answer is


MANY, NAME = "https://many.example", "department-{:03}:long-noun:read"


def holder_of_many(wire: Wire, count: int) -> str:
    """Make a resource of many permissions, and a key that has them all."""
    wire.core.resource(MANY, public=[NAME.format(number) for number in range(count)])
    return wire.core.key(MANY)[1]


def size(response: Any) -> int:
    """Count the bytes of the answer's head, with what the server in front adds."""
    added = len("HTTP/1.1 401 Unauthorized\r\nserver: granian\r\ndate: Sat, 28 Nov 2026 06:20:09 GMT\r\n\r\n")
    return added + sum(len(f"{name}: {value}\r\n") for name, value in response.headers)


@pytest.mark.contract("never more than 4,096 bytes of headers; the scopes asked for where a holder's would not fit")
@pytest.mark.parametrize("count", [1, 50, 70, 100, 250])
def test_the_headers_are_never_longer_than_a_gateways_buffer(own_wire: MakeWire, count: int) -> None:
    wire = own_wire()
    token, few = holder_of_many(wire, count), NAME.format(0)
    request_id = "r" * 64
    for asked in ("", few):
        response = wire.ask({"resource": MANY, "scope": asked}, X_API_Key=token, X_Request_Id=request_id)
        whole = identity_headers(response)["Scope"].split() if count <= 100 else []
        assert len(whole) == count or identity_headers(response)["Scope"] == asked
        assert size(response) <= 4_096
    assert count != 70 or len(whole) == 70
    everything = " ".join(NAME.format(number) for number in range(count))
    for scope in (everything, everything + " none"):
        response = wire.ask({"resource": MANY, "scope": scope}, X_API_Key=token, X_Request_Id=request_id)
        assert size(response) <= 4_096
        assert response.status_code == (400 if len(scope) > 2_000 else 403 if "none" in scope else 200)


@pytest.mark.contract("never more than 4,096 bytes of headers; the scopes asked for where a holder's would not fit")
@pytest.mark.parametrize("username", ["𐍈" * 200, "日" * 200, "a" * 200, "日" * 60])
def test_a_name_that_is_too_long_for_a_header_is_left_out_whole(own_wire: MakeWire, username: str) -> None:
    wire = own_wire()
    wire.core.user(username, "clerk")
    response = wire.ask(**bearer(wire.core.pat(username, "orders:read")[1]))
    assert identity_headers(response)["Username"] in ("", quote(username))
    assert (identity_headers(response)["Username"] == "") is (len(quote(username)) > 1_200)
    assert size(response) <= 4_096


# --- what a gateway copies


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT"])
def test_body_content_type_and_accept_do_not_matter(wire: Wire, method: str) -> None:
    headers = {"Authorization": f"Bearer {wire.core.key()[1]}", "Accept": "image/png"}
    for body, content_type in ((b"x" * (MAX_BODY + 1), "text/plain"), (b"{", "application/json"), (b"\xff", "x/y; z")):
        response = wire.http.open(
            "/oauth/forward-auth", method=method, query_string={"resource": ORDERS}, data=body,
            headers=headers | {"Content-Type": content_type})  # fmt: skip
        identity_headers(response)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(st.sampled_from(["resource", "scope", "challenge", "x"]), st.text(max_size=20)),
    name=st.sampled_from(["Authorization", "X-API-Key", "X-Forwarded-For"]),
    value=st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30),
)
def test_no_query_and_no_header_gives_a_500(wire: Wire, query: dict[str, str], name: str, value: str) -> None:
    response = wire.http.get("/oauth/forward-auth", query_string=query, headers={name: value})
    assert response.status_code in (400, 401)


# --- a key's rate and networks


def test_a_spent_limit_is_429_and_says_when_to_come_back(wire: Wire) -> None:
    key = wire.core.key(rate_limit=RateLimit(2, 30))[1]
    assert wire.ask({"scope": "orders:write"}, X_API_Key=key).status_code == 403  # not let through: not counted
    for _ in range(2):
        identity_headers(wire.ask(X_API_Key=key))
    response = wire.ask(X_API_Key=key)
    assert response.status_code == 429 and 1 <= int(response.headers["Retry-After"]) <= 30
    assert wire.introspect(key) == {"active": False}  # one limit, wherever the key is used


def test_a_key_is_refused_outside_its_networks(wire: Wire) -> None:
    key = wire.core.key(allowed_ips=("192.0.2.0/24", "2001:db8::/32"))[1]
    for peer in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"):
        identity_headers(wire.ask(peer=peer, X_API_Key=key))
    for peer in ("192.0.3.1", "::1", "", "unix:"):
        response = wire.ask(peer=peer, X_API_Key=key, X_Forwarded_For="192.0.2.1")
        assert response.status_code == 403 and "WWW-Authenticate" in response.headers


@pytest.mark.parametrize(
    ("peer", "forwarded", "let_in"),
    [
        ("10.0.0.1", "192.0.2.1", True),
        ("10.0.0.1", "203.0.113.9, 192.0.2.1", True),
        ("10.0.0.1", "192.0.2.1, 10.0.0.2", True),  # two proxies of ours
        ("10.0.0.1", "192.0.2.1, 203.0.113.9", False),  # the caller's own claim, before a stranger
        ("10.0.0.1", "192.0.2.1, 203.0.113.9, 10.0.0.2", False),
        ("10.0.0.1", "192.0.2.1, nonsense", False),
        ("10.0.0.1", "", False),
        ("203.0.113.9", "192.0.2.1", False),  # no proxy of ours
        ("::ffff:10.0.0.1", "192.0.2.1", True),
        ("10.0.0.1", "[::ffff:192.0.2.1]", True),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_alone(
    proxied: Wire, peer: str, forwarded: str, let_in: bool
) -> None:
    key = proxied.core.key(allowed_ips=("192.0.2.0/24",))[1]
    response = proxied.ask(peer=peer, X_API_Key=key, X_Forwarded_For=forwarded)
    assert response.status_code == (200 if let_in else 403)


@pytest.fixture
def proxied(own_wire: MakeWire) -> Wire:
    """An application behind proxies in 10.0.0.0/8."""
    return own_wire(trusted_proxies="10.0.0.0/8")
