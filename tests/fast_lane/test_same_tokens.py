"""Both lanes issue alike: every member, claim, header and refusal, except the token's id and signature."""

from urllib.parse import quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from app.models import Client
from tests.core import ORDERS, STOCK
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.lanes import Asked, Lanes, basic
from tests.fast_lane.test_same_introspection import ENVIRONS, HEADERS
from tests.oauth.test_token_length import many_scopes
from tests.oauth.wire import OWN

PATH = "/oauth/token"
GRANT = "grant_type=client_credentials"
TAKEN = {
    "a resource": f"{GRANT}&resource={quote_plus(ORDERS)}",
    "a resource unescaped": f"{GRANT}&resource={ORDERS}",
    "the resource first": f"resource={ORDERS}&{GRANT}",
    "a scope": f"{GRANT}&scope=orders:read",
    "scopes": f"{GRANT}&scope=orders%3Aread+orders%3Awrite",
    "scopes of two resources": f"{GRANT}&scope=orders:read%20stock:read",
    "scope and resource": f"{GRANT}&scope=orders:read&resource={ORDERS}",
    "a short lifetime": f"{GRANT}&resource={STOCK}",
    "an empty scope": f"{GRANT}&scope=&resource={ORDERS}",
    "an empty resource": f"{GRANT}&scope=stock:read&resource=",
    "a scope of spaces": f"{GRANT}&scope=+&resource={ORDERS}",
    "the same scope twice": f"{GRANT}&scope=stock:read+stock:read",
}
LEFT = {
    "nothing": "",
    "no scope and resource": GRANT,
    "no grant": f"resource={ORDERS}",
    "another grant": f"grant_type=password&resource={ORDERS}",
    "an exchange": "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x",
    "a foreign token as grant": "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=a.b.c",
    "a foreign token as assertion": f"{GRANT}&client_assertion=a.b.c&client_id=robot&resource={ORDERS}",
    "grant twice": f"{GRANT}&{GRANT}&resource={ORDERS}",
    "scope twice": f"{GRANT}&scope=orders:read&scope=orders:read",
    "two resources": f"{GRANT}&resource={ORDERS}&resource={STOCK}",
    "an audience": f"{GRANT}&audience={ORDERS}",
    "unknown scope": f"{GRANT}&scope=orders:fly",
    "malformed scope": f"{GRANT}&scope=a%22b",
    "scope of another resource": f"{GRANT}&scope=stock:read&resource={ORDERS}",
    "unknown resource": f"{GRANT}&resource=https://nowhere.example",
    "ours": f"{GRANT}&resource={OWN}",
    "the client_id": f"{GRANT}&resource={ORDERS}&client_id=robot",
    "another client_id": f"{GRANT}&resource={ORDERS}&client_id=shop",
    "a secret": f"{GRANT}&resource={ORDERS}&client_secret=x",
    "a stranger": f"{GRANT}&resource={ORDERS}&x=y",
    "unicode": f"{GRANT}&scope=é",
    "null": f"{GRANT}&scope=%00",
}


def ask(lanes: Lanes, body: str, pair: tuple[str, str] | None = None) -> Asked:
    return Asked(PATH, body=body.encode(), headers={"AUTHORIZATION": basic(pair or lanes.wire.robot)})


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@pytest.mark.parametrize("name", TAKEN)
def test_what_is_issued(lanes: Lanes, name: str) -> None:
    reply = lanes.both(ask(lanes, TAKEN[name]))
    assert reply.taken and reply.status == "200 OK"
    assert reply.counted["latchkey_issued_total[('kind', 'client_credentials'), ('outcome', 'success')]"] == 1


@pytest.mark.parametrize("name", LEFT)
def test_what_is_refused_or_not_common(lanes: Lanes, name: str) -> None:
    assert not lanes.both(ask(lanes, LEFT[name])).taken


