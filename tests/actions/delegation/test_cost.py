"""Signing the access token of a refresh costs what signing a token of a machine does: one ES256 signature."""

import time
from collections.abc import Callable
from datetime import timedelta

from app.access.scopes import Grants, Scopes
from app.credentials.kind import Subject, Terms
from app.credentials.m2m import MachineTokens
from app.credentials.oauth_token import OAuthTokens
from app.crypto.signing import SigningKeys
from tests.core import ISSUER, ORDERS, Core

ROUNDS = 40  # in turn, so that a slow moment of the machine meets both


def cheapest(*actions: Callable[[], object]) -> list[float]:
    """Return the least processor time of each action."""
    taken: list[list[float]] = [[] for _ in actions]
    for _ in range(ROUNDS):
        for action, times in zip(actions, taken, strict=True):
            began = time.thread_time()
            action()
            times.append(time.thread_time() - began)
    return [min(times) for times in taken]


def test_it_is_signed_within_twice_the_time_of_a_client_credentials_token(core: Core) -> None:
    settings, now = core.actions.settings, core.clock()
    keys = SigningKeys(settings.secret_key.get_secret_value())
    grants = Grants({ORDERS: Scopes.of("orders:read", "orders:write")})
    terms = Terms(at=now, expires_at=now + timedelta(hours=1), audience=(ORDERS,), grants=grants)
    machine, delegated = MachineTokens(keys, ISSUER), OAuthTokens(keys, ISSUER, settings.management_identifier)
    app = Subject(id="usr_a", client_id="app", grant_id="grt_a")
    with core.store.connection() as connection:
        of_machine, of_app = cheapest(
            lambda: machine.issue(connection, Subject("robot"), terms),
            lambda: delegated.issue(connection, app, terms),
        )
    assert of_app < 2 * of_machine, (of_app, of_machine)
