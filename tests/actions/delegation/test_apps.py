"""The apps of a user and their grants: listed, ended by the user and by an operator."""

from __future__ import annotations

import pytest

from app.access.scopes import Scopes
from app.actions.audit.actor import OPERATOR, Actor
from app.actions.insight.credentials import CredentialFilter
from app.errors import Forbidden, InvalidGrant, NotFound
from tests.actions.delegation.world import APP, AppWorld, build_world
from tests.core import Core

pytestmark = pytest.mark.both_databases


def test_a_user_sees_each_app_once_with_what_was_agreed(world: AppWorld) -> None:
    world.tokens("orders:read")
    world.tokens("stock:read")
    [app], cursor = world.core.actions.apps.page(world.user_id, 10)
    assert (app.client_id, app.scopes, app.grants, cursor) == (APP, ("orders:read", "stock:read"), 2, None)


def test_pages_go_on_by_a_cursor(world: AppWorld) -> None:
    world.tokens()
    world.tokens()
    [newest], cursor = world.core.actions.apps.grants(1)
    [oldest], end = world.core.actions.apps.grants(1, cursor)
    assert newest.id > oldest.id
    assert end is None


def test_ending_an_app_ends_grants_codes_and_consent(world: AppWorld) -> None:
    tokens, code = world.tokens(), world.code()
    world.core.actions.apps.end(world.user, world.user_id, world.app.row_id)
    assert world.verify(tokens) is None
    with pytest.raises(InvalidGrant):
        world.refresh(tokens.refresh_token)
    with pytest.raises(InvalidGrant):
        world.redeem(code)
    assert world.ask().needed
    assert world.core.actions.apps.page(world.user_id, 10) == ([], None)
    with pytest.raises(NotFound):
        world.core.actions.apps.end(world.user, world.user_id, world.app.row_id)


def test_an_operator_ends_one_grant(world: AppWorld) -> None:
    first, second = world.tokens(), world.tokens()
    world.core.actions.apps.end_grant(OPERATOR, first.grant_id, world.app.row_id)
    assert world.verify(first) is None
    assert world.verify(second) is not None
    assert world.core.actions.apps.grant(first.grant_id).status == "revoked"
    with pytest.raises(NotFound):
        world.core.actions.apps.end_grant(OPERATOR, second.grant_id, "cli_other")


def test_grants_are_among_all_credentials_and_revoked_with_many(world: AppWorld) -> None:
    tokens = world.tokens()
    listed, _ = world.core.actions.credentials.page(CredentialFilter(kind="oauth_token"), 10)
    assert [(one.id, one.owner_name, one.scopes) for one in listed] == [(tokens.grant_id, "ann", ("orders:read",))]
    assert world.core.actions.revoke_many(OPERATOR, [tokens.grant_id]) == 1
    assert world.verify(tokens) is None


def test_a_leaked_refresh_token_ends_its_grant(world: AppWorld) -> None:
    tokens = world.tokens()
    assert world.core.actions.report_leak(Actor("anonymous", "anonymous"), [str(tokens.refresh_token)]) == 1
    assert world.verify(tokens) is None


def test_a_client_revokes_an_access_token_alone_and_a_refresh_token_with_its_grant(world: AppWorld) -> None:
    """RFC 7009 §2.1."""
    first = world.tokens()
    second = world.refresh(first.refresh_token)
    world.core.actions.revoke_token(world.caller, first.access.token, APP)
    assert world.verify(first) is None
    assert world.verify(second) is not None
    with pytest.raises(InvalidGrant):
        world.core.actions.revoke_token(world.caller, str(second.refresh_token), "other")
    world.core.actions.revoke_token(world.caller, str(second.refresh_token), APP)
    assert world.verify(second) is None


def test_only_so_many_grants_of_an_app_live(world: AppWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.delegation.app_tokens.MOST_GRANTS", 2)
    first, second, third = world.tokens(), world.tokens(), world.tokens()
    assert [world.verify(tokens) is not None for tokens in (first, second, third)] == [False, True, True]


def test_inspection_says_whose_a_refresh_token_is_and_why_it_is_not_active(world: AppWorld) -> None:
    first = world.tokens()
    found = world.core.actions.inspect(str(first.refresh_token))
    assert (found.status, found.owner_name, found.name, found.id) == ("active", "ann", APP, first.grant_id)
    world.refresh(first.refresh_token)
    assert world.core.actions.inspect(str(first.refresh_token)).status == "superseded"
    assert world.core.actions.inspect(first.access.token).owner_name == "ann"


def test_an_operator_ends_no_grant_that_carries_more_than_they_hold(empty_core: Core) -> None:
    world = build_world(empty_core, scopes=["manage"])
    management = empty_core.actions.settings.management_identifier
    empty_core.resource(management, "manage")
    empty_core.role("admin", "user", "manage")
    empty_core.assign("ann", "admin")
    tokens, lesser = world.tokens("manage"), Actor("client", "lesser", management=Scopes.of("tokens:write"))
    for attempt in (
        lambda: empty_core.actions.apps.end_grant(lesser, tokens.grant_id),
        lambda: empty_core.actions.apps.end(lesser, world.user_id, world.app.row_id),
        lambda: empty_core.actions.revoke_many(lesser, [tokens.grant_id]),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert world.verify(tokens) is not None
    empty_core.actions.apps.end(world.user, world.user_id, world.app.row_id)
    assert world.verify(tokens) is None
