"""Both lanes answer a gateway alike: status, all headers, log line and metrics."""

import base64
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core import ORDERS, STOCK
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.lanes import Asked, Lanes, basic
from tests.fast_lane.scene import MADE
from tests.fast_lane.test_same_introspection import HEADERS, Tokens
from tests.oauth.test_forward_auth import MANY, NAME, holder_of_many

PATH = "/oauth/forward-auth"
QUERY = f"resource={quote_plus(ORDERS)}"


def ask(query: str, **headers: str) -> Asked:
    return Asked(PATH, "GET", query=query, headers=headers)


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@pytest.mark.parametrize("name", MADE)
def test_every_credential_in_every_state(lanes: Lanes, tokens: Tokens, name: str) -> None:
    token = tokens[name]
    for query in (QUERY, f"resource={STOCK}", f"{QUERY}&scope=orders:read", f"{QUERY}&scope=orders:list"):
        reply = lanes.both(ask(query, AUTHORIZATION=f"Bearer {token}"))
        assert reply.taken == (reply.status == "200 OK" and name != "key with networks")
        assert lanes.both(ask(query, X_API_KEY=token)).taken == reply.taken
        lanes.both(ask(query, AUTHORIZATION=basic(("git", token))))


QUERIES = {
    "nothing": "",
    "no resource": "scope=orders:read",
    "an empty resource": "resource=",
    "unescaped": f"resource={ORDERS}",
    "all escaped": "resource=" + "".join(f"%{ord(c):02x}" for c in ORDERS),
    "an empty scope": f"{QUERY}&scope=",
    "scopes": f"{QUERY}&scope=orders:read+orders:read",
    "a scope that is missing": f"{QUERY}&scope=orders:write+orders:read",
    "a scope that is malformed": f"{QUERY}&scope=%22",
    "spaces": f"{QUERY}&scope=+%20orders:read+",
    "challenge": f"{QUERY}&challenge=basic",
    "a strange challenge": f"{QUERY}&challenge=x",
    "resource twice": f"{QUERY}&{QUERY}",
    "scope twice": f"{QUERY}&scope=orders:read&scope=orders:read",
    "once empty": f"{QUERY}&scope=&scope=orders:read",
    "a stranger": f"{QUERY}&x=y",
    "a token": f"{QUERY}&token=x",
    "unknown resource": "resource=https://nowhere.example",
    "a slash more": f"resource={ORDERS}/",
    "capitals": f"resource={ORDERS.upper()}",
    "unicode": f"{QUERY}&scope=%C3%A9",
    "no UTF-8": f"{QUERY}&scope=%E9",
    "raw": f"{QUERY}&scope=\xc3\xa9",
    "a null": f"{QUERY}&scope=%00",
    "a broken escape": f"{QUERY}&scope=%4",
    "semicolon": f"{QUERY};scope=x",
    "ampersands": f"&&{QUERY}&&",
    "no value": f"{QUERY}&scope",
    "a hash": f"{QUERY}#x",
    "many": QUERY + "".join(f"&a{i}=1" for i in range(1_100)),
}


@pytest.mark.parametrize("name", QUERIES)
def test_every_query(lanes: Lanes, tokens: Tokens, name: str) -> None:
    lanes.both(ask(QUERIES[name], AUTHORIZATION=f"Bearer {tokens['pat']}"))
    lanes.both(ask(QUERIES[name]))


SENT: dict[str, dict[str, str]] = {
    "nothing": {},
    "empty": {"AUTHORIZATION": ""},
    "bearer of nothing": {"AUTHORIZATION": "Bearer "},
    "small letters": {"AUTHORIZATION": "bearer TOKEN"},
    "two spaces": {"AUTHORIZATION": "Bearer  TOKEN"},
    "a space behind": {"AUTHORIZATION": "Bearer TOKEN "},
    "twice": {"AUTHORIZATION": "Bearer TOKEN, Bearer TOKEN"},
    "joined": {"AUTHORIZATION": "Bearer TOKEN,Bearer TOKEN"},
    "a comma": {"AUTHORIZATION": "Bearer TOKEN,"},
    "both": {"AUTHORIZATION": "Bearer TOKEN", "X_API_KEY": "TOKEN"},
    "an empty key too": {"AUTHORIZATION": "Bearer TOKEN", "X_API_KEY": ""},
    "a key and an empty header": {"AUTHORIZATION": "", "X_API_KEY": "TOKEN"},
    "a key and another scheme": {"AUTHORIZATION": "Digest x", "X_API_KEY": "TOKEN"},
    "two keys": {"X_API_KEY": "TOKEN, TOKEN"},
    "a comma in the key": {"X_API_KEY": ",TOKEN"},
    "spaces around the key": {"X_API_KEY": " TOKEN "},
    "unicode": {"AUTHORIZATION": "Bearer \xe9"},
    "a null": {"X_API_KEY": "TOKEN\0"},
    "not Base64": {"AUTHORIZATION": "Basic !"},
    "dpop": {"AUTHORIZATION": "DPoP TOKEN"},
    "dpop proof": {"AUTHORIZATION": "Bearer TOKEN", "DPOP": "x"},
    "as the user, no password": {"AUTHORIZATION": "Basic <TOKEN:>"},
    "as the user, x-oauth-basic": {"AUTHORIZATION": "Basic <TOKEN:x-oauth-basic>"},
    "as the user, x-token-auth": {"AUTHORIZATION": "Basic <TOKEN:x-token-auth>"},
    "as the user, another password": {"AUTHORIZATION": "Basic <TOKEN:x>"},
    "as user and password": {"AUTHORIZATION": "Basic <TOKEN:TOKEN>"},
    "a user in Latin-1": {"AUTHORIZATION": "Basic <zo\xeb:TOKEN>"},
    "a user with a null": {"AUTHORIZATION": "Basic <\0:TOKEN>"},
    "two colons": {"AUTHORIZATION": "Basic <x:TOKEN:>"},
    "no colon": {"AUTHORIZATION": "Basic <TOKEN>"},
    "a name without a password": {"AUTHORIZATION": "Basic <alice:>"},
}


