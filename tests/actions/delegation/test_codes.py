"""Authorization codes (RFC 6749 §4.1.2, RFC 9700 §4.5): used once, bound, and ended by their replay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from app.actions.audit.actor import OPERATOR
from app.actions.delegation.app_tokens import AppTokens
from app.actions.directory.users import UserChanges
from app.errors import Invalid, InvalidGrant, InvalidScope, InvalidTarget
from app.models import Client
from tests.actions.delegation.world import AppWorld, build_world
from tests.core import ORDERS, STOCK, Core

pytestmark = pytest.mark.both_databases


@pytest.mark.contract("a delegated token names user and app, and carries what was agreed to and the roles give now")
def test_a_code_becomes_an_access_and_a_refresh_token_for_user_and_app(world: AppWorld) -> None:
    tokens = world.tokens("orders:read orders:write")
    claims = world.verify(tokens)
    assert claims is not None
    assert (claims.kind, claims.subject, claims.username, claims.client_id) == (
        "oauth_token",
        world.user_id,
        "ann",
        "app",
    )
    assert (str(claims.scopes), claims.audience) == ("orders:read orders:write", (ORDERS,))
    assert tokens.refresh_token is not None
    assert tokens.refresh_token.startswith("lk_ref_")
    assert tokens.access.expires_in == 3600


@pytest.mark.contract("each scope may be left out, and what was agreed to is asked again only for more")
def test_the_user_may_leave_a_scope_out(world: AppWorld) -> None:
    tokens = world.redeem(world.code("orders:read stock:read", leave_out="stock:read"))
    claims = world.verify(tokens)
    assert claims is not None
    assert (str(claims.scopes), claims.audience) == ("orders:read", (ORDERS,))


@pytest.mark.parametrize("chosen", [set(), {"stock:read"}, {"orders:read", "admin"}])
def test_an_answer_is_some_of_what_was_asked(world: AppWorld, chosen: set[str]) -> None:
    with pytest.raises(Invalid):
        world.core.actions.consents.agree(world.user, world.ask("orders:read orders:write"), chosen)


@pytest.mark.contract("each scope may be left out, and what was agreed to is asked again only for more")
def test_what_was_agreed_is_asked_again_only_for_more(world: AppWorld) -> None:
    assert world.ask().needed
    world.code()
    assert not world.ask().needed
    more = world.ask("orders:read orders:write")
    assert more.needed
    assert {one.name: one.agreed for one in more.scopes} == {"orders:read": True, "orders:write": False}


@pytest.mark.contract("a code: 60 s, once; a second use ends all that came of the first")
def test_the_second_use_is_refused_and_ends_the_grant(world: AppWorld) -> None:
    """RFC 6749 §4.1.2."""
    code = world.code()
    tokens = world.redeem(code)
    with pytest.raises(InvalidGrant):
        world.redeem(code)
    assert world.verify(tokens) is None
    with pytest.raises(InvalidGrant):
        world.refresh(tokens.refresh_token)


@pytest.mark.contract("a code: 60 s, once; a second use ends all that came of the first")
def test_of_fifty_at_once_one_wins_and_its_tokens_end_by_the_replays(world: AppWorld) -> None:
    """RFC 9700 §4.5."""
    code = world.code()

    def redeem(_: int) -> AppTokens | None:
        try:
            return world.redeem(code)
        except InvalidGrant:
            return None

    with ThreadPoolExecutor(10) as pool:
        won = [tokens for tokens in pool.map(redeem, range(50)) if tokens]
    assert len(won) == 1
    assert world.verify(won[0]) is None


@pytest.mark.contract("a code: 60 s, once; a second use ends all that came of the first")
def test_a_code_ends_after_a_minute(world: AppWorld) -> None:
    code = world.code()
    world.core.clock.advance(seconds=60)
    with pytest.raises(InvalidGrant):
        world.redeem(code)


def test_another_client_cannot_use_a_code_nor_end_its_grant(world: AppWorld) -> None:
    world.core.client("other", method="none", grant_types=["authorization_code"])
    other, code = world.core.actions.authenticate_client.find("other"), world.code()
    assert world.core.actions.codes.find(other, code) is None
    for _ in range(2):
        with pytest.raises(InvalidGrant):
            world.core.actions.codes.redeem(world.caller, other, code)
    assert world.verify(world.redeem(code)) is not None


def test_a_disabled_user_gets_nothing_by_an_old_code(world: AppWorld) -> None:
    code = world.code()
    world.core.actions.users.change(OPERATOR, world.user_id, UserChanges(enabled=False))
    with pytest.raises(InvalidGrant):
        world.redeem(code)


def test_a_token_request_narrows_resources_and_never_widens(world: AppWorld) -> None:
    """RFC 8707 §2.2."""
    claims = world.verify(world.redeem(world.code("orders:read stock:read"), resources=[STOCK]))
    assert claims is not None
    assert (claims.audience, str(claims.scopes)) == ((STOCK,), "stock:read")
    with pytest.raises(InvalidTarget):
        world.redeem(world.code("orders:read"), resources=[STOCK])
    with pytest.raises(InvalidScope):
        world.redeem(world.code("orders:read"), scope="orders:write")


@pytest.mark.parametrize(
    ("scope", "resources", "error"),
    [
        ("unknown", (), InvalidScope),
        ("orders:read", (STOCK,), InvalidScope),
        ("openid", (), InvalidScope),
        ("manage", (), InvalidScope),
        (None, (), InvalidTarget),
        (None, ("https://nowhere.example",), InvalidTarget),
    ],
)
def test_what_cannot_be_asked_is_refused(
    world: AppWorld, scope: str | None, resources: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.ask(scope, *resources)


def test_openid_is_left_out(world: AppWorld) -> None:
    assert [one.name for one in world.ask("openid orders:read").scopes] == ["orders:read"]


def test_a_ceiling_bounds_what_a_user_is_asked_and_what_tokens_carry(empty_core: Core) -> None:
    world = build_world(empty_core, scopes=["orders:read", "stock:read"])
    with pytest.raises(InvalidScope):
        world.ask("orders:write")
    tokens = world.tokens("orders:read stock:read")
    with empty_core.store.transaction() as session:
        session.execute(update(Client).values(scopes=["stock:read"]))
    claims = world.verify(tokens)
    assert claims is not None
    assert str(claims.scopes) == "stock:read"


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(empty_core: Core) -> None:
    world = build_world(empty_core, grant_types=["authorization_code"])
    assert world.tokens().refresh_token is None
