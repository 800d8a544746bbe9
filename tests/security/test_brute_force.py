"""Guesses at passwords and client secrets are limited; valid passwords, secrets and tokens are not."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.actions.limits.abuse import (
    CLIENT,
    CLIENTS_OF_ADDRESS,
    CREDENTIALS_OF_ADDRESS,
    LEAK_REPORTS,
    PASSWORD,
    PASSWORDS_OF_ADDRESS,
    PASSWORDS_OF_USERNAME,
)
from app.actions.sign_in.passwords import Passwords
from app.models import SpentLimit
from tests.oauth.wire import ORDERS, keyed, refused
from tests.security.conftest import OwnSiege
from tests.security.siege import ATTACKER, GARBAGE, GUESS, HOME, OTHER, Siege, must_wait
from tests.security.siege import PASSWORD as RIGHT
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases

PROBLEM, JSON = "application/problem+json", "application/json"


def of_many(count: int) -> list[str]:
    """Return that many addresses."""
    return [f"100.64.0.{number + 1}" for number in range(count)]


def guess(siege: Siege, username: str, count: int, address: str = ATTACKER) -> set[int]:
    """Guess a password that often, at both nodes in turn."""
    return {siege.me(username, f"guess {n}", address, n % 2).status_code for n in range(count)}


# --- passwords


@pytest.mark.asvs("6.3.1")
@pytest.mark.contract("password guesses are limited by user, by address and by both, for a time")
@pytest.mark.parametrize("username", ["alice", "nobody-of-this-name"])
def test_one_name_from_one_address_waits_and_is_let_in_again(siege: Siege, username: str) -> None:
    assert guess(siege, username, PASSWORD.most) == {401}
    answers = [siege.me(username.upper(), RIGHT, node=node) for node in (0, 1)]
    assert all(must_wait(answer, PROBLEM, PASSWORD.window_seconds) for answer in answers)
    assert siege.me("bob", RIGHT).status_code == 200
    assert siege.me("alice", RIGHT, HOME).status_code == 200
    siege.pass_seconds(PASSWORD.window_seconds)
    assert siege.me(username, RIGHT).status_code == (200 if username == "alice" else 401)


@pytest.mark.asvs("6.3.1")
@pytest.mark.contract("password guesses are limited by user, by address and by both, for a time")
def test_a_limited_address_waits_for_every_name_except_users_who_signed_in_from_it(siege: Siege) -> None:
    assert siege.me("bob", RIGHT, ATTACKER).status_code == 200
    siege.spend(PASSWORDS_OF_ADDRESS.of(ATTACKER), but=6)
    assert {siege.me(f"name-{n}", "guess", node=n % 2).status_code for n in range(6)} == {401}
    for name in ("alice", "nobody"):
        assert must_wait(siege.me(name, RIGHT), PROBLEM, PASSWORDS_OF_ADDRESS.window_seconds)
    assert siege.me("bob", RIGHT, ATTACKER, node=1).status_code == 200
    assert siege.me("bob", "a typing error").status_code == 429, "as from an unknown address"
    assert siege.me("alice", RIGHT, HOME).status_code == 200
    siege.pass_seconds(PASSWORDS_OF_ADDRESS.window_seconds)
    assert siege.me("alice", RIGHT).status_code == 200


@pytest.mark.asvs("6.1.1")
@pytest.mark.contract(
    "password guesses are limited by user, by address and by both, for a time",
    "strangers cannot lock anybody out: tokens, keys and sessions keep working",
)
def test_a_name_guessed_at_from_everywhere_still_gets_in_from_where_it_did_before(siege: Siege) -> None:
    """No stranger keeps the owner out, and what the owner holds works all the while."""
    core = siege.wire.core
    assert siege.me("alice", RIGHT, HOME).status_code == 200
    pat, key, machine = (
        core.pat("alice", "orders:read")[1],
        core.key(scopes=["orders:list"])[1],
        core.m2m("robot", None, ORDERS),
    )
    browser = Visitor(siege.nodes[1])
    browser.sign_in("alice", RIGHT)
    siege.spend(PASSWORDS_OF_USERNAME.of("alice"), but=6)
    for address in of_many(6):
        assert siege.me("alice", "guess", address).status_code == 401
    for name in ("alice", "ALICE"):
        assert must_wait(siege.me(name, RIGHT, OTHER), PROBLEM, PASSWORDS_OF_USERNAME.window_seconds)
    assert siege.me("alice", RIGHT, HOME, node=1).status_code == 200
    assert siege.me("bob", RIGHT, OTHER).status_code == 200
    assert {siege.forward_auth(token, OTHER).status_code for token in (pat, key)} == {200}
    assert core.active(machine) and browser.get("/account").status_code == 200
    siege.pass_seconds(PASSWORDS_OF_USERNAME.window_seconds)
    assert siege.me("alice", RIGHT, OTHER).status_code == 200


@pytest.mark.contract("unknown names are limited as known ones are")
def test_a_name_that_nobody_has_is_limited_as_one_that_somebody_has(alone: Siege) -> None:
    alone.me("alice", RIGHT, HOME)
    told: dict[str, list[tuple[int, str]]] = {}
    for name in ("alice", "nobody"):
        alone.spend(PASSWORDS_OF_USERNAME.of(name), but=5)
        answers = [alone.me(name, "x", address) for address in of_many(6)]
        told[name] = [(answer.status_code, answer.text) for answer in answers]
    assert told["alice"] == told["nobody"] and told["alice"][-1][0] == 429


def test_a_known_address_is_kept_as_a_digest_and_forgotten_in_time(alone: Siege) -> None:
    known = "SELECT address_digest FROM known_address"
    for _ in range(2):
        alone.me("alice", RIGHT, HOME)
    assert HOME not in repr(alone.wire.core.database.execute(known))
    assert len(alone.wire.core.database.execute(known)) == 1
    alone.wire.core.clock.advance(days=91)
    alone.spend(PASSWORDS_OF_USERNAME.of("alice"))
    assert alone.me("alice", RIGHT, HOME).status_code == 429
    alone.me("bob", RIGHT, HOME)
    assert len(alone.wire.core.database.execute(known)) == 1


@pytest.mark.contract("password guesses are limited by user, by address and by both, for a time")
def test_two_attackers_have_a_count_each(siege: Siege) -> None:
    assert guess(siege, "alice", PASSWORD.most, ATTACKER) == {401}
    assert guess(siege, "alice", PASSWORD.most, OTHER) == {401}
    assert {siege.me("alice", RIGHT, a).status_code for a in (ATTACKER, OTHER)} == {429}
    assert siege.me("alice", RIGHT, HOME).status_code == 200


@pytest.mark.contract("a caller's address cannot be forged: `X-Forwarded-For`, IPv6, none at all")
def test_an_address_that_nobody_vouches_for_is_not_believed(alone: Siege) -> None:
    for number in range(PASSWORD.most):
        assert alone.me("alice", "guess", X_Forwarded_For=f"203.0.113.{number}").status_code == 401
    assert alone.me("alice", RIGHT, X_Forwarded_For="203.0.113.250").status_code == 429
    for number in range(PASSWORD.most):  # a proxy of ours adds the caller's address behind what the caller made up
        answer = alone.me("alice", "guess", "10.0.0.1", X_Forwarded_For=f"203.0.113.{number}, {OTHER}")
        assert answer.status_code == 401
    assert alone.me("alice", RIGHT, "10.0.0.1", X_Forwarded_For=OTHER).status_code == 429
    assert alone.me("alice", RIGHT, "10.0.0.1", X_Forwarded_For=HOME).status_code == 200


@pytest.mark.contract("a caller's address cannot be forged: `X-Forwarded-For`, IPv6, none at all")
def test_the_addresses_of_an_ipv6_network_count_together(siege: Siege) -> None:
    for number in range(PASSWORD.most):
        assert siege.me("alice", "guess", f"2001:db8:0:1:{number:x}::{number:x}").status_code == 401
    assert siege.me("alice", RIGHT, "2001:db8:0:1:ffff::1").status_code == 429
    assert siege.me("alice", RIGHT, "2001:db8:0:2::1").status_code == 200


@pytest.mark.contract("a caller's address cannot be forged: `X-Forwarded-For`, IPv6, none at all")
def test_callers_without_an_address_count_together(alone: Siege) -> None:
    assert guess(alone, "alice", PASSWORD.most, "") == {401}
    assert alone.me("alice", RIGHT, "").status_code == 429
    assert alone.me("alice", RIGHT, HOME).status_code == 200


@pytest.mark.asvs("6.3.1")
def test_the_form_and_the_change_of_a_password_count_as_well(alone: Siege) -> None:
    inside, outside = Visitor(alone.nodes[0]), Visitor(alone.nodes[1])
    assert inside.sign_in("alice", RIGHT).status_code == 303
    inside.get("/account")
    asked = {"present": "guess", "password": "another fine passphrase", "again": "another fine passphrase"}
    for _ in range(PASSWORD.most // 2):
        assert inside.post("/account/password", **asked).status_code == 422
        assert outside.sign_in("alice", "guess").status_code == 401
    for page in (outside.sign_in("alice", RIGHT), inside.post("/account/password", **asked)):
        assert must_wait(page, "text/html; charset=utf-8", PASSWORD.window_seconds)
    assert inside.get("/account").status_code == 200


@pytest.mark.contract("strangers cannot lock anybody out: tokens, keys and sessions keep working")
def test_a_session_changes_its_password_while_strangers_guess(alone: Siege) -> None:
    inside = Visitor(alone.nodes[0])
    inside.sign_in("carol", RIGHT)
    alone.wire.core.database.execute("DELETE FROM known_address")
    alone.spend(PASSWORDS_OF_USERNAME.of("carol"))
    assert alone.me("carol", RIGHT, OTHER).status_code == 429
    inside.get("/account")
    new = "another fine passphrase"
    assert inside.post("/account/password", present=RIGHT, password=new, again=new).status_code == 303


@pytest.mark.contract("password guesses are limited by user, by address and by both, for a time")
def test_no_more_than_the_limit_and_one_a_thread_are_hashed(alone: Siege, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, hashed = 30, []
    verify, at_once, most = Passwords.verify, threading.BoundedSemaphore(threads), PASSWORD.most

    def count_verify(self: Passwords, kept: str | None, password: str) -> bool:
        with at_once:
            hashed.append(password)
            return verify(self, kept, password)

    monkeypatch.setattr(Passwords, "verify", count_verify)
    apps = [node.application for node in alone.nodes]

    def guess(number: int) -> int:
        base = {"REMOTE_ADDR": ATTACKER}
        asked = apps[number % 2].test_client().get("/api/v1/me", auth=("alice", f"guess {number}"), environ_base=base)
        return asked.status_code

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(guess, range(150)))
    assert set(answers) == {401, 429}
    assert most <= len(hashed) <= most + threads and len(hashed) == answers.count(401)


@pytest.mark.asvs("16.3.3")
@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_a_spent_limit_leaves_one_event_and_then_none(siege: Siege) -> None:
    guess(siege, "alice", PASSWORD.most + 10)
    assert len(siege.traces("authentication.fail")) == PASSWORD.most
    (event,) = siege.traces("authentication.limited")
    assert (event.target, event.address) == (siege.wire.core.row_id("alice"), ATTACKER)


# --- clients


@pytest.mark.asvs("6.3.1")
@pytest.mark.contract("a client's failures are limited, its right secret passes, no keys are fetched for a guesser")
@pytest.mark.spec("RFC 6749 §2.3.1")
@pytest.mark.parametrize("client_id", ["robot", "no-such-client"])
def test_guesses_at_a_client_are_limited_and_its_secret_passes(siege: Siege, client_id: str) -> None:
    """RFC 6749 §2.3.1: the server must protect any endpoint that takes a client's password against brute force."""
    endpoints = ("token", "introspect", "revoke")
    for number in range(CLIENT.most):
        answer = siege.token((client_id, GUESS), node=number % 2, endpoint=endpoints[number % 3])
        refused(answer, 401, "invalid_client")
    for endpoint in endpoints:
        answer = siege.token((client_id, GUESS), endpoint=endpoint)
        refused(answer, 429, "temporarily_unavailable")
        assert must_wait(answer, JSON, CLIENT.window_seconds)
        assert siege.token(siege.wire.robot, endpoint=endpoint).status_code == 200
    refused(siege.token(("shop", GUESS)), 401, "invalid_client")
    refused(siege.token((client_id, GUESS), OTHER), 401, "invalid_client")
    siege.pass_seconds(CLIENT.window_seconds)
    refused(siege.token((client_id, GUESS)), 401, "invalid_client")


