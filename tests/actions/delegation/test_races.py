"""A client or a user that is deleted at the same moment: everything of theirs ends, and no writer waits in a circle."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import func, select

from app.actions.audit.actor import OPERATOR
from app.actions.delegation.app_tokens import AppTokens
from app.errors import LatchkeyError
from app.models import AppGrant
from tests.actions.delegation.world import AppWorld
from tests.actions.directory.test_races import at_once

pytestmark = pytest.mark.both_databases


def allowed_device(world: AppWorld) -> str:
    """Return the code of a device that the user allowed."""
    codes = world.core.actions.devices.begin(world.caller, world.app, "orders:read", ())
    world.core.actions.devices.allow(world.user, codes.user_code, ["orders:read"])
    return codes.device_code


def deletions(world: AppWorld) -> dict[str, Callable[[], object]]:
    """Return what ends everything at once."""
    actions, client, user_id = world.core.actions, world.app, world.user_id
    return {
        "client": lambda: actions.clients.delete(OPERATOR, client.row_id),
        "user": lambda: actions.users.delete(OPERATOR, user_id),
    }


def writers(world: AppWorld) -> list[Callable[[], object]]:
    """Return what an app, a device and a user may do meanwhile, each on what was made before."""
    actions, app, caller = world.core.actions, world.app, world.caller
    code, used, device = world.code(), world.code(), allowed_device(world)
    world.redeem(used)
    tokens = [world.tokens().refresh_token or "" for _ in range(2)]
    return [
        *[lambda: actions.codes.redeem(caller, app, code)] * 3,
        lambda: actions.codes.redeem(caller, app, used),
        *[lambda token=token: actions.refresh(caller, app, token) for token in tokens],
        lambda: actions.devices.poll(caller, app, device),
        lambda: actions.apps.end(world.user, world.user_id, app.row_id),
    ]


@pytest.mark.contract("a delegated token names user and app, and carries what was agreed to and the roles give now")
@pytest.mark.parametrize("deleted", ["client", "user"])
@pytest.mark.parametrize("number", range(3))
def test_what_is_deleted_meanwhile_refuses_or_is_ended_with_all_that_came_of_it(
    world: AppWorld, deleted: str, number: int
) -> None:
    works = writers(world)
    works.insert(number * 3, deletions(world)[deleted])
    outcomes = at_once(*works)
    assert not isinstance(outcomes[number * 3], LatchkeyError)
    issued = [tokens for tokens in outcomes if isinstance(tokens, AppTokens)]
    assert [world.verify(tokens) for tokens in issued] == [None] * len(issued)


@pytest.mark.parametrize("number", range(6))
def test_credentials_of_a_deleted_user_are_revoked_meanwhile_without_waiting_in_a_circle(
    world: AppWorld, number: int
) -> None:
    core, actions = world.core, world.core.actions
    for name in "abcdefghij":
        core.pat("ann", "orders:read", name=name)
        world.tokens()
    grants, _ = actions.apps.grants(50, user_id=world.user_id)
    tokens, _ = actions.personal_access_tokens.page(world.user_id, 50)
    ids = [*(grant.id for grant in grants), *(token.id for token in tokens)]
    assert len(ids) > 15

    def revoke(some: list[str]) -> object:
        return actions.revoke_many(OPERATOR, some)

    orders = (ids, ids[::-1], ids[number:])
    works: list[Callable[[], object]] = [partial(revoke, order) for order in orders]
    works.insert(number % 4, deletions(world)["client" if number % 2 else "user"])
    outcomes = at_once(*works)
    assert not isinstance(outcomes[number % 4], LatchkeyError)
    with core.store.reading() as session:
        assert not session.scalar(select(func.count()).select_from(AppGrant))
