"""What a request without a credential can add to each table, and what bounds it: a new table needs its line here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.actions.limits.abuse import (
    CLIENTS_OF_ADDRESS,
    LEAK_REPORTS,
    LEAKED_CREDENTIALS,
    PASSWORDS_OF_ADDRESS,
)
from app.database.statements import SWEPT
from app.database.types import Base
from app.models import SpentLimit
from tests.dpop import Prover
from tests.oauth.authorizing import REGISTRATION, register, request_of
from tests.oauth.wire import ASSERTION_TYPE, ORDERS, basic
from tests.security.siege import ATTACKER, GARBAGE, LONGEST_WINDOW, Siege
from tests.web.visitor import Visitor

ADDED = {  # by strangers
    "audit_event": "failed authentications: the bounds of app/actions/sign_in/failed_authentications.py",
    "device_code": "in the name of a public app: limited for each address, swept when it has ended",
    "spent_limit": "the counters of each address in its windows; windows that ended go as others begin",
}
CHANGED = {  # by strangers, without a further row
    "audit_head": "one row",
    "authority": "one row, moved by the revocations below",
    "api_key": "revoked by a holder of its secret",
    "client_secret": "revoked by a holder of it",
    "personal_access_token": "revoked by a holder of it",
}
NEEDS_CREDENTIAL = {  # before a row is added, of whose owner are
    "api_key_scope": "an API key",
    "app_grant": "a user who agreed: at most 100 live ones for a user and a client, swept 90 days after they end",
    "app_grant_scope": "a grant",
    "authorization_code": "a signed-in user: limited for each, swept an hour after it ends",
    "api_key_secret": "an API key",
    "client": "an operator; registration and metadata documents, when they are on: test_registration_floods.py",
    "client_role": "an operator",
    "client_serves": "an operator",
    "consent": "a signed-in user: one for a client",
    "consent_scope": "a signed-in user",
    "federated_credential": "an operator",
    "identity_link": "a sign-in at an identity provider: one for each of its subjects",
    "identity_provider": "an operator",
    "job_lease": "the server itself: one row for each of its jobs",
    "found_notice": "a credential: at most one for each end and each 90 days without use, swept after 400 days",
    "notice_preference": "a user: one row",
    "known_address": "a password: swept after 90 days",
    "one_time_code": "a user: one row",
    "passkey": "a user: at most 20",
    "permission": "an operator",
    "recovery_code": "a user: ten",
    "personal_access_token_scope": "a user",
    "refresh_token": "a refresh token, which it replaces: swept when it expires",
    "replaced_secret": "a user who regenerates a token: at most 50 for each, swept after 400 days",
    "one_time_link": "an operator, or a stranger who knows a username, five times an hour: one for each user",
    "outbox": "a webhook of an operator: one message for each event that it subscribes to, ended after three days",
    "resource": "an operator",
    "provided_role": "an identity provider or a provisioning client: one for a user, a role and a source of it",
    "reused_credential": "a secret that was replaced: one for its credential, swept after an hour",
    "revoked_token": "a JWT that this server signed and that has not expired: swept after it would have",
    "role": "an operator",
    "role_permission": "an operator",
    "signing_key": "an operator",
    "spent_challenge": "a sign-in or passkey that succeeded, or a signed logout: swept after ten minutes",
    "used_assertion": "a registered client's key: swept after its exp",
    "used_proof": "a client or a token that is bound to the key: swept after two minutes",
    "status_change": "a change of authority: one for each client, user, key and role that changed, until it is judged",
    "status_entry": "what authenticates a JWT: at most 256 an owner and day; deleted with its list",
    "status_list": "a JWT: one a day, and one for each 131,072 decisions; deleted when its last token has expired",
    "status_subject": "what authenticates a JWT: at most three for each index",
    "usage_day": "a credential, live or ended: one for each outcome and known resource, a day; pruned after 400 days",
    "usage_hour": "a credential, live or ended: one for each outcome and known resource, an hour; pruned after 35 days",
    "user": "an operator, or an identity provider that may create users",
    "user_role": "an operator, or an identity provider",
    "user_session": "a password or an identity provider: swept when it ends",
    "webhook": "an operator",
}
WRITES = re.compile(r'\b(INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)')
# of one address: five of its own, one for each client that failed, two for each username
MOST_COUNTERS = 5 + CLIENTS_OF_ADDRESS.most + 2 * PASSWORDS_OF_ADDRESS.most


@contextmanager
def watch_writes() -> Iterator[set[tuple[str, str]]]:
    """Return what is written meanwhile, as pairs such as ("INSERT INTO", "user")."""
    seen: set[tuple[str, str]] = set()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.update(pair for pair in WRITES.findall(statement) if pair[1] in Base.metadata.tables)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_each_table_is_judged() -> None:
    assert ADDED.keys() | CHANGED.keys() | NEEDS_CREDENTIAL.keys() == Base.metadata.tables.keys()
    assert len(ADDED) + len(CHANGED) + len(NEEDS_CREDENTIAL) == len(Base.metadata.tables)


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_no_route_lets_a_stranger_add_to_any_other_table(alone: Siege) -> None:
    http = alone.nodes[0]
    register(alone.wire, "app")
    with watch_writes() as seen:
        for rule in http.application.url_map.iter_rules():
            path = re.sub(r"<[^>]*>", "x", rule.rule)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                for sent in requests(path, method, alone):
                    http.open(path, method=method, environ_base={"REMOTE_ADDR": ATTACKER}, **sent)
        visitor = Visitor(http)
        for username in ("alice", "made-up"):
            visitor.sign_in(username, "wrong")
        alone.report()
        alone.exchange(GARBAGE)
    inserted = {table for verb, table in seen if verb == "INSERT INTO"}
    assert inserted == ADDED.keys()
    assert {table for _, table in seen} <= ADDED.keys() | CHANGED.keys()


def requests(path: str, method: str, siege: Siege) -> Iterator[dict[str, Any]]:
    """Return what a stranger may send to a route: garbage, a made-up caller, a proof of their own key."""
    proof = Prover(lambda: siege.wire.core.clock().timestamp()).proof(method, f"https://login.example{path}")
    form = {"grant_type": "client_credentials", "resource": ORDERS, "token": GARBAGE, "client_id": "robot"}
    assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": "e30.e30.e30"}
    yield {"json": {"credentials": [GARBAGE], "name": "x"}}
    yield {"headers": {"Authorization": basic("alice", "wrong")}, "json": {"name": "x"}}
    yield {"headers": {"Authorization": basic("robot", "wrong")}, "data": form}
    yield {"headers": {"Authorization": f"Bearer {GARBAGE}", "DPoP": proof}}
    yield {"headers": {"Authorization": f"DPoP {GARBAGE}", "DPoP": proof}}
    yield {"headers": {"DPoP": proof}, "data": form | assertion}
    yield {"query_string": request_of()}
    for grant in REGISTRATION["grant_types"]:  # with what a public app may send: its client_id
        secrets = {"code": GARBAGE, "refresh_token": GARBAGE, "device_code": GARBAGE}
        yield {"data": {"grant_type": grant, "client_id": "app", "token": GARBAGE, "scope": "orders:read"} | secrets}


@pytest.mark.both_databases
@pytest.mark.contract("nothing that strangers write grows without bound")
def test_the_counters_of_an_address_are_bounded_and_swept(alone: Siege) -> None:
    core = alone.wire.core
    for number in range(CLIENTS_OF_ADDRESS.most + 50):
        alone.token((f"made-up-{number}", "x"))
    for number in range(PASSWORDS_OF_ADDRESS.most + 5):
        alone.me(f"made-up-{number}", "x")
    for _ in range(2):
        alone.forward_auth(GARBAGE), alone.report()
    assert core.count(SpentLimit) <= MOST_COUNTERS < SWEPT
    alone.pass_seconds(LONGEST_WINDOW)
    alone.forward_auth(GARBAGE)
    assert core.count(SpentLimit) == 1
    assert LEAK_REPORTS.window_seconds <= LONGEST_WINDOW and LEAKED_CREDENTIALS.window_seconds <= LONGEST_WINDOW
