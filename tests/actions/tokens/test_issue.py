"""Client credentials: the scopes that the roles give, the requested scopes, and the audience."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access.scopes import Grants, Scopes
from app.actions.tokens.issue import AccessToken, choose
from app.errors import InvalidScope, InvalidTarget
from tests.core import ISSUER, ORDERS, STOCK, Core, contents

pytestmark = pytest.mark.both_databases

GIVEN = Grants.of([(ORDERS, "orders:read"), (ORDERS, "orders:write"), (STOCK, "stock:read")])
ONLY_ORDERS = GIVEN.on([ORDERS])
NAMES = ["orders:read", "orders:write", "stock:read", "other:scope"]
PLACES = [ORDERS, STOCK, "https://other.example"]
GRANTS = st.lists(st.sampled_from([(o, n) for o in PLACES for n in NAMES if n[:3] == o[-6:][:3] or o == PLACES[2]]))


@pytest.mark.spec("RFC 6749 §3.3")
def test_without_a_scope_all_that_the_roles_give_on_the_resource_is_granted() -> None:
    assert choose(GIVEN, None, [ORDERS]) == GIVEN.on([ORDERS])
    assert choose(GIVEN, None, [STOCK, ORDERS]) == GIVEN
    assert choose(ONLY_ORDERS, None, []) == ONLY_ORDERS


@pytest.mark.parametrize("scope", ["", " ", "   "])
def test_a_blank_scope_asks_for_nothing_in_particular(scope: str) -> None:
    assert choose(GIVEN, scope, [ORDERS]) == ONLY_ORDERS


def test_without_a_resource_it_is_inferred_from_the_scopes() -> None:
    assert choose(GIVEN, "stock:read", []) == GIVEN.on([STOCK])
    assert choose(GIVEN, "orders:read stock:read", []).audience == (ORDERS, STOCK)
    assert choose(GIVEN, "orders:read", []) == Grants({ORDERS: Scopes.of("orders:read")})


@pytest.mark.spec("RFC 8707 §2")
def test_with_neither_the_roles_must_reach_one_resource() -> None:
    with pytest.raises(InvalidTarget) as refusal:
        choose(GIVEN, None, [])
    assert ORDERS in str(refusal.value) and STOCK in str(refusal.value)


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("resources", [[], [ORDERS], [ORDERS, STOCK]])
def test_a_scope_the_roles_do_not_give_is_named(resources: list[str]) -> None:
    with pytest.raises(InvalidScope, match="orders:delete") as refusal:
        choose(GIVEN, "orders:delete orders:read", resources)
    assert "orders:read" not in str(refusal.value)


@pytest.mark.spec("RFC 8707 §2.2")
def test_a_scope_of_another_resource_is_named() -> None:
    with pytest.raises(InvalidScope, match="stock:read"):
        choose(GIVEN, "orders:read stock:read", [ORDERS])


@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.parametrize("resource", ["https://nowhere.example", ORDERS + "/", ORDERS.upper(), "", "orders:read"])
def test_an_unknown_resource_is_an_invalid_target(resource: str) -> None:
    for scope in (None, "orders:read", "no:such"):
        with pytest.raises(InvalidTarget):
            choose(GIVEN, scope, [ORDERS, resource])


def test_a_resource_where_the_roles_give_nothing_is_an_invalid_target() -> None:
    with pytest.raises(InvalidTarget):
        choose(ONLY_ORDERS, None, [STOCK])


@pytest.mark.parametrize("resources", [[], [ORDERS], ["https://nowhere.example"]])
def test_without_any_role_no_scope_can_be_given(resources: list[str]) -> None:
    for scope in (None, "orders:read"):
        with pytest.raises(InvalidScope):
            choose(Grants(), scope, resources)


@pytest.mark.parametrize("scope", ['orders:read"', "a\\b", "é", "a\tb", "\x00", "x" * 201])
def test_a_malformed_scope_is_an_invalid_scope(scope: str) -> None:
    with pytest.raises(InvalidScope) as refusal:
        choose(GIVEN, scope, [])
    assert str(refusal.value).isascii() and scope not in str(refusal.value)


def test_a_resource_that_was_named_stays_in_the_audience() -> None:
    chosen = choose(GIVEN, "stock:read", [ORDERS, STOCK])
    assert chosen.audience == (ORDERS, STOCK) and chosen.scopes == Scopes.of("stock:read")


def test_a_resource_named_twice_counts_once() -> None:
    assert choose(GIVEN, None, [ORDERS, ORDERS]) == ONLY_ORDERS


@settings(deadline=None, max_examples=200)
@given(
    given_=GRANTS.map(Grants.of),
    asked=st.none() | st.lists(st.sampled_from(NAMES)),
    resources=st.lists(st.sampled_from(PLACES), max_size=3),
)
def test_never_more_than_given_and_all_that_was_asked(
    given_: Grants, asked: list[str] | None, resources: list[str]
) -> None:
    try:
        chosen = choose(given_, None if asked is None else " ".join(asked), resources)
    except (InvalidScope, InvalidTarget):
        return
    assert chosen.audience
    assert set(chosen.audience) <= set(given_.audience)
    assert all(chosen.by_resource[i] <= given_.by_resource[i] for i in chosen.audience)
    assert not resources or set(chosen.audience) == set(resources)
    assert not asked or chosen.scopes == Scopes.of(*asked)


def issue(core: Core, scope: str | None = None, *resources: str) -> AccessToken:
    issue = core.actions.issue_machine_token
    return issue.sign(issue.decide(core.row_id("robot"), "robot", scope, resources))


@pytest.mark.spec("RFC 9068 §2.2")
def test_the_jwt_holds_these_claims_and_no_others(core: Core) -> None:
    issued = issue(core, "orders:write orders:read")
    iat = int(core.clock().timestamp())
    assert contents(issued.token) == {
        "status": {"status_list": {"idx": 0, "uri": f"{ISSUER}/status-lists/00001"}},
        "iss": ISSUER,
        "sub": "robot",
        "aud": ORDERS,
        "client_id": "robot",
        "scope": "orders:read orders:write",
        "iat": iat,
        "exp": iat + 3600,
        "jti": issued.credential_id,
        "credential_type": "client_credentials",
    }
    assert (issued.expires_in, issued.scopes) == (3600, Scopes.of("orders:read", "orders:write"))


@pytest.mark.spec("RFC 7519 §4.1.3")
def test_several_resources_make_an_array_and_the_shortest_lifetime(core: Core) -> None:
    several = issue(core, None, STOCK, ORDERS)
    assert contents(several.token)["aud"] in ([ORDERS, STOCK], [STOCK, ORDERS]) and several.expires_in == 600
    assert contents(issue(core, "stock:read").token)["aud"] == STOCK
    assert issue(core, None, ORDERS).expires_in == 3600
    assert issue(core, "stock:read orders:read").expires_in == 600


def test_the_granted_scope_is_what_is_verified(core: Core) -> None:
    issued = issue(core, "stock:read", ORDERS, STOCK)
    claims = core.verified(issued.token)
    assert claims.scopes == issued.scopes == Scopes.of("stock:read")
    assert set(claims.audience) == {ORDERS, STOCK}


def test_issuing_the_same_again_stores_nothing(core: Core) -> None:
    issue(core, "orders:read")
    before = core.database.dump()
    for _ in range(5):
        issue(core, "orders:read")
    assert core.database.dump() == before


def test_a_client_that_lost_its_roles_gets_nothing_more(core: Core) -> None:
    core.assign("robot")
    with pytest.raises(InvalidScope):
        issue(core, "orders:read")
