"""Every issued token is accepted: one that would be too long for introspection is not issued."""

from collections.abc import Callable
from typing import Any

import pytest

from app.access.scopes import MAX_SCOPE_LENGTH
from app.credentials.kind import RateLimit
from app.crypto.access_token import MAX_TOKEN_LENGTH
from tests.oauth.wire import GRANT, Wire, refused

MANY = "https://many.example"
MakeWire = Callable[..., Wire]


def name(number: int) -> str:
    """Return a scope of the greatest length that there is."""
    return f"scope-{number:04}-".ljust(MAX_SCOPE_LENGTH, "x")


def many_scopes(wire: Wire, count: int) -> tuple[str, str]:
    """Make a resource of so many long scopes, a client, and the user `holder`, who have them all."""
    core, names = wire.core, [name(number) for number in range(count)]
    core.resource(MANY, public=names)
    core.role("much", "machine", *names)
    core.role("many", "user", *names)
    core.client("many", "much")
    core.user("holder", "many")
    return "many", core.client_secret("many")


def outcome(wire: Wire, answer: Any) -> str:
    """Assert that the token is active with all its scopes, or that the refusal says how to ask for less; say which."""
    if answer.status_code == 200:
        told = wire.introspect(answer.json["access_token"])
        assert told["active"] and told["scope"] == answer.json["scope"]
        return "issued"
    said = refused(answer, 400, "invalid_scope")
    assert str(MAX_TOKEN_LENGTH) in said and "parameter scope" in said
    return "refused"


@pytest.mark.contract("what is issued is accepted: a token that would be too long is `invalid_scope`")
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("count", [1, 20, 40, 58, 59, 60, 61, 62, 250])
def test_for_any_number_of_scopes_the_token_is_active_or_refused(own_wire: MakeWire, count: int) -> None:
    wire = own_wire()
    client, core = many_scopes(wire, count), wire.core
    pat, key = core.pat("holder", *(name(number) for number in range(count)))[1], core.key(MANY)[1]
    outcomes = {
        "client": outcome(wire, wire.post("token", GRANT, client)),
        "named": outcome(wire, wire.post("token", GRANT | {"resource": MANY}, client)),
        "pat": outcome(wire, wire.exchange(pat)),
        "key": outcome(wire, wire.exchange(key)),
        "acted": outcome(wire, wire.exchange(key, client)),
    }
    if count not in range(58, 63):  # near the limit their other claims decide
        assert set(outcomes.values()) == {"issued" if count < 58 else "refused"}
    assert outcome(wire, wire.post("token", GRANT | {"scope": name(0)}, client)) == "issued"
    assert outcome(wire, wire.exchange(pat, scope=name(0))) == "issued"


def test_a_refused_exchange_costs_a_key_none_of_its_limit(own_wire: MakeWire) -> None:
    wire = own_wire()
    many_scopes(wire, 100)
    key = wire.core.key(MANY, rate_limit=RateLimit(1, 60))[1]
    assert outcome(wire, wire.exchange(key)) == "refused"
    assert wire.exchange(key, scope=name(0)).status_code == 200
    refused(wire.exchange(key, scope=name(0)), 429, "temporarily_unavailable")
