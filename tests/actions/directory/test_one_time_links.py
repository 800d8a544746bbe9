"""Links that work once: who may make them, whose password they set, and when they end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.access.scopes import Scopes
from app.actions.audit.actor import OPERATOR, Actor, anonymous
from app.actions.directory.one_time_links import NewLink, OneTimeLinks
from app.actions.directory.reset_requests import ResetRequests
from app.actions.directory.users import NewUser, UserChanges
from app.actions.sign_in.password_policy import PasswordPolicy
from app.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests, Unauthenticated
from app.models import AuditEvent, OneTimeLink, OutboxMessage, User
from tests.actions.directory.test_races import at_once, successes
from tests.core import Core

pytestmark = pytest.mark.both_databases
PASSWORD = "seventeen yellow umbrellas"
INVITATION, RESET = NewLink("invitation"), NewLink("reset")
ADDRESS = "192.0.2.7"


def with_mail(core: Core) -> OneTimeLinks:
    """Return the actions of a server that sends mail."""
    actions = core.actions
    settings = actions.settings.model_copy(update={"smtp_url": type(actions.settings.smtp_url)("smtp://mail.example")})
    return OneTimeLinks(core.store, actions.one_time_links._passwords, actions.abuse_limits, settings, core.clock)


def secret_of(url: str | None) -> str:
    assert url is not None and url.startswith("https://login.example/login/link#")
    return url.partition("#")[2]


def link_to(core: Core, username: str = "alice", new: NewLink = INVITATION) -> str:
    """Make a link and return its secret."""
    return secret_of(core.actions.one_time_links.create(OPERATOR, core.row_id(username), new).url)


def set_password(core: Core, secret: str) -> Actor:
    return core.actions.one_time_links.set_password(secret, PASSWORD, ADDRESS, "req-1")


def signs_in(core: Core, password: str = PASSWORD) -> bool:
    try:
        core.actions.authenticate_user("alice", password, ADDRESS, None)
    except Exception:
        return False
    return True


def give_address(core: Core, username: str, email: str) -> None:
    with core.store.transaction() as session:
        session.get_one(User, core.row_id(username)).email = email


def mailed(core: Core) -> list[str]:
    """Return the ids of the links that wait to be mailed."""
    with core.store.reading() as session:
        return [payload["link_id"] for payload in session.scalars(select(OutboxMessage.payload))]


def test_a_link_sets_the_password_once_and_ends_every_sign_in(core: Core) -> None:
    begun = core.actions.sessions.begin(Actor("user", core.row_id("alice"), "alice"), "Firefox")
    secret = link_to(core)
    assert core.actions.one_time_links.open(secret, ADDRESS).username == "alice"
    actor = set_password(core, secret)
    assert (actor.type, actor.name) == ("user", "alice") and signs_in(core)
    assert core.actions.sessions.use(begun.secret, ADDRESS, None) is None
    with pytest.raises(Invalid, match="unknown, used or expired"):
        set_password(core, secret)


def test_a_refused_password_leaves_the_link_valid(core: Core) -> None:
    secret = link_to(core)
    with pytest.raises(Invalid, match="must have 12"):
        core.actions.one_time_links.set_password(secret, "short", ADDRESS, None)
    assert set_password(core, secret).name == "alice"


def change(core: Core, **changes: Any) -> None:
    """Change alice as an operator does."""
    core.actions.users.change(OPERATOR, core.row_id("alice"), UserChanges(**changes))


def provision(core: Core, email: str) -> None:
    """Change alice's address as an organisation's directory does."""
    people = core.actions.provisioning.users
    people.change(OPERATOR, core.row_id("alice"), lambda one: replace(one.state, email=email), lambda _version: True)


ENDS: dict[str, Callable[[Core], object]] = {
    "an hour": lambda core: core.clock.advance(hours=1),
    "a newer link": lambda core: link_to(core, new=RESET),
    "a disabled user": lambda core: core.enable("alice", False),
    "a deleted user": lambda core: core.delete("alice"),
    "a new address": lambda core: change(core, email="other@example.org"),
    "a new address in the directory": lambda core: provision(core, "other@example.org"),
    "a new password": lambda core: change(core, password="nineteen green parasols"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_link_ends_with(core: Core, end: str) -> None:
    """A link that was mailed to a wrong address, or that was overtaken by another password, sets none any more."""
    give_address(core, "alice", "alice@example.org")
    secret = link_to(core)
    ENDS[end](core)
    with pytest.raises(Invalid):
        core.actions.one_time_links.open(secret, ADDRESS)
    with pytest.raises(Invalid):
        set_password(core, secret)


def test_a_change_that_ends_no_link_leaves_it(core: Core) -> None:
    secret = link_to(core)
    change(core, email="alice@example.org")  # the link was shown: there was no address to mail it to
    change(core, display_name="Alice", email="alice@example.org")
    assert set_password(core, secret).name == "alice"


@pytest.mark.parametrize("end", ["a new address", "a new password", "a disabled user", "a newer link"])
def test_a_link_that_ends_while_its_password_is_hashed_sets_none(
    core: Core, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_address(core, "alice", "alice@example.org")
    links, secret = core.actions.one_time_links, link_to(core)
    accept = links._passwords.accept

    def accept_late(password: str, *names: str | None) -> str:
        monkeypatch.undo()
        ENDS[end](core)
        return accept(password, *names)

    monkeypatch.setattr(links._passwords, "accept", accept_late)
    with pytest.raises(Invalid, match="unknown, used or expired"):
        set_password(core, secret)
    core.enable("alice", True)
    assert not signs_in(core)


def test_a_link_whose_user_is_deleted_while_it_is_used_is_refused(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    links, secret = core.actions.one_time_links, link_to(core)
    opened = links.open(secret, ADDRESS)
    core.delete("alice")
    monkeypatch.setattr(links, "open", lambda *_: opened)
    with pytest.raises(Invalid, match="unknown, used or expired"):
        set_password(core, secret)


def test_of_many_uses_at_once_one_sets_its_password(core: Core) -> None:
    secret, links = link_to(core), core.actions.one_time_links
    passwords = [f"{PASSWORD} {number}" for number in range(4)]

    def use(password: str) -> str:
        links.set_password(secret, password, ADDRESS, None)
        return password

    outcomes = at_once(*(lambda password=password: use(password) for password in passwords))
    [winner] = successes(outcomes)
    assert [signs_in(core, password) for password in passwords] == [password == winner for password in passwords]


def test_the_database_has_no_secret_of_a_link(core: Core) -> None:
    give_address(core, "alice", "alice@example.org")
    secret = link_to(core)
    made = with_mail(core).create(OPERATOR, core.row_id("alice"), RESET)
    url = core.actions.one_time_links.write_url(made.id)
    with core.store.reading() as session:
        rows = (
            session.execute(select(OneTimeLink.__table__)).all(),
            session.scalars(select(OutboxMessage.payload)).all(),
        )
    assert secret not in str(rows) and secret_of(url) not in str(rows) and secret not in repr(made)


def test_with_mail_the_link_is_sent_and_not_shown(core: Core) -> None:
    links = with_mail(core)
    shown = links.create(OPERATOR, core.row_id("alice"), INVITATION)
    assert shown.sent_to is None and shown.url  # there is no address
    give_address(core, "alice", "alice@example.org")
    sent = links.create(OPERATOR, core.row_id("alice"), INVITATION)
    assert (sent.sent_to, sent.url) == ("alice@example.org", None) and mailed(core) == [sent.id]
    assert set_password(core, secret_of(links.write_url(sent.id))).name == "alice"
    assert links.write_url(sent.id) is None  # a message that was delayed is not sent any more


def test_a_mailed_link_survives_a_change_of_the_secret_key(core: Core) -> None:
    give_address(core, "alice", "alice@example.org")
    made = with_mail(core).create(OPERATOR, core.row_id("alice"), RESET)
    settings, secret = core.actions.settings, type(core.actions.settings.secret_key)
    rotated = settings.model_copy(
        update={"secret_key": secret("n" * 40), "previous_secret_keys": (settings.secret_key,)}
    )
    after = OneTimeLinks(
        core.store, core.actions.one_time_links._passwords, core.actions.abuse_limits, rotated, core.clock
    )
    assert set_password(core, secret_of(after.write_url(made.id))).name == "alice"


def test_a_link_is_as_good_as_a_password_and_is_not_for_everybody(core: Core) -> None:
    create, alice = core.actions.one_time_links.create, core.row_id("alice")
    delegate = Actor("user", alice, "alice", delegated=True, management=Scopes.of("manage"))
    with pytest.raises(Forbidden):
        create(delegate, alice, RESET)
    core.resource("https://login.example/api/v1", "manage", "users:write")
    core.role("admins", "user", "manage")
    core.user("root", "admins")
    helpdesk = Actor("client", "helpdesk", "helpdesk", management=Scopes.of("users:write"))
    assert create(helpdesk, alice, RESET).url
    with pytest.raises(Forbidden, match="more than the caller"):
        create(helpdesk, core.row_id("root"), RESET)
    with pytest.raises(NotFound):
        create(OPERATOR, "usr_nobody", RESET)
    core.enable("alice", False)
    with pytest.raises(Conflict):
        create(OPERATOR, alice, RESET)


@pytest.mark.parametrize(
    ("name", "found"),
    [("alice", True), ("ALICE", True), ("Alice@Example.org", True), ("nobody", False), ("\0", False), ("", False)],
)
def test_a_user_asks_by_username_or_address(core: Core, name: str, found: bool) -> None:
    give_address(core, "alice", "alice@example.org")
    with_mail(core).request_reset(name, ADDRESS, None)
    assert bool(mailed(core)) is found


def test_the_address_of_one_user_as_the_username_of_another_reaches_its_owner(core: Core) -> None:
    give_address(core, "alice", "alice@example.org")
    core.user("alice@example.org")
    give_address(core, "alice@example.org", "mallory@example.org")
    with_mail(core).request_reset("alice@example.org", ADDRESS, None)
    with core.store.reading() as session:
        assert session.scalars(select(OutboxMessage.recipient)).all() == [core.row_id("alice")]


def test_a_name_gets_five_messages_an_hour_and_an_address_asks_twenty_times(core: Core) -> None:
    give_address(core, "alice", "alice@example.org")
    links = with_mail(core)
    requests = ResetRequests(links)
    for _ in range(20):
        requests.submit("alice", ADDRESS, None)
    with pytest.raises(TooManyRequests):
        requests.submit("somebody else", ADDRESS, None)
    requests.wait()
    assert len(mailed(core)) == 5


def test_a_request_that_fails_is_logged_and_the_next_one_is_served(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    links = with_mail(core)
    requests, real = ResetRequests(links), links.request_reset
    give_address(core, "alice", "alice@example.org")
    links.request_reset = lambda *_: 1 / 0  # type: ignore[method-assign, assignment]
    requests.submit("alice", ADDRESS, None)
    requests.wait()
    links.request_reset = real  # type: ignore[method-assign]
    requests.submit("alice", ADDRESS, None)
    requests.wait()
    assert "a request for a link failed" in caplog.text and len(mailed(core)) == 1


def test_guesses_of_links_are_limited(core: Core) -> None:
    for _ in range(60):
        with pytest.raises(Invalid):
            core.actions.one_time_links.open("x" * 43, ADDRESS)
    with pytest.raises(TooManyRequests):
        core.actions.one_time_links.open("x" * 43, ADDRESS)
    assert core.actions.one_time_links.open(link_to(core), ADDRESS).username == "alice"


def test_ended_links_are_deleted_as_others_are_made(core: Core) -> None:
    link_to(core)
    with core.store.transaction() as session:
        session.execute(update(OneTimeLink).values(expires_at=core.clock() - timedelta(seconds=1)))
    core.user("bob")
    link_to(core, "bob")
    with core.store.reading() as session:
        assert len(session.scalars(select(OneTimeLink)).all()) == 1


def test_the_events_name_who_asked(core: Core) -> None:
    secret = link_to(core)
    set_password(core, secret)
    give_address(core, "alice", "alice@example.org")
    with_mail(core).request_reset("alice", ADDRESS, "req-9")
    with core.store.reading() as session:
        by_action = {event.action: event for event in session.scalars(select(AuditEvent))}
    assert {"user.invite", "user.reset", "user.update"} <= by_action.keys()
    assert by_action["user.invite"].actor == OPERATOR.id
    assert by_action["user.update"].actor == core.row_id("alice")
    assert by_action["user.reset"].actor == anonymous(None, None).id and by_action["user.reset"].address == ADDRESS


@pytest.mark.parametrize(("setting", "allowed"), [("on", True), ("administrators", False), ("off", False)])
def test_a_user_who_may_not_use_a_password_gets_no_link(core: Core, setting: str, allowed: bool) -> None:
    secret, links = link_to(core), core.actions.one_time_links
    links._policy = PasswordPolicy(setting, core.actions.settings.management_identifier)  # type: ignore[arg-type]
    if allowed:
        assert links.open(secret, ADDRESS) and link_to(core)
    else:
        with pytest.raises(Invalid):
            links.open(secret, ADDRESS)
        with pytest.raises(Conflict, match="may not use a password"):
            links.create(OPERATOR, core.row_id("alice"), RESET)


@pytest.mark.asvs("6.4.1")
def test_a_generated_password_ends_after_seven_days_and_a_chosen_one_does_not(core: Core) -> None:
    def signs_in(password: str) -> bool:
        try:
            return bool(core.actions.authenticate_user("ann", password, ADDRESS, None))
        except Unauthenticated:
            return False

    generated, users = "k3VwN-generated-8hQz", core.actions.users
    user = users.create(OPERATOR, NewUser("ann", password=generated), generated=True)
    core._rows["ann"] = user.id
    core.clock.advance(days=7, seconds=-1)
    assert signs_in(generated)
    core.clock.advance(seconds=1)
    assert not signs_in(generated)
    set_password(core, link_to(core, "ann"))
    core.clock.advance(days=70)
    assert signs_in(PASSWORD)
    users.change(OPERATOR, user.id, UserChanges(password=generated))
    core.clock.advance(days=70)
    assert signs_in(generated)
