"""Both lanes answer every introspection alike: status, headers, body, log line and metrics."""

from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.crypto.opaque import Prefix, mint
from tests.core import ORDERS
from tests.fast_lane.lanes import FORM, Asked, Lanes, basic
from tests.fast_lane.scene import MADE

Tokens = dict[str, str]
PATH = "/oauth/introspect"


def ask(lanes: Lanes, body: str | bytes, authorization: str | None = None) -> Asked:
    """Send a request as `shop`, which serves the orders, or with another header; an empty one is left out."""
    sent = basic(lanes.wire.shop) if authorization is None else authorization
    raw = body if isinstance(body, bytes) else body.encode()
    return Asked(PATH, body=raw, headers={"AUTHORIZATION": sent} if sent else {})


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@pytest.mark.parametrize("name", MADE)
def test_every_credential_in_every_state(lanes: Lanes, tokens: Tokens, name: str) -> None:
    reply = lanes.both(ask(lanes, f"token={tokens[name]}"))
    assert reply.taken and reply.status == "200 OK"
    for caller in (lanes.wire.stockist, lanes.wire.robot):
        assert lanes.both(ask(lanes, f"token={tokens[name]}", basic(caller))).taken


def test_half_of_them_are_active(lanes: Lanes, tokens: Tokens) -> None:
    active = {n for n in MADE if b'"active": true' in lanes.fast(ask(lanes, f"token={tokens[n]}")).body}
    assert 15 <= len(active) <= len(MADE) - 10
    assert not {n for n in active if n.split()[-1] in ("revoked", "unknown", "forged", "elsewhere", "disabled")}


@pytest.mark.parametrize(
    "hint", ["access_token", "refresh_token", "", "x", "urn:a:b", "%41", "a+b", "a%20b", "~-._*", "=", "a=b", "/:"]
)
def test_hints_change_nothing(lanes: Lanes, tokens: Tokens, hint: str) -> None:
    assert lanes.both(ask(lanes, f"token={tokens['pat']}&token_type_hint={hint}")).taken
    assert lanes.both(ask(lanes, f"token_type_hint={hint}&token={tokens['m2m']}")).taken


BODIES: dict[str, str | bytes] = {
    "nothing": "",
    "an empty token": "token=",
    "no value": "token",
    "no name": "=x",
    "another name": "tokens=x",
    "twice": "token=a&token=b",
    "twice the same": "token=TOKEN&token=TOKEN",
    "once empty": "token=&token=TOKEN",
    "hint twice": "token=TOKEN&token_type_hint=a&token_type_hint=b",
    "a stranger": "token=TOKEN&x=y",
    "a client_ip": "token=TOKEN&client_ip=192.0.2.1",
    "an empty client_ip": "token=TOKEN&client_ip=",
    "a client_ip twice": "token=TOKEN&client_ip=192.0.2.1&client_ip=192.0.2.1",
    "a client_ip with a zone": "token=TOKEN&client_ip=fe80%3A%3A1%25eth0",
    "a wrong client_ip": "token=TOKEN&client_ip=nowhere",
    "the client_id": "token=TOKEN&client_id=shop",
    "another client_id": "token=TOKEN&client_id=robot",
    "a secret too": "token=TOKEN&client_secret=x",
    "an assertion too": "token=TOKEN&client_assertion=x&client_assertion_type=y",
    "a resource": f"token=TOKEN&resource={ORDERS}",
    "an escaped name": "%74oken=TOKEN",
    "an escaped name twice": "%74oken=TOKEN&token=TOKEN",
    "escaped": "token=ESCAPED",
    "all escaped": "token=ALL",
    "ampersands": "&&token=TOKEN&",
    "semicolon": "token=TOKEN;a=b",
    "spaces": "token=+TOKEN+",
    "a space": " token=TOKEN",
    "a line end": "token=TOKEN\n",
    "a carriage return": "token=TOKEN\r\n",
    "a broken escape": "token=%",
    "half an escape": "token=%4",
    "no escape": "token=%zz",
    "a null": "token=%00",
    "a bare null": "token=\x00",
    "a delete": "token=%7f",
    "UTF-8": "token=é",
    "UTF-8 escaped": "token=%C3%A9",
    "no UTF-8": b"token=\xe9",
    "no UTF-8 escaped": "token=%E9",
    "a surrogate": "token=%ED%A0%80",
    "json": '{"token": "x"}',
    "quotes": 'token="TOKEN"',
    "many fields": "&".join(f"a{i}=1" for i in range(1_100)),
    "as long as the lane reads": "token=" + "x" * 9_993,
    "longer": "token=" + "x" * 10_000,
    "longer than any token": "token=" + "x" * 20_000,
    "a mebibyte and one": "token=" + "x" * 1_048_571,
}


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.3.1", "::ffff:192.0.2.1", "2001%3Adb8%3A%3A1"])
@pytest.mark.parametrize("name", MADE)
def test_every_credential_from_every_address(lanes: Lanes, tokens: Tokens, name: str, address: str) -> None:
    assert lanes.both(ask(lanes, f"token={tokens[name]}&client_ip={address}")).taken


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@pytest.mark.parametrize("name", BODIES)
def test_every_body(lanes: Lanes, tokens: Tokens, name: str) -> None:
    body = BODIES[name]
    token = tokens["pat"]
    if isinstance(body, str):
        all_escaped = "".join(f"%{ord(c):02X}" for c in token)
        body = body.replace("TOKEN", token).replace("ESCAPED", token.replace("_", "%5f")).replace("ALL", all_escaped)
    lanes.both(ask(lanes, body))


