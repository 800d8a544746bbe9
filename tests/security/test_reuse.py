"""A secret that was replaced is recognized wherever it is presented, is answered as a dead one, and is one event."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import cycle, islice
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.delegation.app_tokens import GRACE
from app.actions.tokens.refusals import Presented
from app.crypto.opaque import Prefix, mint
from app.crypto.replaced_secrets import KEPT, MOST
from app.models import ReplacedSecret, ReusedCredential
from tests.oauth.authorizing import register
from tests.oauth.wire import Wire
from tests.security.siege import Siege
from tests.security.test_tables_of_strangers import watch_writes

pytestmark = pytest.mark.both_databases

Present = Callable[[Wire, str], Any]
MakeWire = Callable[..., Wire]
OWN_HEADERS = ("X-Request-Id", "Date", "Content-Length")


@dataclass(frozen=True)
class Old:
    """A secret that was replaced, the credential that it belonged to, and a secret by which that goes on."""

    secret: str
    target: str
    id: str
    current: str


def regenerated(wire: Wire) -> Old:
    core = wire.core
    view, old = core.pat("alice", "orders:read", name=f"token {core.count(ReplacedSecret)}")
    _, new = core.actions.personal_access_tokens.regenerate(OPERATOR, core.row_id("alice"), view.id)
    return Old(old, "personal_access_token", view.id, new.token)


def rotated(wire: Wire) -> Old:
    view, old = wire.core.key()
    _, new = wire.core.actions.api_keys.rotate(OPERATOR, view.id, 60)
    wire.core.clock.advance(seconds=60)
    return Old(old, "api_key", view.id, new.token)


def deleted(wire: Wire) -> Old:
    core, client = wire.core, wire.core.row_id("robot")
    old = core.client_secret("robot")
    found = core.actions.inspect(old)
    core.actions.client_secrets.revoke(OPERATOR, client, str(found.id))
    return Old(old, "client_secret", str(found.id), core.client_secret("robot"))


def spent(wire: Wire) -> Old:
    core = wire.core
    if core.actions.authenticate_client.find("app").exists is False:
        register(wire, "app")
    first = core.delegate("alice", "app", "orders:read")
    client = core.actions.authenticate_client.find("app")
    second = core.actions.refresh(anonymous(None, None), client, str(first.refresh_token))
    core.clock.advance(seconds=GRACE.total_seconds())
    return Old(str(first.refresh_token), "grant", first.grant_id, second.access.token)


def at_introspection(wire: Wire, secret: str) -> Any:
    return wire.post("introspect", {"token": secret}, wire.shop)


def at_introspection_by_token(wire: Wire, secret: str) -> Any:
    return wire.post("introspect", {"token": secret}, wire.bearer)


def as_caller_of_introspection(wire: Wire, secret: str) -> Any:
    return wire.post("introspect", {"token": "x"}, secret)


def at_forward_auth(wire: Wire, secret: str) -> Any:
    return wire.ask(Authorization=f"Bearer {secret}")


def at_exchange(wire: Wire, secret: str) -> Any:
    return wire.exchange(secret)


def as_client(wire: Wire, secret: str) -> Any:
    return wire.token(("robot", secret))


def as_client_in_the_form(wire: Wire, secret: str) -> Any:
    return wire.token(client_id="robot", client_secret=secret)


def as_client_at_introspection(wire: Wire, secret: str) -> Any:
    return wire.post("introspect", {"token": "x"}, ("robot", secret))


def as_refresh_token(wire: Wire, secret: str) -> Any:
    return wire.post("token", {"grant_type": "refresh_token", "client_id": "app", "refresh_token": secret})


def at_management(wire: Wire, secret: str) -> Any:
    return wire.http.get("/api/v1/resources", headers={"Authorization": f"Bearer {secret}"})


def at_revocation(wire: Wire, secret: str) -> Any:
    return wire.revoke(secret)


KINDS = {"pat": regenerated, "api_key": rotated, "client_secret": deleted, "refresh_token": spent}
PREFIXES = {
    "pat": Prefix.PAT,
    "api_key": Prefix.API_KEY,
    "client_secret": Prefix.CLIENT_SECRET,
    "refresh_token": Prefix.REFRESH_TOKEN,
}
EVERYWHERE: tuple[Present, ...] = (
    *(at_introspection, at_introspection_by_token, as_caller_of_introspection, at_forward_auth, at_exchange),
    *(as_client, as_client_in_the_form, as_client_at_introspection, at_management, at_revocation),
)
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def wire(own_wire: MakeWire) -> Wire:
    made = own_wire()
    register(made, "app")
    return made


def comparable(response: Any) -> tuple[object, ...]:
    headers = {name: value for name, value in response.headers.items() if name not in OWN_HEADERS}
    return response.status_code, response.data, headers


def dead_of(kind: str, old: Old, wire: Wire, present: Present) -> str:
    """Return an invented secret; of a refresh token, whose client alone revokes it, one whose grant has ended."""
    if (kind, present) != ("refresh_token", at_revocation):
        return mint(PREFIXES[kind])
    assert wire.core.actions.inspect(old.secret).status == "revoked"
    return old.secret


@pytest.mark.contract("a replaced secret that is presented is an event, and is answered as any dead one")
@each_kind
def test_it_is_recognized_at_every_endpoint_and_answered_as_an_invented_one(wire: Wire, kind: str) -> None:
    places = [*EVERYWHERE, *([as_refresh_token] if kind == "refresh_token" else [])]
    for number, present in enumerate(places, start=1):
        old = KINDS[kind](wire)
        answer = comparable(present(wire, old.secret))
        assert answer == comparable(present(wire, dead_of(kind, old, wire, present))), present
        events = wire.core.trace("credential.reused")
        assert len(events) == number, present
        assert (events[-1].target_type, events[-1].target) == (old.target, old.id), present
        assert old.secret not in repr(vars(events[-1]))


@pytest.mark.contract("a replaced secret that is presented is an event, and is answered as any dead one")
@each_kind
def test_it_is_described_with_its_credential(wire: Wire, kind: str) -> None:
    old = KINDS[kind](wire)
    found = wire.core.actions.inspect(old.secret)
    assert (found.status, found.id) == ("revoked" if kind == "client_secret" else "superseded", old.id)
    assert (
        found.hint
        and found.hint.endswith(old.secret[-4:])
        and found.superseded_at == (wire.core.clock() if found.superseded_at else None)
    )


@pytest.mark.contract("REUSE: a replaced secret ends its credential, or is a notice alone")
@pytest.mark.parametrize("setting", ["", "notice", "revoke"])
@each_kind
def test_the_setting_says_what_ends(own_wire: MakeWire, kind: str, setting: str) -> None:
    wire = own_wire(reuse=setting)
    old = KINDS[kind](wire)
    at_forward_auth(wire, old.secret)
    [event] = wire.core.trace("credential.reused")
    ends = kind != "client_secret" and (setting == "revoke" or (not setting and kind == "refresh_token"))
    assert event.details["ended"] is ends
    goes_on = (
        wire.token(("robot", old.current)).status_code == 200
        if kind == "client_secret"
        else wire.core.active(old.current)
    )
    assert goes_on is not ends
    at_forward_auth(wire, old.secret)
    assert len(wire.core.trace("credential.reused")) == 1


@pytest.mark.contract("one event an hour for a credential, however often it is used and on however many nodes")
@each_kind
def test_a_thousand_uses_are_one_event_and_no_further_write(own_wire: MakeWire, kind: str) -> None:
    wire = own_wire(reuse="notice")
    old, look_up = KINDS[kind](wire), wire.core.actions.reuse.look_up
    look_up(anonymous("192.0.2.7", "r"), old.secret)
    with watch_writes() as written:
        for _ in range(1000):
            look_up(anonymous("192.0.2.7", "r"), old.secret)
        at_introspection(wire, old.secret), at_forward_auth(wire, old.secret), at_exchange(wire, old.secret)
        if kind == "refresh_token":
            as_refresh_token(wire, old.secret)
    assert not written
    [event] = wire.core.trace("credential.reused")
    assert event.address == "192.0.2.7"
    wire.core.clock.advance(minutes=60)
    look_up(anonymous(None, None), old.secret)
    assert len(wire.core.trace("credential.reused")) == 2
    assert wire.core.count(ReusedCredential) == 1


def test_what_is_unknown_or_live_or_malformed_costs_no_write(wire: Wire) -> None:
    live = wire.core.pat("alice", "orders:read")[1]
    with watch_writes() as written:
        for secret in (live, "", "x", "lk_pat_" + "0" * 38, wire.bearer, *(mint(prefix) for prefix in Prefix)):
            wire.core.actions.reuse.look_up(anonymous(None, None), secret)
    assert not written


@pytest.mark.contract("one event an hour for a credential, however often it is used and on however many nodes")
@each_kind
@pytest.mark.parametrize("setting", ["notice", "revoke"])
def test_two_nodes_that_see_it_at_once_record_one_event(
    own_siege: Callable[..., Siege], kind: str, setting: str
) -> None:
    siege = own_siege(rate_limits="off", reuse=setting)
    old = KINDS[kind](siege.wire)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda node: siege.forward_auth(old.secret, node=node).status_code, islice(cycle((0, 1)), 40))
        )
    assert set(answers) == {401}
    [event] = siege.wire.core.trace("credential.reused")
    assert event.details["ended"] is (setting == "revoke" and kind != "client_secret")


def test_a_client_that_reads_or_revokes_its_own_refresh_token_does_not_reuse_it(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app", method="client_secret_basic")
    auth, old = ("app", wire.core.client_secret("app")), spent(wire)
    assert wire.introspect(old.secret, auth) == {"active": False}
    assert wire.core.active(old.current) and not wire.core.trace("credential.reused")
    assert wire.revoke(old.secret, auth).status_code == 200
    assert not wire.core.active(old.current) and not wire.core.trace("credential.reused")


def test_another_client_that_presents_a_refresh_token_is_noted_and_ends_nothing(wire: Wire) -> None:
    old = spent(wire)
    register(wire, "other")
    form = {"grant_type": "refresh_token", "client_id": "other", "refresh_token": old.secret}
    assert wire.post("token", form).json["error"] == "invalid_grant"
    [event] = wire.core.trace("credential.reused")
    assert event.details["ended"] is False and event.actor == "other"
    assert wire.core.active(old.current)
    as_refresh_token(wire, old.secret)
    assert not wire.core.active(old.current)
    assert [event.details["ended"] for event in wire.core.trace("credential.reused")] == [False, True]


@pytest.mark.parametrize("kind", ["pat", "api_key", "refresh_token"])
def test_an_old_secret_of_what_was_revoked_adds_no_event(wire: Wire, kind: str) -> None:
    old = KINDS[kind](wire)
    wire.core.actions.known_credentials.revoke(OPERATOR, old.target, old.id)
    at_forward_auth(wire, old.secret)
    assert wire.core.actions.inspect(old.secret).status == "revoked"
    assert not wire.core.trace("credential.reused")


def test_a_secret_within_its_overlap_or_grace_is_not_reused(wire: Wire) -> None:
    core = wire.core
    view, old = core.key()
    core.actions.api_keys.rotate(OPERATOR, view.id, 60)
    assert at_forward_auth(wire, old).status_code == 200
    first = core.delegate("alice", "app", "orders:read")
    assert as_refresh_token(wire, str(first.refresh_token)).status_code == 200
    at_introspection(wire, str(first.refresh_token))
    assert as_refresh_token(wire, str(first.refresh_token)).status_code == 200
    assert not core.trace("credential.reused")


def test_the_replaced_secrets_of_a_token_are_bounded_in_number_and_age(wire: Wire) -> None:
    core, alice = wire.core, wire.core.row_id("alice")
    view, oldest = core.pat("alice", "orders:read")
    regenerate, secrets = core.actions.personal_access_tokens.regenerate, [oldest]
    for _ in range(MOST + 1):
        core.clock.advance(seconds=1)
        secrets.append(regenerate(OPERATOR, alice, view.id)[1].token)
    assert core.count(ReplacedSecret) == MOST
    states = [core.actions.inspect(secret).status for secret in secrets]
    assert states == ["unknown"] + ["superseded"] * MOST + ["active"]
    core.clock.advance(days=KEPT.days)
    regenerate(OPERATOR, alice, view.id)
    assert core.count(ReplacedSecret) == 1


def test_a_notice_is_given_in_the_transaction_of_the_event(wire: Wire) -> None:
    old, reuse, seen = rotated(wire), wire.core.actions.reuse, list[tuple[Any, ...]]()
    reuse._notify = lambda session, reused: seen.append((session.in_transaction(), reused))
    for _ in range(2):
        reuse.look_up(anonymous("192.0.2.7", None), old.secret)
    [(within, reused)] = seen
    assert within and (reused.credential.id, reused.address, reused.ended) == (old.id, "192.0.2.7", False)


def test_a_database_that_cannot_be_written_changes_no_answer(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    old = regenerated(wire)
    wire.core.database.execute("DROP TABLE reused_credential")
    assert comparable(at_forward_auth(wire, old.secret)) == comparable(at_forward_auth(wire, mint(Prefix.PAT)))
    assert not wire.core.trace("credential.reused")


def test_a_client_secret_is_recognized_whichever_client_is_named(wire: Wire) -> None:
    old = deleted(wire)
    wire.token(("nobody", old.secret))
    [event] = wire.core.trace("credential.reused")
    assert event.details["client"] == "robot"


def test_a_disabled_clients_secret_adds_no_event(wire: Wire) -> None:
    old = deleted(wire)
    wire.core.enable("robot", False)
    wire.token(("robot", old.secret))
    assert not wire.core.trace("credential.reused")


@each_kind
def test_an_observed_refusal_is_noted(wire: Wire, kind: str) -> None:
    old, actions = KINDS[kind](wire), wire.core.actions
    for token in (old.secret, old.current, mint(PREFIXES[kind]), "x"):
        presented = Presented(token, address=ip_address("192.0.2.7"), caller="shop")
        actions.reuse.note(presented, actions.refusals.note(presented))
    [event] = wire.core.trace("credential.reused")
    assert (event.target, event.address) == (old.id, "192.0.2.7")
