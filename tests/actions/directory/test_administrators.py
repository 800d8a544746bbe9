"""The last administrator cannot be removed, and a demoted one keeps no dormant scope of the management API."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from app.actions.audit.actor import MANAGE, OPERATOR
from app.actions.directory.clients import ClientChanges
from app.actions.directory.federated_credentials import NewFederatedCredential
from app.actions.directory.roles import RoleChanges
from app.actions.directory.users import UserChanges
from app.errors import Conflict, LatchkeyError
from app.maintenance.bootstrap import PERMISSIONS, Bootstrap
from app.models import AuditEvent, ClientSecret, Resource, Role, User
from tests.actions.directory.test_races import at_once, successes
from tests.core import ISSUER, ORDERS, Core

pytestmark = pytest.mark.both_databases

OWN = f"{ISSUER}/api/v1"
TRUST = NewFederatedCredential("ci", "https://ci.example", "repo:shop")
Act = Callable[[Core], object]


@pytest.fixture
def court(empty_core: Core) -> Core:
    """A server with one administrator of each type: the user `boss` and the client `chief`."""
    core = empty_core
    core.resource(OWN, *PERMISSIONS)
    with core.store.transaction() as session:
        session.execute(update(Resource).values(built_in=True))
    core.resource(ORDERS, "orders:read")
    core.role("users", "user", MANAGE)
    core.role("machines", "machine", MANAGE)
    core.role("readers", "user", "orders:read")
    core.user("boss", "users", "readers")
    give_password(core, "boss")
    core.client("chief", "machines")
    core.client_secret("chief")
    return core


def give_password(core: Core, name: str) -> None:
    with core.store.transaction() as session:
        session.get_one(User, core.row_id(name)).password_digest = "a digest"


def role_id(core: Core, name: str) -> str:
    with core.store.reading() as session:
        return session.scalars(select(Role.id).where(Role.name == name)).one()


def secret_id(core: Core, client: str = "chief") -> str:
    with core.store.reading() as session:
        return session.scalars(select(ClientSecret.id).where(ClientSecret.client_id == core.row_id(client))).one()


def user(core: Core, name: str = "boss", **changes: object) -> object:
    return core.actions.users.change(OPERATOR, core.row_id(name), UserChanges(**changes))  # type: ignore[arg-type]


def client(core: Core, name: str = "chief", **changes: object) -> object:
    return core.actions.clients.change(OPERATOR, core.row_id(name), ClientChanges(**changes))  # type: ignore[arg-type]


def role(core: Core, name: str, *permissions: str) -> object:
    return core.actions.roles.change(OPERATOR, role_id(core, name), RoleChanges(permissions=permissions))


OF_USERS: dict[str, Act] = {
    "disabled": lambda c: user(c, enabled=False),
    "without roles": lambda c: user(c, roles=()),
    "with another role": lambda c: user(c, roles=("readers",)),
    "deleted": lambda c: c.actions.users.delete(OPERATOR, c.row_id("boss")),
    "the role emptied": lambda c: role(c, "users"),
    "the role narrowed": lambda c: role(c, "users", "users:write"),
    "the role deleted": lambda c: c.actions.roles.delete(OPERATOR, role_id(c, "users")),
}
OF_CLIENTS: dict[str, Act] = {
    "disabled": lambda c: client(c, enabled=False),
    "without roles": lambda c: client(c, roles=()),
    "deleted": lambda c: c.actions.clients.delete(OPERATOR, c.row_id("chief")),
    "the role emptied": lambda c: role(c, "machines"),
    "the role deleted": lambda c: c.actions.roles.delete(OPERATOR, role_id(c, "machines")),
    "its last secret revoked": lambda c: c.actions.client_secrets.revoke(OPERATOR, c.row_id("chief"), secret_id(c)),
    "trusting nobody": lambda c: client(c, token_endpoint_auth_method="federated_jwt"),
}


@pytest.mark.contract("the last administrator cannot be removed, and demotion is permanent")
@pytest.mark.parametrize("how", OF_USERS)
def test_the_last_administrator_among_users_stays(court: Core, how: str) -> None:
    before = court.actions.users.get(court.row_id("boss"))
    events = court.count(AuditEvent)
    with pytest.raises(Conflict, match="no enabled user"):
        OF_USERS[how](court)
    assert court.actions.users.get(court.row_id("boss")) == before and court.count(AuditEvent) == events
    assert MANAGE in court.actions.roles.get(role_id(court, "users")).permissions
    court.role("others", "user", MANAGE, "audit:read")
    court.user("deputy", "others")
    with pytest.raises(Conflict, match="no enabled user"):
        OF_USERS[how](court)  # the other has no password to sign in with
    give_password(court, "deputy")
    OF_USERS[how](court)


@pytest.mark.contract("the last administrator cannot be removed, and demotion is permanent")
@pytest.mark.parametrize("how", OF_CLIENTS)
def test_the_last_administrator_among_clients_stays(court: Core, how: str) -> None:
    with pytest.raises(Conflict, match="no enabled client"):
        OF_CLIENTS[how](court)
    view = court.actions.clients.get(court.row_id("chief"))
    assert view.enabled and view.roles == ("machines",)
    court.role("others", "machine", MANAGE)
    court.client("deputy", "others")
    with pytest.raises(Conflict, match="no enabled client"):
        OF_CLIENTS[how](court)  # the other has no secret to authenticate by
    court.client_secret("deputy")
    OF_CLIENTS[how](court)


def test_a_disabled_administrator_does_not_count(court: Core) -> None:
    court.user("deputy", "users")
    give_password(court, "deputy")
    court.enable("deputy", False)
    with pytest.raises(Conflict):
        user(court, enabled=False)


def test_a_secret_that_has_expired_does_not_count(court: Core) -> None:
    court.client_secret("chief", expires_at=court.clock())
    with pytest.raises(Conflict):
        court.actions.client_secrets.revoke(OPERATOR, court.row_id("chief"), _first(court))


def _first(core: Core) -> str:
    with core.store.reading() as session:
        return session.scalars(select(ClientSecret.id).where(ClientSecret.expires_at.is_(None))).one()


def test_a_client_that_is_recognised_by_its_issuer_can_authenticate(court: Core) -> None:
    trust = court.actions.federated_credentials.create(OPERATOR, court.row_id("chief"), TRUST)
    client(court, token_endpoint_auth_method="federated_jwt")
    with pytest.raises(Conflict):
        court.actions.federated_credentials.delete(OPERATOR, court.row_id("chief"), trust.id)


def test_a_server_without_administrators_blocks_nothing(court: Core) -> None:
    court.enable("boss", False)
    court.enable("chief", False)
    user(court, roles=())
    client(court, roles=())
    court.actions.roles.delete(OPERATOR, role_id(court, "users"))


def test_a_secret_reported_as_leaked_ends_even_as_the_last_one(court: Core) -> None:
    secret = court.client_secret("chief")
    court.actions.client_secrets.revoke(OPERATOR, court.row_id("chief"), _other(court, secret))
    assert court.actions.report_leak(OPERATOR, [secret]) == 1


def _other(core: Core, secret: str) -> str:
    with core.store.reading() as session:
        return session.scalars(select(ClientSecret.id).where(~ClientSecret.hint.endswith(secret[-4:]))).one()


@pytest.mark.contract("the last administrator cannot be removed, and demotion is permanent")
@pytest.mark.parametrize("number", range(3))
def test_of_two_last_administrators_removed_at_once_one_is_kept(court: Core, number: int) -> None:
    court.user("deputy", "users")
    give_password(court, "deputy")
    court.client("second", "machines")
    court.client_secret("second")
    gone = at_once(
        lambda: user(court, "boss", enabled=False),
        lambda: court.actions.users.delete(OPERATOR, court.row_id("deputy")),
    )
    assert len(successes(gone)) == 1
    gone = at_once(
        lambda: client(court, "chief", roles=()),
        lambda: court.actions.client_secrets.revoke(OPERATOR, court.row_id("second"), secret_id(court, "second")),
    )
    assert len(successes(gone)) == 1


DEMOTIONS: dict[str, Act] = {
    "another role": lambda c: user(c, roles=("readers",)),
    "the role emptied": lambda c: role(c, "users"),
    "the role deleted": lambda c: c.actions.roles.delete(OPERATOR, role_id(c, "users")),
}


def promote(core: Core) -> None:
    core.role("again", "user", MANAGE)
    user(core, roles=("again", "readers"))


@pytest.fixture
def elected(court: Core) -> Core:
    """Another administrator is there, so that `boss` can be demoted."""
    court.role("others", "user", MANAGE)
    court.user("deputy", "others")
    give_password(court, "deputy")
    return court


@pytest.mark.contract("the last administrator cannot be removed, and demotion is permanent")
@pytest.mark.parametrize("how", DEMOTIONS)
def test_a_demoted_administrators_token_regains_nothing_with_the_next_promotion(elected: Core, how: str) -> None:
    view, token = elected.pat("boss", MANAGE, "orders:read")
    jwt = elected.exchange(token)
    DEMOTIONS[how](elected)
    assert elected.scope(token) == elected.scope(jwt) == "orders:read"
    promote(elected)
    assert elected.scope(token) == elected.scope(jwt) == "orders:read"
    assert elected.verified(token).audience == (ORDERS, OWN)
    assert elected.actions.personal_access_tokens.get(elected.row_id("boss"), view.id).scopes == ("orders:read",)
    [event] = elected.trace("personal_access_token.narrow")
    assert (event.target, event.details) == (view.id, {"user": elected.row_id("boss"), "dropped": MANAGE})


def test_only_scopes_that_the_roles_no_longer_grant_are_dropped(elected: Core) -> None:
    elected.give("readers", "audit:read")
    token = elected.pat("boss", MANAGE, "audit:read", "orders:read")[1]
    user(elected, roles=("readers",))
    assert elected.scope(token) == "audit:read orders:read"
    assert elected.scope(elected.pat("deputy", MANAGE)[1]) == MANAGE


def test_scopes_of_other_apis_are_kept_while_dormant(elected: Core) -> None:
    token = elected.pat("boss", MANAGE, "orders:read")[1]
    user(elected, roles=("users",))
    assert elected.scope(token) == MANAGE
    user(elected, roles=("users", "readers"))
    assert elected.scope(token) == f"{MANAGE} orders:read"


def test_a_disabled_user_is_not_demoted(elected: Core) -> None:
    token = elected.pat("boss", MANAGE)[1]
    user(elected, enabled=False)
    user(elected, enabled=True)
    assert elected.scope(token) == MANAGE


@pytest.mark.parametrize("number", range(3))
def test_a_token_created_during_the_demotion_regains_nothing(elected: Core, number: int) -> None:
    outcomes = at_once(
        lambda: elected.pat("boss", MANAGE, "orders:read")[1],
        lambda: user(elected, roles=("readers",)),
    )
    promote(elected)
    if not isinstance(outcomes[0], LatchkeyError):
        assert elected.scope(str(outcomes[0])) == "orders:read"


def test_dormant_scopes_are_dropped_at_the_next_start(elected: Core) -> None:
    token = elected.pat("boss", MANAGE, "orders:read")[1]
    elected.assign("boss", "readers")  # as an older version demoted
    core = elected.actions
    assert Bootstrap(core.settings, core.store, core.signing_keys, str, core.clock)(follow_issuer=False) is False
    promote(elected)
    assert elected.scope(token) == "orders:read"


CLIENT_DEMOTIONS: dict[str, Act] = {
    "without roles": lambda c: client(c, roles=()),
    "another role": lambda c: client(c, roles=("clerks",)),
    "the role emptied": lambda c: role(c, "machines"),
    "the role narrowed": lambda c: role(c, "machines", "orders:read"),
    "the role deleted": lambda c: c.actions.roles.delete(OPERATOR, role_id(c, "machines")),
}


@pytest.fixture
def staffed(court: Core) -> Core:
    """Another administrator is there, so that `chief` can be demoted; `clerks` give no `manage`."""
    court.role("clerks", "machine", "audit:read", "orders:read")
    court.role("others", "machine", MANAGE)
    court.client("deputy", "others")
    court.client_secret("deputy")
    return court


def promote_client(core: Core) -> None:
    core.role("restored", "machine", MANAGE)
    client(core, roles=("restored", "clerks"))


@pytest.mark.contract("the last administrator cannot be removed, and demotion is permanent")
@pytest.mark.parametrize("how", CLIENT_DEMOTIONS)
def test_a_token_of_a_demoted_client_does_not_regain_manage(staffed: Core, how: str) -> None:
    old, other = staffed.m2m("chief", MANAGE, OWN), staffed.m2m("deputy", MANAGE, OWN)
    CLIENT_DEMOTIONS[how](staffed)
    assert staffed.scope(old) == ""
    promote_client(staffed)
    assert staffed.scope(old) == "" and staffed.scope(staffed.m2m("chief", MANAGE, OWN)) == MANAGE
    assert staffed.scope(other) == MANAGE
    [event] = staffed.trace("client.narrow")
    assert (event.target, event.details) == ("chief", {"dropped": MANAGE})


def test_tokens_issued_between_two_demotions_of_a_client_regain_nothing(staffed: Core) -> None:
    for _ in range(2):
        old = staffed.m2m("chief", MANAGE, OWN)
        client(staffed, roles=("clerks",))
        client(staffed, roles=("machines",))
        assert staffed.scope(old) == "" and staffed.scope(staffed.m2m("chief", MANAGE, OWN)) == MANAGE
    dropped = [event.details["dropped"] for event in staffed.trace("client.narrow")]
    assert dropped == [MANAGE, "audit:read"] * 2


def test_a_token_issued_while_the_client_is_demoted_does_not_gain_manage(staffed: Core) -> None:
    issue = staffed.actions.issue_machine_token
    decided = issue.decide(staffed.row_id("chief"), "chief", MANAGE, (OWN,))  # before the demotion
    client(staffed, roles=())
    between = issue.sign(decided).token
    promote_client(staffed)
    assert staffed.scope(between) == ""


def test_a_client_loses_only_scopes_that_its_roles_no_longer_grant(staffed: Core) -> None:
    client(staffed, roles=("machines", "clerks"))
    own = staffed.m2m("chief", f"{MANAGE} audit:read", OWN)
    orders = staffed.m2m("chief", "orders:read", ORDERS)
    client(staffed, roles=("clerks",))
    assert (staffed.scope(own), staffed.scope(orders)) == ("audit:read", "orders:read")
    client(staffed, roles=())
    client(staffed, roles=("clerks", "machines"))
    assert (staffed.scope(own), staffed.scope(orders)) == ("", "orders:read")  # other APIs' scopes return
    assert [event.details["dropped"] for event in staffed.trace("client.narrow")] == [MANAGE, "audit:read"]


def test_a_client_that_is_disabled_is_not_demoted(staffed: Core) -> None:
    token = staffed.m2m("chief", MANAGE, OWN)
    client(staffed, enabled=False)
    client(staffed, enabled=True)
    assert staffed.scope(token) == MANAGE and staffed.trace("client.narrow") == []


def test_a_client_that_is_deleted_is_not_noted(staffed: Core) -> None:
    staffed.actions.clients.delete(OPERATOR, staffed.row_id("chief"))
    assert staffed.trace("client.narrow") == []