AUTHORIZATIONS = {
    "none": "",
    "empty": " ",
    "no scheme": "c2hvcDp4",
    "small letters": "basic RIGHT",
    "capitals": "BASIC RIGHT",
    "two spaces": "Basic  RIGHT",
    "a space behind": "Basic RIGHT ",
    "a tab": "Basic\tRIGHT",
    "twice": "Basic RIGHT, Basic RIGHT",
    "joined": "Basic RIGHT,Basic RIGHT",
    "not padded": "Basic UNPADDED",
    "padded too much": "Basic RIGHT====",
    "not Base64": "Basic !!!!",
    "no UTF-8": "Basic //79",
    "no colon": "Basic c2hvcA==",
    "unknown client": basic(("nobody", mint(Prefix.CLIENT_SECRET))),
    "wrong secret": basic(("shop", mint(Prefix.CLIENT_SECRET))),
    "no secret": basic(("shop", "")),
    "nobody": basic(("", "")),
    "a client with a key": basic(("keyed", "x")),
    "escaped": "Basic ESCAPED",
    "a null": basic(("sh\0op", "x")),
    "long": basic(("x" * 300, "y")),
    "unicode": basic(("schön", "é")),
    "latin": "Basic \xe9",
    "bearer": "Bearer BEARER",
    "bearer of nothing": "Bearer x",
    "digest": "Digest username=shop",
    "dpop": "DPoP RIGHT",
}


@pytest.mark.parametrize("name", AUTHORIZATIONS)
def test_every_way_to_authenticate(lanes: Lanes, tokens: Tokens, name: str) -> None:
    secret = lanes.wire.shop[1]
    right = basic(lanes.wire.shop).removeprefix("Basic ")
    escaped = basic(("%73hop", quote(secret).replace("_", "%5F"))).removeprefix("Basic ")
    header = AUTHORIZATIONS[name].replace("UNPADDED", right.rstrip("=")).replace("RIGHT", right)
    header = header.replace("ESCAPED", escaped).replace("BEARER", lanes.wire.bearer)
    lanes.both(ask(lanes, f"token={tokens['pat']}", header))
    lanes.both(ask(lanes, "token=nonsense", header))
    lanes.both(ask(lanes, "", header))


