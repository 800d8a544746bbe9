"""Token exchange: a short-lived JWT for the subject of a PAT or an API key, that ends with it."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.directory.api_keys import KeyChanges
from app.actions.directory.lifetime import AskedLifetime
from app.actions.tokens.exchange import ACCESS_TOKEN
from app.credentials.kind import RateLimit
from app.crypto.opaque import Prefix, mint
from app.errors import InvalidRequest, InvalidScope, InvalidTarget, TooManyRequests
from tests.core import ISSUER, ORDERS, START, STOCK, Core, contents

pytestmark = pytest.mark.both_databases

PAT_TYPE = "urn:latchkey:token-type:personal_access_token"
KEY_TYPE = "urn:latchkey:token-type:api_key"
LOGTO_TYPE = "urn:logto:token-type:personal_access_token"


@pytest.fixture
def pat(core: Core) -> str:
    return core.pat("alice", "orders:read", "orders:write", "stock:read")[1]


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_a_pats_jwt_speaks_for_the_user(core: Core) -> None:
    view, token = core.pat("alice", "stock:read")
    iat = int(core.clock().timestamp())
    claims = contents(core.exchange(token))
    assert claims.pop("jti").startswith("exc_")
    assert claims == {
        "iss": ISSUER,
        "sub": core.row_id("alice"),
        "aud": STOCK,
        "client_id": view.id,
        "scope": "stock:read",
        "iat": iat,
        "exp": iat + 600,
        "credential_type": "personal_access_token",
        "origin": {"id": view.id, "version": "1"},
        "status": {"status_list": {"idx": 0, "uri": f"{ISSUER}/status-lists/00001"}},
    }


def test_a_token_that_calls_the_version_of_its_secret_a_secret_is_still_good(core: Core, pat: str) -> None:
    claims = contents(core.exchange(pat))
    claims["origin"] = {"id": claims["origin"]["id"], "secret": claims["origin"]["version"]}
    with core.store.connection() as connection:
        issued_before = core.actions.signing_keys.sign(connection, claims)
    assert core.active(issued_before)
    core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), claims["origin"]["id"])
    assert not core.active(issued_before)


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_a_keys_jwt_speaks_for_nobody(core: Core) -> None:
    view, token = core.key()
    exchanged = core.exchange(token)
    claims = contents(exchanged)
    assert claims["sub"] == claims["client_id"] == view.id
    seen = core.verified(exchanged)
    assert (seen.subject, seen.username, seen.client_id, seen.exchanged) == (None, None, None, True)
    assert seen.credential_id == claims["jti"] != view.id


@pytest.mark.spec("RFC 8693 §4.1")
def test_an_authenticated_client_is_named_as_the_actor(core: Core, pat: str) -> None:
    exchanged = core.exchange(pat, client_id="robot")
    claims = contents(exchanged)
    assert (claims["client_id"], claims["act"]) == ("robot", {"sub": "robot"})
    assert core.verified(exchanged).actor == "robot"
    assert "act" not in contents(core.exchange(pat))


@pytest.mark.spec("RFC 8693 §2.1")
def test_the_type_must_fit_the_token(core: Core, pat: str) -> None:
    _, key = core.key()
    for token, type in ((pat, PAT_TYPE), (pat, LOGTO_TYPE), (pat, ACCESS_TOKEN), (key, KEY_TYPE), (key, ACCESS_TOKEN)):
        assert core.active(core.exchange(token, type=type))
    for token, type in ((pat, KEY_TYPE), (key, PAT_TYPE), (key, LOGTO_TYPE), (pat, ""), (pat, "urn:other"), (pat, pat)):
        with pytest.raises(InvalidRequest) as refusal:
            core.exchange(token, type=type)
        assert token not in str(refusal.value)


@pytest.mark.spec("RFC 8693 §2.2.2")
def test_a_bad_subject_token_is_an_invalid_request(core: Core, pat: str) -> None:
    strangers = ["", "nonsense", mint(Prefix.PAT), mint(Prefix.API_KEY), mint(Prefix.CLIENT_SECRET)]
    jwts = [core.exchange(pat), core.m2m("robot", "orders:read")]
    for token in strangers + jwts:
        for type in (ACCESS_TOKEN, PAT_TYPE, KEY_TYPE):
            with pytest.raises(InvalidRequest):
                core.exchange(token, type=type)


def test_a_dead_subject_token_is_an_invalid_request(core: Core) -> None:
    view, revoked = core.pat("alice", "orders:read", name="revoked")
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
    _, expired = core.pat("alice", "orders:read", name="expired", lifetime=AskedLifetime(expires_in=1))
    _, disabled = core.key(enabled=False)
    core.clock.advance(seconds=1)
    for token in (revoked, expired, disabled):
        with pytest.raises(InvalidRequest):
            core.exchange(token)


def test_scope_and_resource_narrow(core: Core, pat: str) -> None:
    both = contents(core.exchange(pat))
    assert both["aud"] == [ORDERS, STOCK] and both["scope"] == "orders:read orders:write stock:read"
    one = contents(core.exchange(pat, None, ORDERS))
    assert (one["aud"], one["scope"], one["exp"] - one["iat"]) == (ORDERS, "orders:read orders:write", 3600)
    inferred = contents(core.exchange(pat, "stock:read"))
    assert (inferred["aud"], inferred["scope"], inferred["exp"] - inferred["iat"]) == (STOCK, "stock:read", 600)
    named = contents(core.exchange(pat, "stock:read", ORDERS, STOCK))
    assert (named["aud"], named["scope"]) == ([ORDERS, STOCK], "stock:read")
    assert contents(core.exchange(pat, "  ", ORDERS, ORDERS))["aud"] == ORDERS


def test_more_than_the_subject_token_gives_is_refused(core: Core) -> None:
    _, token = core.pat("alice", "orders:read")
    with pytest.raises(InvalidScope, match="orders:write"):
        core.exchange(token, "orders:read orders:write")
    with pytest.raises(InvalidScope):
        core.exchange(token, 'a"b')
    for resource in (STOCK, "https://nowhere.example", ""):
        with pytest.raises(InvalidTarget):
            core.exchange(token, None, resource)
    core.drop_permission("orders:read")
    with pytest.raises(InvalidScope):
        core.exchange(token, "orders:read")
    assert contents(core.exchange(token))["scope"] == ""
    core.delete(ORDERS)
    with pytest.raises(InvalidTarget):
        core.exchange(token)


def test_the_jwt_follows_live_rbac_within_what_it_was_given(core: Core, pat: str) -> None:
    narrow = core.exchange(pat, "orders:read")
    assert core.scope(narrow) == "orders:read"
    core.drop_permission("orders:write")
    assert core.scope(narrow) == "orders:read"
    core.assign("alice")
    assert core.scope(narrow) == ""


@pytest.mark.parametrize("left", [1, 59, 599])
def test_it_never_outlives_its_subject_token(core: Core, left: int) -> None:
    _, pat = core.pat("alice", "stock:read", lifetime=AskedLifetime(expires_in=1000))
    _, key = core.key(expires_at=START + timedelta(seconds=1000))
    core.clock.advance(seconds=1000 - left)
    for token in (pat, key):
        issued = core.actions.exchange_token(token, ACCESS_TOKEN, None, [], None, None)
        claims = contents(issued.token)
        assert claims["exp"] <= (START + timedelta(seconds=1000)).timestamp()
        assert issued.expires_in == claims["exp"] - claims["iat"] == left
        ends = core.verified(token).expires_at
        assert ends is not None and (core.verified(issued.token).expires_at or ends + timedelta(1)) <= ends


def test_in_its_last_second_a_subject_token_gives_none(core: Core) -> None:
    _, token = core.pat("alice", "stock:read", lifetime=AskedLifetime(expires_in=1000))
    core.clock.advance(seconds=999.5)
    assert core.active(token)
    with pytest.raises(InvalidRequest):
        core.exchange(token)


@pytest.mark.contract("exchange: never outlives its subject token")
def test_it_never_outlives_the_overlap_of_its_secret(core: Core) -> None:
    view, old = core.key()
    before = core.exchange(old)
    core.actions.api_keys.rotate(OPERATOR, view.id, 60)
    within = core.exchange(old)
    assert contents(within)["exp"] == int((START + timedelta(seconds=60)).timestamp())
    core.clock.now = START + timedelta(seconds=59)
    assert core.active(before) and core.active(within)
    core.clock.now = START + timedelta(seconds=60)
    assert not core.active(before) and not core.active(within)


def test_it_dies_when_the_pat_is_regenerated(core: Core) -> None:
    view, token = core.pat("alice", "orders:read")
    exchanged = core.exchange(token)
    _, renewed = core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), view.id)
    assert not core.active(exchanged)
    assert core.active(core.exchange(renewed.token))


def test_it_dies_when_the_pat_is_revoked_or_its_user_disabled_or_deleted(core: Core) -> None:
    view, token = core.pat("alice", "orders:read")
    exchanged = core.exchange(token)
    core.enable("alice", False)
    assert not core.active(exchanged)
    core.enable("alice", True)
    assert core.active(exchanged)
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id("alice"), view.id)
    assert not core.active(exchanged)
    _, other = core.pat("alice", "orders:read", name="other")
    exchanged = core.exchange(other)
    core.delete("alice")
    assert not core.active(exchanged)


def test_it_dies_when_the_key_is_rotated_disabled_or_revoked(core: Core) -> None:
    view, token = core.key()
    exchanged = core.exchange(token)
    core.actions.api_keys.change(OPERATOR, view.id, KeyChanges(enabled=False))
    assert not core.active(exchanged)
    core.actions.api_keys.change(OPERATOR, view.id, KeyChanges(enabled=True))
    assert core.active(exchanged)
    _, renewed = core.actions.api_keys.rotate(OPERATOR, view.id, 0)
    assert not core.active(exchanged)
    exchanged = core.exchange(renewed.token)
    core.actions.api_keys.revoke(OPERATOR, view.id)
    assert not core.active(exchanged)


def test_it_dies_with_the_client_that_exchanged_it(core: Core, pat: str) -> None:
    mine, open_one = core.exchange(pat, client_id="robot"), core.exchange(pat)
    core.enable("robot", False)
    assert not core.active(mine) and core.active(open_one)
    core.enable("robot", True)
    assert core.active(mine)
    core.delete("robot")
    assert not core.active(mine) and core.active(open_one)


def test_to_revoke_it_leaves_its_subject_token_alone(core: Core, pat: str) -> None:
    exchanged, other = core.exchange(pat), core.exchange(pat)
    core.actions.revoke_token(anonymous(None, None), exchanged, None)
    assert not core.active(exchanged) and core.active(pat) and core.active(other)


def test_a_key_is_exchanged_from_its_networks_only_and_its_jwt_is_held_to_them(core: Core) -> None:
    _, token = core.key(allowed_ips=("192.0.2.0/24",))
    for address in (None, ip_address("203.0.113.1"), ip_address("2001:db8::1")):
        with pytest.raises(InvalidRequest):
            core.exchange(token, address=address)
    exchanged = core.verified(core.exchange(token, address=ip_address("192.0.2.7")))
    assert exchanged.allows_address(ip_address("192.0.2.8"))
    assert not exchanged.allows_address(ip_address("203.0.113.1"))


def test_each_exchange_spends_the_keys_limit_and_so_does_its_jwt(core: Core) -> None:
    view, token = core.key(rate_limit=RateLimit(3, 60))
    exchanged = core.verified(core.exchange(token))
    window = core.actions.spend_key_limit(exchanged)
    assert window is not None and (window.admitted, window.remaining) == (True, 1)
    core.exchange(token)
    with pytest.raises(TooManyRequests) as refusal:
        core.exchange(token)
    assert 0 < refusal.value.retry_after <= 60
    window = core.actions.spend_key_limit(exchanged)
    assert window is not None and not window.admitted
    core.clock.advance(seconds=61)
    core.exchange(token)
    core.actions.usage.flush()
    assert core.actions.api_keys.get(view.id).last_used_at == core.clock()


def test_a_refused_exchange_spends_nothing(core: Core) -> None:
    _, token = core.key(rate_limit=RateLimit(1, 60))
    for scope, resource in (("orders:write", ORDERS), (None, STOCK)):
        with pytest.raises((InvalidScope, InvalidTarget)):
            core.exchange(token, scope, resource)
    core.exchange(token)


def test_a_credential_without_a_limit_has_no_window(core: Core, pat: str) -> None:
    assert core.actions.spend_key_limit(core.verified(pat)) is None
    assert core.actions.spend_key_limit(core.verified(core.key()[1])) is None
    assert core.actions.spend_key_limit(core.verified(core.m2m("robot", "orders:read"))) is None