def fill_in(value: str, token: str) -> str:
    """Insert the token, and encode what is in angle brackets."""
    filled = value.replace("TOKEN", token)
    scheme, bracket, pair = filled.partition("<")
    return scheme + base64.b64encode(pair[:-1].encode("latin-1")).decode() if bracket else filled


@pytest.mark.parametrize("name", SENT)
def test_every_way_to_send(lanes: Lanes, tokens: Tokens, name: str) -> None:
    headers = {header: fill_in(value, tokens["pat"]) for header, value in SENT[name].items()}
    lanes.both(ask(QUERY, **headers))
    lanes.both(ask(f"{QUERY}&challenge=basic", **headers))


@pytest.mark.parametrize("name", HEADERS)
def test_every_header(lanes: Lanes, tokens: Tokens, name: str) -> None:
    lanes.both(ask(QUERY, AUTHORIZATION=f"Bearer {tokens['pat']}").with_headers(**HEADERS[name]))


@pytest.mark.parametrize(
    "environ",
    [
        {"REQUEST_METHOD": "POST"},
        {"REQUEST_METHOD": "HEAD"},
        {"REQUEST_METHOD": "DELETE"},
        {"CONTENT_LENGTH": "5"},
        {"CONTENT_LENGTH": "0"},
        {"CONTENT_LENGTH": ""},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"CONTENT_TYPE": "application/json"},
        {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade"},
        {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "Upgrade", "HTTP_DPOP": "x"},
        {"HTTP_EXPECT": "100-continue", "CONTENT_LENGTH": "1000"},
        {"HTTP_COOKIE": "latchkey=x; y"},
        {"HTTP_HOST": "a b<>"},
        {"HTTP_HOST": ""},
        {"PATH_INFO": f"{PATH}/orders/1"},
        {"PATH_INFO": f"{PATH}//"},
        {"PATH_INFO": f"{PATH}x"},
        {"PATH_INFO": f"/{PATH}"},
        {"REQUEST_METHOD": "OPTIONS", "PATH_INFO": f"{PATH}/orders"},
        {"SCRIPT_NAME": "/auth"},
        {"REMOTE_ADDR": None},
        {"REMOTE_ADDR": "198.51.100.1"},
        {"QUERY_STRING": None},
    ],
    ids=str,
)
def test_every_environment(lanes: Lanes, tokens: Tokens, environ: dict[str, str]) -> None:
    for name in ("pat", "key with networks"):
        lanes.both(ask(QUERY, AUTHORIZATION=f"Bearer {tokens[name]}").with_environ(**environ))


@pytest.mark.parametrize("name", ["key", "apikey"])
def test_a_key_in_the_query(own_lanes: OwnLanes, name: str) -> None:
    own = own_lanes(forward_auth_query_key=name)
    key = own.core.key()[1]
    for query in (QUERY, f"{QUERY}&{name}={quote(key)}", f"{name}={quote(key)}"):
        own.both(ask(query))
        own.both(ask(query, X_API_KEY=key))


def test_networks_behind_a_trusted_proxy(own_lanes: OwnLanes) -> None:
    own = own_lanes(trusted_proxies="127.0.0.0/8")
    key = own.core.key(allowed_ips=("192.0.2.0/24",))[1]
    statuses = [
        own.both(ask(QUERY, X_API_KEY=key, X_FORWARDED_FOR=hops)).status
        for hops in ("192.0.2.9", "198.51.100.1", "192.0.2.9, 198.51.100.1", "")
    ]
    assert statuses == ["200 OK", "403 FORBIDDEN", "403 FORBIDDEN", "403 FORBIDDEN"]


@pytest.mark.parametrize("count", [60, 250])
def test_a_holder_of_many_scopes(own_lanes: OwnLanes, count: int) -> None:
    own = own_lanes()
    token = holder_of_many(own.wire, count)
    for scope in ("", f"&scope={NAME.format(3)}", "&scope=" + "+".join(NAME.format(n) for n in range(count))):
        own.both(ask(f"resource={MANY}{scope}", X_API_KEY=token))


PIECES = st.sampled_from(["resource=", "scope=", "&", "orders:read", "+", "%20", ORDERS, "%3A", "x", "=", "challenge="])


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(PIECES, max_size=9).map("".join), header=st.sampled_from(["AUTHORIZATION", "X_API_KEY"]))
def test_whatever_is_asked(lanes: Lanes, tokens: Tokens, query: str, header: str) -> None:
    sent = {header: tokens["pat"] if header == "X_API_KEY" else f"Bearer {tokens['pat']}"}
    lanes.both(ask(query, **sent))
    lanes.both(ask(f"{QUERY}&{query}", **sent))
