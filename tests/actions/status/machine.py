"""Random sequences of grants, changes and time, for the test that status lists say what introspection says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import NoResultFound

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.api_keys import KeyChanges
from app.actions.directory.clients import ClientChanges
from app.actions.directory.lifetime import AskedLifetime
from app.errors import LatchkeyError
from app.models import ApiKey, AppGrant, Client, PersonalAccessToken, Role, RolePermission, StatusEntry
from app.models.grant_types import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN
from tests.actions.status.published import Position, ReadList, is_refused, position_of, read_list
from tests.core import ORDERS, STOCK, Core, contents

USERS, MACHINES, APPS = ("alice", "ben"), ("robot", "gate"), ("app", "board")
USER_ROLES, MACHINE_ROLES = ("clerk", "reader"), ("worker", "feeder")
SCOPES = ("orders:read", "orders:write", "orders:list", "stock:read")
ASKED = (None, "orders:read", "orders:read orders:write", "orders:list", "stock:read", "orders:write stock:read")
MOST_TOKENS = 20
Rule = Callable[["StatusMachine"], None]
GRANTS: list[Rule] = []
CHANGES: list[Rule] = []


def grant(rule: Rule) -> Rule:
    """Add what issues a token."""
    GRANTS.append(rule)
    return rule


def change(rule: Rule) -> Rule:
    """Add what changes rights, or the time."""
    CHANGES.append(rule)
    return rule


def build_machine(core: Core, seed: int) -> "StatusMachine":
    """Add to the usual core a further user and client, roles with less, and two apps."""
    core.role("reader", "user", "orders:read", "orders:list")
    core.role("feeder", "machine", "stock:read", "orders:read")
    core.user("ben", "clerk", "reader")
    core.client("gate", "worker", "feeder")
    grants = [AUTHORIZATION_CODE, REFRESH_TOKEN]
    core.app("app", grant_types=grants)
    core.app("board", grant_types=grants, scopes=["orders:read", "stock:read"])
    return StatusMachine(core, Random(seed))


@dataclass
class StatusMachine:
    """The core, the tokens that it issued, and what was read of their indexes."""

    core: Core
    random: Random
    steps: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    pats: list[tuple[str, str, str]] = field(default_factory=list)  # username, id, secret
    keys: list[tuple[str, str]] = field(default_factory=list)  # id, secret
    refreshes: list[tuple[str, str]] = field(default_factory=list)  # client_id, refresh token
    decisions: dict[Position, str] = field(default_factory=dict)
    ended: set[Position] = field(default_factory=set)
    revoked: set[Position] = field(default_factory=set)

    def step(self) -> None:
        """Do one thing at random; a refusal is an answer too."""
        rule = self.random.choice(GRANTS if self.random.random() < 0.55 else CHANGES)
        self.steps.append(rule.__name__.lstrip("_"))
        try:
            rule(self)
        except (LatchkeyError, LookupError, NoResultFound) as refusal:  # or there is nothing of this kind
            self.steps[-1] += f" ({type(refusal).__name__})"
        self.tokens = self.tokens[-MOST_TOKENS:]

    def check(self) -> None:
        """Compare the lists with introspection, for every token that has not expired."""
        lists: dict[str, ReadList] = {}
        now = self.core.clock().timestamp()
        for token in self.tokens:
            if contents(token)["exp"] <= now:
                continue
            uri, index = position = position_of(token)
            lists[uri] = lists.get(uri) or read_list(self.core, uri)
            invalid, refused = lists[uri].is_invalid(index), is_refused(self.core, token)
            assert invalid or not refused, f"{contents(token)} is accepted after {self.steps}"
            assert refused or not invalid or self._may_be_ended(position), f"{contents(token)} after {self.steps}"
            if invalid:
                self.ended.add(position)

    def _may_be_ended(self, position: Position) -> bool:
        return position in self.revoked or self._decision(position).kind == ""

    def _decision(self, position: Position) -> StatusEntry:
        uri, index = position
        with self.core.store.reading() as session:
            return session.get_one(StatusEntry, (int(uri.rsplit("/", 1)[1], 16), index))

    def _keep(self, token: str) -> None:
        """Keep a token: a decision has one index until that ends, and no other decision has it."""
        self.tokens.append(token)
        position, claims = position_of(token), contents(token)
        assert position not in self.ended, f"an ended index was used again after {self.steps}"
        individual = ("iat", "exp", "jti", "status")
        decision = str([value for name, value in sorted(claims.items()) if name not in individual])
        assert self.decisions.setdefault(position, decision) == decision, f"two decisions share after {self.steps}"
        others = {one for one, what in self.decisions.items() if what == decision and one[0] == position[0]}
        valid = {one for one in others if not read_list(self.core, one[0]).is_invalid(one[1])}
        signed = {one for one in valid if self._decision(one).kid == self._decision(position).kid}
        reusable = {one for one in signed if self._decision(one).fingerprint}
        assert reusable <= {position}, f"one decision has two indexes after {self.steps}"

    def _resources(self) -> tuple[str, ...]:
        return self.random.choice(((), (), (), (ORDERS,), (STOCK,), (ORDERS, STOCK)))

    # what is issued

    @grant
    def _issue_m2m(self) -> None:
        self._keep(self.core.m2m(self.random.choice(MACHINES), self.random.choice(ASKED), *self._resources()))

    @grant
    def _issue_again(self) -> None:
        client, asked = self.random.choice(MACHINES), self.random.choice(ASKED)
        self._keep(self.core.m2m(client, asked))
        self._keep(self.core.m2m(client, asked))

    @grant
    def _exchange_pat(self) -> None:
        if not self.pats or self.random.random() < 0.3:
            username = self.random.choice(USERS)
            scopes = self.random.sample(SCOPES, self.random.randint(1, 4))
            lifetime = AskedLifetime(expires_in=self.random.choice((300, 4000, 200_000)))
            view, secret = self.core.pat(username, *scopes, name=f"laptop {len(self.steps)}", lifetime=lifetime)
            self.pats.append((username, view.id, secret))
        self._exchange(self.random.choice(self.pats)[2])

    @grant
    def _exchange_key(self) -> None:
        if not self.keys or self.random.random() < 0.3:
            scopes = self.random.choice((None, None, ("orders:list",)))
            view, secret = self.core.key(scopes=scopes)
            self.keys.append((view.id, secret))
        self._exchange(self.random.choice(self.keys)[1])

    def _exchange(self, secret: str) -> None:
        actor = self.random.choice((None, None, *MACHINES))
        self._keep(self.core.exchange(secret, self.random.choice(ASKED), *self._resources(), client_id=actor))

    @grant
    def _delegate(self) -> None:
        app = self.random.choice(APPS)
        tokens = self.core.delegate(self.random.choice(USERS), app, self.random.choice(ASKED), *self._resources())
        self.refreshes.append((app, tokens.refresh_token or ""))
        self._keep(tokens.access.token)

    @grant
    def _refresh(self) -> None:
        app, token = self.random.choice(self.refreshes or [("app", "")])
        client = self.core.actions.authenticate_client.find(app)
        tokens = self.core.actions.refresh(Actor("client", app), client, token, scope=self.random.choice(ASKED))
        self.refreshes.append((app, tokens.refresh_token or ""))
        self._keep(tokens.access.token)

    # what changes

    @change
    def _assign_roles(self) -> None:
        owner, roles = self.random.choice([(USERS, USER_ROLES), (MACHINES, MACHINE_ROLES)])
        self.core.assign(self.random.choice(owner), *self.random.sample(roles, self.random.randint(0, 2)))

    @change
    def _give_permission(self) -> None:
        self.core.give(self.random.choice(USER_ROLES + MACHINE_ROLES), self.random.choice(SCOPES))

    @change
    def _take_permission(self) -> None:
        with self.core.store.transaction() as session:
            role = session.scalar(select(Role.id).where(Role.name == self.random.choice(USER_ROLES + MACHINE_ROLES)))
            given = session.scalars(select(RolePermission.permission_id).where(RolePermission.role_id == role)).all()
            if given:
                mine = RolePermission.role_id == role, RolePermission.permission_id == self.random.choice(given)
                session.execute(delete(RolePermission).where(*mine))

    @change
    def _recreate_permission(self) -> None:
        scope = self.random.choice(SCOPES)
        self.core.drop_permission(scope)
        self.core.add_permission(ORDERS if scope.startswith("orders") else STOCK, scope, public=scope == "orders:list")

    @change
    def _drop_permission(self) -> None:
        self.core.drop_permission(self.random.choice(SCOPES))

    @change
    def _recreate_role(self) -> None:
        role = self.random.choice(USER_ROLES)
        self.core.drop_role(role)
        self.core.role(role, "user", *SCOPES)

    @change
    def _recreate_resource(self) -> None:
        self.core.delete(STOCK)
        self.core.resource(STOCK, "stock:read", ttl=600)

    @change
    def _rename_resource(self) -> None:
        elsewhere = self.random.choice((STOCK, f"{STOCK}/2"))
        self._sql(
            "UPDATE resource SET identifier = :elsewhere WHERE id = :id",
            id=self.core.row_id(STOCK),
            elsewhere=elsewhere,
        )

    @change
    def _enable(self) -> None:
        self.core.enable(self.random.choice(USERS + MACHINES + APPS), self.random.random() < 0.6)

    @change
    def _enable_all(self) -> None:
        for owner in USERS + MACHINES + APPS:
            self.core.enable(owner, True)

    @change
    def _delete_owner(self) -> None:
        """Delete a client for good, rarely: much else needs it."""
        if self.random.random() < 0.1:
            self.core.delete("gate")

    @change
    def _replace_user(self) -> None:
        self.core.delete("ben")
        self.core.user("ben", "clerk", "reader")

    @change
    def _regenerate(self) -> None:
        username, token_id, _ = self.random.choice(self.pats)
        user_id = self.core.row_id(username)
        _, issued = self.core.actions.personal_access_tokens.regenerate(OPERATOR, user_id, token_id)
        self.pats.append((username, token_id, issued.token))

    @change
    def _revoke_pat(self) -> None:
        username, token_id, _ = self.random.choice(self.pats)
        self.core.actions.personal_access_tokens.revoke(OPERATOR, self.core.row_id(username), token_id)

    @change
    def _expire_pat(self) -> None:
        if self.pats:
            soon = self.core.clock() + timedelta(seconds=self.random.choice((-5, 60, 1000)))
            mine = PersonalAccessToken.id == self.random.choice(self.pats)[1]
            self._run(update(PersonalAccessToken).where(mine).values(expires_at=soon))

    @change
    def _rotate_key(self) -> None:
        key_id, _ = self.random.choice(self.keys)
        _, issued = self.core.actions.api_keys.rotate(OPERATOR, key_id, self.random.choice((0, 60, 3000)))
        self.keys.append((key_id, issued.token))

    @change
    def _change_key(self) -> None:
        key_id, _ = self.random.choice(self.keys)
        changes = self.random.choice(
            (
                KeyChanges(enabled=False),
                KeyChanges(enabled=True),
                KeyChanges(scopes=("orders:list",)),
                KeyChanges(scopes=None),
            )
        )
        self.core.actions.api_keys.change(OPERATOR, key_id, changes)

    @change
    def _revoke_key(self) -> None:
        self.core.actions.api_keys.revoke(OPERATOR, self.random.choice(self.keys)[0])

    @change
    def _extend_key(self) -> None:
        if self.keys:
            ends = self.core.clock() + timedelta(seconds=self.random.choice((-5, 30, 900)))
            self._run(update(ApiKey).where(ApiKey.id == self.random.choice(self.keys)[0]).values(expires_at=ends))

    @change
    def _publish(self) -> None:
        self.core.publish(self.random.choice(SCOPES[:3]), self.random.random() < 0.5)

    @change
    def _change_ceiling(self) -> None:
        ceiling = self.random.choice((None, ("orders:read",), ("orders:read", "orders:write", "stock:read")))
        self._change_client(self.random.choice(APPS), ClientChanges(scopes=ceiling))

    @change
    def _change_grant_types(self) -> None:
        types = self.random.choice(([AUTHORIZATION_CODE], [CLIENT_CREDENTIALS], [CLIENT_CREDENTIALS]))
        self._run(update(Client).where(Client.client_id == "robot").values(grant_types=types))

    def _change_client(self, client_id: str, changes: ClientChanges) -> None:
        self.core.actions.clients.change(OPERATOR, self.core.row_id(client_id), changes)

    @change
    def _end_grants(self) -> None:
        user = self.core.row_id(self.random.choice(USERS))
        self.core.actions.apps.end(OPERATOR, user, self.core.row_id(self.random.choice(APPS)))

    @change
    def _shorten_grant(self) -> None:
        ends = self.core.clock() + timedelta(seconds=self.random.choice((-1, 120)))
        self._run(update(AppGrant).where(AppGrant.id.in_(select(AppGrant.id).limit(1))).values(expires_at=ends))

    @change
    def _revoke_token(self) -> None:
        token = self._chosen()
        self.core.actions.revoke_token(
            OPERATOR, token, contents(token)["client_id"] if self._has_client(token) else None
        )
        self.revoked.add(position_of(token))

    def _has_client(self, token: str) -> bool:
        return "origin" not in contents(token) or "act" in contents(token)

    @change
    def _revoke_jti(self) -> None:
        token = self._chosen()
        self.core.actions.known_credentials.revoke(OPERATOR, "token", contents(token)["jti"])
        self.revoked.add(position_of(token))

    @change
    def _report_leak(self) -> None:
        token = self._chosen()
        self.core.actions.report_leak(OPERATOR, [token])
        self.revoked.add(position_of(token))

    def _chosen(self) -> str:
        if not self.tokens:
            raise LookupError("nothing was issued")
        return self.random.choice(self.tokens)

    @change
    def _rotate_signing_key(self) -> None:
        self.core.actions.rotate_signing_key(OPERATOR)

    @change
    def _revoke_signing_key(self) -> None:
        keys = self.core.actions.rotate_signing_key.list()
        self.core.actions.rotate_signing_key.revoke(OPERATOR, self.random.choice(keys).kid)

    @change
    def _retire_early(self) -> None:
        """Shorten by hand what a key that was rotated still verifies."""
        ends = (self.core.clock() + timedelta(seconds=self.random.choice((-1, 200)))).timestamp()
        self._sql("UPDATE signing_key SET retires_at = :ends WHERE state = 'retiring'", ends=int(ends * 1_000_000))

    @change
    def _pass_time(self) -> None:
        self.core.clock.advance(seconds=self.random.choice((1, 20, 400, 2000)))

    @change
    def _pass_midnight(self) -> None:
        now = self.core.clock()
        midnight = datetime(now.year, now.month, now.day, tzinfo=now.tzinfo) + timedelta(days=1)
        self.core.clock.now = midnight + timedelta(seconds=self.random.choice((-1700, -1, 0, 30, 90)))

    def _run(self, statement: Any) -> None:
        with self.core.store.transaction() as session:
            session.execute(statement.execution_options(synchronize_session=False))

    def _sql(self, statement: str, **values: Any) -> None:
        self._run(text(statement).bindparams(**values))
