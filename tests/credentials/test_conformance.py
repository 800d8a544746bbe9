"""What every kind must do: verify by one look-up without a write, and recognize only its own tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from app.crypto.opaque import Prefix, mint
from tests.core import ORDERS, Core, contents
from tests.credentials.badge import issue_badge

pytestmark = pytest.mark.both_databases

KINDS = ["pat", "key", "m2m", "badge", "exchanged pat", "exchanged key"]


def issue(core: Core, kind: str) -> str:
    if kind == "m2m":
        return core.m2m("robot", "orders:read")
    if kind == "badge":
        return issue_badge(core).token
    token = core.pat("alice", "orders:read", name=kind)[1] if kind.endswith("pat") else core.key()[1]
    return core.exchange(token) if kind.startswith("exchanged") else token


@contextmanager
def statements(core: Core) -> Iterator[list[str]]:
    """Collect what this thread's kept connection executes."""
    seen: list[str] = []

    def note(*executed: Any) -> None:
        seen.append(executed[2])

    with core.store.connection() as connection:
        event.listen(connection, "before_cursor_execute", note)
    yield seen
    with core.store.connection() as connection:
        event.remove(connection, "before_cursor_execute", note)


@pytest.mark.parametrize(("kind", "most"), [("pat", 1), ("key", 1), ("m2m", 1), ("badge", 1), ("exchanged pat", 2)])
def test_verifying_asks_the_database_once_and_writes_nothing(core: Core, kind: str, most: int) -> None:
    token = issue(core, kind)
    assert core.active(token)  # the public key is cached now
    with statements(core) as seen:
        assert core.active(token)
    assert len(seen) == most and all(statement.startswith("SELECT") for statement in seen)


NO_CREDENTIAL = {
    "nothing": "",
    "a prefix alone": "lk_pat_",
    "long": "x" * 20_000,
    "dots": "a.b.c",
    "a null": "\x00",
    "a surrogate": "\ud800",
    "the wrong prefix": "lk_tok_" + mint(Prefix.PAT)[7:],
    "the wrong alphabet": mint(Prefix.PAT)[:-1] + "!",
    "the wrong length": mint(Prefix.API_KEY)[:-1],
    "the wrong check of a PAT": "lk_pat_" + "0" * 38,
    "the wrong check of a key": "lk_key_" + "0" * 38,
}


@pytest.mark.contract("a malformed secret is refused before any look-up")
@pytest.mark.parametrize("what", NO_CREDENTIAL)
def test_a_text_that_is_not_a_credential_never_reaches_the_database(core: Core, what: str) -> None:
    token = NO_CREDENTIAL[what]
    with statements(core) as seen:
        assert not core.active(token)
    assert seen == []


@pytest.mark.parametrize("prefix", Prefix)
def test_a_well_formed_stranger_is_not_active(core: Core, prefix: Prefix) -> None:
    assert not core.active(mint(prefix))


def test_a_client_secret_cannot_be_used_to_call_an_api(core: Core) -> None:
    assert not core.active(core.client_secret("robot"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_claim_is_missing_or_made_up(core: Core, kind: str) -> None:
    claims = core.verified(issue(core, kind))
    expected: dict[str, tuple[str | None, str | None, str | None]] = {
        "pat": (core.row_id("alice"), "alice", None),
        "exchanged pat": (core.row_id("alice"), "alice", None),
        "m2m": ("robot", None, "robot"),
        "key": (None, None, None),
        "badge": ("vera", None, None),
        "exchanged key": (None, None, None),
    }
    assert (claims.subject, claims.username, claims.client_id) == expected[kind]
    names = {"pat": "personal_access_token", "key": "api_key", "m2m": "client_credentials", "badge": "badge"}
    assert claims.kind == names[kind.removeprefix("exchanged ")]
    assert claims.exchanged is kind.startswith("exchanged")
    assert claims.audience == (ORDERS,)
    assert claims.issued_at <= core.clock()


@pytest.mark.contract("`iat` never ahead, integers, nothing null")
@pytest.mark.parametrize("kind", ["m2m", "badge", "exchanged pat", "exchanged key"])
@pytest.mark.spec("RFC 9068 §2.2")
def test_a_jwts_times_are_whole_seconds_and_never_ahead_of_the_clock(core: Core, kind: str) -> None:
    claims = contents(issue(core, kind))
    assert type(claims["iat"]) is int and type(claims["exp"]) is int
    assert claims["iat"] == int(core.clock().timestamp()) <= core.clock().timestamp()
    assert claims["exp"] == claims["iat"] + 3600
    assert None not in claims.values()


@pytest.mark.asvs("9.2.1")
@pytest.mark.parametrize("kind", ["m2m", "badge", "exchanged pat", "exchanged key"])
def test_a_jwt_ends_at_its_expiry_not_a_second_later(core: Core, kind: str) -> None:
    token = issue(core, kind)
    ends = core.verified(token).expires_at
    assert ends is not None
    core.clock.now = ends.replace(microsecond=0)
    core.clock.advance(microseconds=-1)
    assert core.active(token)
    core.clock.advance(microseconds=1)
    assert not core.active(token)


def test_every_token_has_an_id_of_its_own(core: Core) -> None:
    ids = [core.verified(core.m2m("robot", "orders:read")).credential_id for _ in range(3)]
    assert len(set(ids)) == 3