def test_a_secret_in_the_body_and_an_assertion(lanes: Lanes, tokens: Tokens) -> None:
    client_id, secret = lanes.wire.shop
    form = f"token={tokens['pat']}&client_id={client_id}&client_secret={secret}"
    assert lanes.both(ask(lanes, form, "")).status == "200 OK"
    for asked in (lanes.fast, lanes.plain):
        used = lanes.wire.assertion()  # single use: each lane gets one of its own
        body = "&".join(f"{name}={quote_plus(value)}" for name, value in {"token": "x", **used}.items())
        assert asked(ask(lanes, body, "")).status == "200 OK"


HEADERS: dict[str, dict[str, str]] = {
    "any": {"ACCEPT": "*/*"},
    "json": {"ACCEPT": "application/json"},
    "json first": {"ACCEPT": "application/json, */*;q=0.5"},
    "html": {"ACCEPT": "text/html"},
    "empty accept": {"ACCEPT": ""},
    "json refused": {"ACCEPT": "application/json;q=0"},
    "dpop": {"DPOP": "x"},
    "expect": {"EXPECT": "100-continue"},
    "override": {"X_HTTP_METHOD_OVERRIDE": "DELETE"},
    "cookie": {"COOKIE": "session=x; session=y"},
    "forwarded": {"X_FORWARDED_FOR": "192.0.2.7, 10.0.0.1", "X_FORWARDED_PROTO": "https", "X_FORWARDED_HOST": "a.b"},
    "forwarded prefix": {"X_FORWARDED_PREFIX": "/x", "FORWARDED": "for=192.0.2.1"},
    "if none match": {"IF_NONE_MATCH": "*", "IF_MODIFIED_SINCE": "Thu, 01 Jan 2099 00:00:00 GMT"},
    "range": {"RANGE": "bytes=0-1"},
    "encoding": {"ACCEPT_ENCODING": "gzip, br"},
    "content encoding": {"CONTENT_ENCODING": "gzip"},
    "origin": {"ORIGIN": "https://evil.example"},
    "api key": {"X_API_KEY": "x"},
    "request id": {"X_REQUEST_ID": "trace-1.2_3"},
    "host": {"HOST": "Login.Example"},
    "host with an underscore": {"HOST": "latchkey_1:8080"},
    "IPv6 host": {"HOST": "[::1]:8080"},
    "unicode host": {"HOST": "l\xf6gin.example"},
    "strange host": {"HOST": "a..b"},
    "long host": {"HOST": "a" * 64 + ".example"},
    "very long host": {"HOST": ".".join(["a" * 60] * 6)},
    "hyphens": {"HOST": "-a-.-b-"},
    "host with a path": {"HOST": "a.example/x?y"},
    "host with a user": {"HOST": "user@a.example"},
    "host with a strange port": {"HOST": "a.example:99999"},
    "two hosts": {"HOST": "a.example, b.example"},
    "empty host": {"HOST": ""},
}


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@pytest.mark.parametrize("name", HEADERS)
def test_every_header(lanes: Lanes, tokens: Tokens, name: str) -> None:
    lanes.both(ask(lanes, f"token={tokens['pat']}").with_headers(**HEADERS[name]))