@pytest.mark.parametrize("pair", [("robot", "x"), ("nobody", "x"), ("keyed", "x"), ("", ""), ("robot", "")])
def test_who_is_refused(lanes: Lanes, pair: tuple[str, str]) -> None:
    reply = lanes.both(ask(lanes, TAKEN["a scope"], pair))
    assert not reply.taken and reply.status == "401 UNAUTHORIZED"


def test_a_client_without_roles(lanes: Lanes) -> None:
    assert lanes.both(ask(lanes, TAKEN["a scope"], lanes.wire.shop)).status == "400 BAD REQUEST"


def test_a_client_that_is_not_registered_for_the_grant(own_lanes: OwnLanes) -> None:
    own = own_lanes()
    own.core.client("app", "worker", grant_types=["refresh_token"])
    reply = own.both(ask(own, TAKEN["a scope"], ("app", own.core.client_secret("app"))))
    assert not reply.taken and "unauthorized_client" in str(reply.body)


def test_a_client_that_loses_the_grant(own_lanes: OwnLanes) -> None:
    own = own_lanes()
    own.core.client("app", "worker", grant_types=["client_credentials"])
    asked = ask(own, TAKEN["a scope"], ("app", own.core.client_secret("app")))
    assert own.both(asked).taken
    with own.core.store.transaction() as session:
        session.execute(update(Client).where(Client.client_id == "app").values(grant_types=["refresh_token"]))
    assert not own.both(asked).taken


@pytest.mark.parametrize("name", HEADERS)
def test_every_header(lanes: Lanes, name: str) -> None:
    lanes.both(ask(lanes, TAKEN["a scope"]).with_headers(**HEADERS[name]))


@pytest.mark.parametrize("name", ENVIRONS)
def test_every_environment(lanes: Lanes, name: str) -> None:
    changed = {n: str(v).replace("introspect", "token") if n == "PATH_INFO" else v for n, v in ENVIRONS[name].items()}
    lanes.both(ask(lanes, TAKEN["a scope"]).with_environ(**changed))


def test_no_two_tokens_share_their_id(lanes: Lanes) -> None:
    bodies = {lanes.raw(ask(lanes, TAKEN["a scope"])) for _ in range(20)}
    assert len(bodies) == 20


def test_each_token_begins_when_it_is_issued(lanes: Lanes) -> None:
    asked = ask(lanes, TAKEN["a scope"])
    first = lanes.fast(asked).body[1]
    lanes.core.clock.advance(seconds=7)
    later = lanes.fast(asked).body[1]
    assert (later["iat"] - first["iat"], later["exp"] - first["exp"]) == (7, 7)


PIECES = st.sampled_from(
    [GRANT, "scope=", "resource=", "&", "orders:read", "+", "%20", "stock:read", ORDERS, "%3A", "x", "=", "audience="]
)


@pytest.mark.contract("the fast lane answers as Flask does, byte for byte")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.lists(PIECES, max_size=9).map("".join))
def test_whatever_is_asked(lanes: Lanes, form: str) -> None:
    lanes.both(ask(lanes, form))
    lanes.both(ask(lanes, f"{GRANT}&{form}"))


@pytest.mark.parametrize("origins", ["", "https://app.example"])
def test_a_browser(own_lanes: OwnLanes, origins: str) -> None:
    lanes = own_lanes(allowed_origins=origins)
    body = f"grant_type=client_credentials&resource={ORDERS}".encode()
    headers = {"AUTHORIZATION": basic(lanes.wire.robot)}
    asked = Asked("/oauth/token", body=body, headers=headers)
    assert lanes.both(asked).taken
    for origin in ("https://app.example", "https://evil.example", ""):
        assert lanes.both(asked.with_headers(ORIGIN=origin)).taken is (not origins)


@pytest.mark.parametrize("count", [40, 60, 250])
def test_a_client_of_many_scopes(own_lanes: OwnLanes, count: int) -> None:
    own = own_lanes()
    many_scopes(own.wire, count)
    reply = own.both(ask(own, GRANT, ("many", own.core.client_secret("many"))))
    assert reply.taken is reply.status.startswith("200") is (count == 40)
