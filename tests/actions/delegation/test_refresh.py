"""Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): replaced each time; the use of a replaced one ends the grant."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.audit.read import AuditFilter
from app.actions.delegation.refresh_tokens import RefreshTokens
from app.actions.directory.clients import ClientChanges
from app.actions.directory.users import UserChanges
from app.crypto.confirmation import Confirmation
from app.errors import InvalidGrant, InvalidProof, InvalidScope, InvalidTarget
from app.models import RefreshToken
from tests.actions.delegation.world import APP, AppWorld, build_world
from tests.core import ORDERS, STOCK, Core

pytestmark = pytest.mark.both_databases

JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.contract("a refresh token is replaced each time, works for 10 s more, and after that ends its grant")
def test_a_refresh_gives_other_tokens_of_the_same_grant(world: AppWorld) -> None:
    first = world.tokens()
    second = world.refresh(first.refresh_token)
    assert second.grant_id == first.grant_id
    assert second.refresh_token != first.refresh_token
    assert world.verify(second) is not None


@pytest.mark.contract("a refresh token is replaced each time, works for 10 s more, and after that ends its grant")
def test_a_replaced_one_works_for_ten_seconds_more(world: AppWorld) -> None:
    first = world.tokens()
    second = world.refresh(first.refresh_token)
    world.core.clock.advance(seconds=9.9)
    third = world.refresh(first.refresh_token)
    assert third.grant_id == second.grant_id
    assert world.verify(world.refresh(second.refresh_token)) is not None


@pytest.mark.contract("a refresh token is replaced each time, works for 10 s more, and after that ends its grant")
def test_a_replaced_one_used_later_ends_the_grant(world: AppWorld) -> None:
    first = world.tokens()
    second = world.refresh(first.refresh_token)
    world.core.clock.advance(seconds=10)
    with pytest.raises(InvalidGrant):
        world.refresh(first.refresh_token)
    assert world.verify(second) is None
    with pytest.raises(InvalidGrant):
        world.refresh(second.refresh_token)
    events, _ = world.core.actions.audit.page(AuditFilter(), 10, None)
    assert any(event.action == "credential.reused" and event.target == first.grant_id for event in events)
    [app], _ = world.core.actions.apps.page(world.user_id, 10)
    assert (app.suspected_at, app.grants) == (world.core.clock(), 0)


def test_many_at_once_within_the_grace_stay_one_grant(world: AppWorld) -> None:
    first = world.tokens()
    with ThreadPoolExecutor(8) as pool:
        others = list(pool.map(lambda _: world.refresh(first.refresh_token), range(24)))
    assert {tokens.grant_id for tokens in others} == {first.grant_id}
    assert len({tokens.refresh_token for tokens in others}) == 24


@pytest.mark.asvs("10.4.8")
@pytest.mark.contract("REFRESH_TOKEN_LIFETIME unused, GRANT_LIFETIME at most")
def test_an_unused_one_ends_after_its_lifetime_and_a_grant_after_its_own(world: AppWorld) -> None:
    tokens = world.tokens()
    for _ in range(12):
        world.core.clock.advance(days=29.9)
        tokens = world.refresh(tokens.refresh_token)
    world.core.clock.advance(days=7)
    with pytest.raises(InvalidGrant):
        world.refresh(tokens.refresh_token)
    unused = world.tokens()
    world.core.clock.advance(days=30)
    with pytest.raises(InvalidGrant):
        world.refresh(unused.refresh_token)


def test_scope_and_resource_narrow_one_access_token(world: AppWorld) -> None:
    first = world.tokens("orders:read stock:read")
    narrow = world.refresh(first.refresh_token, resources=[STOCK])
    claims = world.verify(narrow)
    assert claims is not None
    assert claims.audience == (STOCK,)
    assert narrow.access.expires_in == 60
    again = world.verify(world.refresh(narrow.refresh_token))
    assert again is not None
    assert set(again.audience) == {ORDERS, STOCK}


def test_a_refused_request_does_not_replace_the_token(world: AppWorld) -> None:
    first = world.tokens()
    with pytest.raises(InvalidScope):
        world.refresh(first.refresh_token, scope="orders:write")
    with pytest.raises(InvalidTarget):
        world.refresh(first.refresh_token, resources=[STOCK])
    world.core.clock.advance(minutes=1)
    assert world.refresh(first.refresh_token).refresh_token


@pytest.mark.parametrize("token", ["", "x", "lk_ref_" + "0" * 38, "lk_pat_" + "0" * 38])
def test_what_is_not_a_refresh_token_is_refused(world: AppWorld, token: str) -> None:
    with pytest.raises(InvalidGrant):
        world.refresh(token)


def test_another_client_cannot_use_it(world: AppWorld) -> None:
    world.core.client("other", method="none", grant_types=["refresh_token"])
    other, tokens = world.core.actions.authenticate_client.find("other"), world.tokens()
    with pytest.raises(InvalidGrant):
        world.core.actions.refresh(world.caller, other, str(tokens.refresh_token))
    assert world.verify(tokens) is not None


def test_a_public_clients_refresh_token_is_bound_to_its_key(world: AppWorld) -> None:
    """RFC 9449 §5."""
    first = world.redeem(world.code(), confirmation=Confirmation(jkt=JKT))
    for confirmation in (Confirmation(), Confirmation(jkt="another")):
        with pytest.raises(InvalidProof):
            world.refresh(first.refresh_token, confirmation=confirmation)
    assert world.refresh(first.refresh_token, confirmation=Confirmation(jkt=JKT)).refresh_token


def test_a_confidential_clients_refresh_token_is_not(empty_core: Core) -> None:
    world = build_world(empty_core, method="client_secret_basic")
    first = world.redeem(world.code(), confirmation=Confirmation(jkt=JKT))
    assert world.refresh(first.refresh_token).refresh_token


@pytest.mark.contract("a delegated token names user and app, and carries what was agreed to and the roles give now")
def test_a_grant_ends_with_its_user_and_its_client(world: AppWorld) -> None:
    tokens = world.tokens()
    world.core.actions.users.change(OPERATOR, world.user_id, UserChanges(enabled=False))
    assert world.verify(tokens) is None
    with pytest.raises(InvalidGrant):
        world.refresh(tokens.refresh_token)
    world.core.actions.users.change(OPERATOR, world.user_id, UserChanges(enabled=True))
    world.core.actions.clients.change(OPERATOR, world.app.row_id, ClientChanges(enabled=False))
    assert world.verify(tokens) is None


@pytest.mark.contract("a delegated token names user and app, and carries what was agreed to and the roles give now")
def test_roles_taken_away_narrow_at_once_and_a_refresh_without_any_scope_is_refused(world: AppWorld) -> None:
    tokens = world.tokens()
    world.core.actions.users.change(OPERATOR, world.user_id, UserChanges(roles=()))
    claims = world.verify(tokens)
    assert claims is not None
    assert not claims.scopes
    with pytest.raises(InvalidScope):
        world.refresh(tokens.refresh_token)


def test_its_own_client_reads_it_and_nobody_else(world: AppWorld) -> None:
    """RFC 7662 §2.2."""
    tokens = world.tokens()
    introspect = world.core.actions.introspect_refresh_token
    seen = introspect(str(tokens.refresh_token), APP)
    assert isinstance(seen, dict)
    assert (seen["sub"], seen["username"], seen["client_id"]) == (world.user_id, "ann", APP)
    assert introspect(str(tokens.refresh_token), "other") is None
    world.refresh(tokens.refresh_token)
    assert introspect(str(tokens.refresh_token), APP) is None


def test_one_that_is_deleted_while_it_is_read_is_not_active(world: AppWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    token, describe = str(world.tokens().refresh_token), RefreshTokens.describe

    def describe_and_delete(*given: Any) -> Any:
        found = describe(*given)
        world.core.actions.users.delete(OPERATOR, world.user_id)
        return found

    monkeypatch.setattr(RefreshTokens, "describe", describe_and_delete)
    assert world.core.actions.introspect_refresh_token(token, APP) is None


def test_an_app_that_refreshes_without_end_keeps_a_bounded_number_of_rows(
    world: AppWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.actions.delegation.refresh.MOST_TOKENS", 3)
    tokens = world.tokens()
    for _ in range(6):
        world.core.clock.advance(seconds=1)
        tokens = world.refresh(tokens.refresh_token)
    assert world.core.count(RefreshToken) == 3
    assert world.refresh(tokens.refresh_token).refresh_token