@pytest.mark.contract("a client's failures are limited, its right secret passes, no keys are fetched for a guesser")
def test_an_address_is_limited_whatever_clients_it_makes_up(siege: Siege) -> None:
    siege.spend(CLIENTS_OF_ADDRESS.of(ATTACKER), but=6)
    for number in range(6):
        refused(siege.token((f"client-{number}", GUESS), node=number % 2), 401, "invalid_client")
    for client_id in ("robot", "no-such-client"):
        refused(siege.token((client_id, GUESS)), 429, "temporarily_unavailable")
    assert siege.token(siege.wire.robot).status_code == 200
    refused(siege.token(("robot", GUESS), OTHER), 401, "invalid_client")


@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_failures_beyond_the_limit_leave_no_trace(alone: Siege) -> None:
    for _ in range(CLIENT.most + 10):
        alone.token(("robot", GUESS))
    assert len(alone.traces("authentication.fail")) == CLIENT.most
    assert [event.target for event in alone.traces("authentication.limited")] == ["robot"]


@pytest.mark.contract("a client's failures are limited, its right secret passes, no keys are fetched for a guesser")
@pytest.mark.spec("RFC 7523 §3")
def test_assertions_count_and_beyond_the_limit_no_keys_are_fetched(
    alone: Siege, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, fetched = alone.wire, []
    keyed(wire.core, "fetching", jwks_uri="https://client.example/keys")
    fetch = wire.core.actions.fetch_jwks
    monkeypatch.setattr(type(fetch), "_fetch", lambda self, uri: fetched.append(uri))
    forged = wire.assertion(iss="fetching", sub="fetching")
    for _ in range(CLIENT.most):
        refused(alone.asserted(forged), 401, "invalid_client")
    assert len(fetched) == 1
    fetch._cache.clear()
    refused(alone.asserted(forged), 429, "temporarily_unavailable")
    assert len(fetched) == 1
    refused(alone.asserted(forged, OTHER), 401, "invalid_client")
    assert len(fetched) == 2
    assert alone.asserted(wire.assertion()).status_code == 200


# --- both


@pytest.mark.asvs("6.1.1")
def test_the_numbers_are_what_they_are_said_to_be(alone: Siege) -> None:
    """The table counts what really happens, request by request."""
    for number in range(PASSWORDS_OF_ADDRESS.most):
        assert alone.me(f"name-{number}", "guess").status_code == 401
    assert alone.me("alice", RIGHT).status_code == 429


def test_off_means_off(own_siege: OwnSiege) -> None:
    siege = own_siege(rate_limits="off")
    assert guess(siege, "alice", PASSWORD.most + 5) == {401}
    assert {siege.token(("robot", GUESS)).status_code for _ in range(CLIENT.most + 5)} == {401}
    assert {siege.forward_auth(GARBAGE).status_code for _ in range(CREDENTIALS_OF_ADDRESS.most + 5)} == {401}
    assert {siege.report().status_code for _ in range(LEAK_REPORTS.most + 5)} == {202}
    assert siege.traces("authentication.limited") == [] and siege.wire.core.count(SpentLimit) == 0


@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_what_is_kept_names_nobody(alone: Siege) -> None:
    alone.me("alice", "guess", "192.0.2.123")
    alone.token(("robot", GUESS), "192.0.2.123")
    kept = [str(key) for (key,) in alone.wire.core.database.execute("SELECT key FROM spent_limit")]
    assert len(kept) == 5 and not any(name in key for key in kept for name in ("alice", "robot", "192.0.2.123"))
    assert all(re.search(r"abuse:[a-z-]+:[0-9a-f]{64}/", key) for key in kept)


@pytest.mark.contract("limits are held without Redis, with it, and while it is away")
def test_while_redis_is_away_each_node_counts_alone(own_siege: OwnSiege) -> None:
    siege = own_siege(redis_url="redis://127.0.0.1:1/0")
    for node in (0, 1):
        assert {siege.me("alice", "guess", node=node).status_code for _ in range(PASSWORD.most)} == {401}
        assert siege.me("alice", RIGHT, node=node).status_code == 429
        assert siege.me("alice", RIGHT, HOME, node=node).status_code == 200