ENVIRONS: dict[str, dict[str, object]] = {
    "GET": {"REQUEST_METHOD": "GET"},
    "HEAD": {"REQUEST_METHOD": "HEAD"},
    "PUT": {"REQUEST_METHOD": "PUT"},
    "OPTIONS": {"REQUEST_METHOD": "OPTIONS"},
    "post": {"REQUEST_METHOD": "post"},
    "charset": {"CONTENT_TYPE": f"{FORM}; charset=utf-8"},
    "another charset": {"CONTENT_TYPE": f"{FORM};charset=ISO-8859-1"},
    "capitals": {"CONTENT_TYPE": FORM.upper()},
    "json": {"CONTENT_TYPE": "application/json"},
    "multipart": {"CONTENT_TYPE": "multipart/form-data; boundary=x"},
    "two types": {"CONTENT_TYPE": f"{FORM}, {FORM}"},
    "no type": {"CONTENT_TYPE": None},
    "empty type": {"CONTENT_TYPE": ""},
    "no length": {"CONTENT_LENGTH": None},
    "empty length": {"CONTENT_LENGTH": ""},
    "length 0": {"CONTENT_LENGTH": "0"},
    "length that is not a number": {"CONTENT_LENGTH": "x"},
    "negative length": {"CONTENT_LENGTH": "-1"},
    "signed length": {"CONTENT_LENGTH": "+10"},
    "strange digits": {"CONTENT_LENGTH": "\xb2"},
    "too great a length": {"CONTENT_LENGTH": "9000"},
    "chunked": {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"},
    "chunked with a length": {"HTTP_TRANSFER_ENCODING": "chunked"},
    "a query": {"QUERY_STRING": "x=y"},
    "a token in the query": {"QUERY_STRING": "token=x"},
    "a script name": {"SCRIPT_NAME": "/auth"},
    "another path": {"PATH_INFO": "/oauth/introspect/"},
    "capitals in the path": {"PATH_INFO": "/oauth/Introspect"},
    "two slashes": {"PATH_INFO": "//oauth/introspect"},
    "a peer": {"REMOTE_ADDR": "2001:db8::1"},
    "no peer": {"REMOTE_ADDR": None},
    "a strange peer": {"REMOTE_ADDR": 'unix:"\\'},
    "an old protocol": {"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_HOST": None},
    "https": {"wsgi.url_scheme": "https"},
}


@pytest.mark.parametrize("name", ENVIRONS)
def test_every_environment(lanes: Lanes, tokens: Tokens, name: str) -> None:
    lanes.both(ask(lanes, f"token={tokens['pat']}").with_environ(**ENVIRONS[name]))


@pytest.mark.parametrize("offered", [None, "", "a b", "x" * 65, "é", "a,b", "lk_pat_" + "A" * 38])
def test_a_request_id_that_is_not_accepted_is_replaced(lanes: Lanes, tokens: Tokens, offered: str | None) -> None:
    asked = ask(lanes, f"token={tokens['pat']}").with_environ(HTTP_X_REQUEST_ID=offered)
    given = []
    for reply in (lanes.fast(asked), lanes.plain(asked), lanes.fast(asked)):
        [line] = reply.lines
        given.append(dict(reply.headers)["X-Request-Id"])
        assert line["request_id"] == given[-1] != offered
        assert len(given[-1]) == 24 and set(given[-1]) <= set("0123456789abcdef")
    assert len(set(given)) == 3


def test_the_signed_answer_is_flasks(lanes: Lanes, tokens: Tokens) -> None:
    asked = ask(lanes, f"token={tokens['pat']}").with_headers(ACCEPT="application/token-introspection+jwt")
    fast, plain = lanes.fast(asked), lanes.plain(asked)
    assert not fast.taken
    assert (fast.status, len(fast.body), fast.counted) == (plain.status, len(plain.body), plain.counted)


FORMS = st.text("token=&%+4Aé_ ;\x00lkpat", max_size=30)
PIECES = st.sampled_from(["token", "token_type_hint", "=", "&", "%", "%20", "+", "TOKEN", "x", "client_id", "é", ""])


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.one_of(FORMS, st.lists(PIECES, max_size=9).map("".join)),
    header=st.one_of(
        st.just("RIGHT"), st.sampled_from(["Basic RIGHT", "Bearer x", ""]), st.text("Basic :=eyJ", max_size=12)
    ),
    accept=st.sampled_from([None, "*/*", "application/json", "text/html", "application/*", "*"]),
)
def test_whatever_is_sent(lanes: Lanes, tokens: Tokens, form: str, header: str, accept: str | None) -> None:
    right = basic(lanes.wire.shop)
    body = form.replace("TOKEN", tokens["pat"])
    asked = ask(lanes, body, right if header == "RIGHT" else header.replace("RIGHT", right[6:]))
    lanes.both(asked.with_environ(HTTP_ACCEPT=accept))
