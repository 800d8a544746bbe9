"""Issue a machine-to-machine token: choose audience and scopes from what the roles give, and sign (RFC 6749 §4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from app.access.rbac import grants_of_client
from app.access.scopes import Grants, MalformedScope, Scopes
from app.actions.status.indexes import StatusIndexes, end_of_list
from app.clock import Clock
from app.credentials.kind import Issued, Subject, Terms
from app.credentials.m2m import Draft, MachineTokens
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.crypto.confirmation import UNBOUND, Confirmation
from app.database.store import Store
from app.errors import InvalidScope, InvalidTarget
from app.models import Resource


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The answer of the token endpoint; `expires_in` is seconds."""

    token: str = field(repr=False)
    expires_in: int
    scopes: Scopes
    credential_id: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client gets for a request, valid until a right changes, and at most `until`; `lifetime` is seconds."""

    scopes: Scopes
    lifetime: int
    draft: Draft
    until: datetime | None = None
    audience: tuple[str, ...] = ()

    def answer(self, token: str, credential_id: str) -> AccessToken:
        """Return the answer of the token endpoint."""
        return AccessToken(token, self.lifetime, self.scopes, credential_id)


class IssueMachineToken:
    """The client-credentials grant. Nothing is stored: the token is self-contained, and the request log has its id."""

    def __init__(self, store: Store, kind: MachineTokens, indexes: StatusIndexes, clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._indexes = indexes
        self._clock = clock

    def decide(
        self,
        client_row_id: str,
        client_id: str,
        scope: str | None,
        resources: Sequence[str],
        confirmation: Confirmation = UNBOUND,
    ) -> Decision:
        """Choose audience, scopes, lifetime and key for an authenticated client.

        `scope` None means all that its roles give on the resources. Raises InvalidScope and InvalidTarget (RFC 6749
        §5.2, RFC 8707 §2).
        """
        now, subject = self._clock(), Subject(client_id)
        with self._store.connection() as connection:
            granted = choose(grants_of_client(connection, client_row_id), scope, resources)
            lifetime = shortest_lifetime(connection, granted.audience)
        terms = Terms(
            at=now,
            expires_at=None,
            audience=granted.audience,
            grants=granted,
            confirmation=confirmation,
        )
        expires_at = now + timedelta(seconds=lifetime)
        terms = replace(terms, status=self._indexes.assign(self._kind, subject, terms, expires_at))
        with self._store.connection() as connection:
            draft = self._kind.draft(connection, subject, terms)
        until = end_of_list(expires_at) - timedelta(seconds=lifetime)
        return Decision(granted.scopes, lifetime, draft, until, granted.audience)

    def sign(self, decision: Decision) -> AccessToken:
        """Like `sign_at`, now, with what the answer says of it."""
        issued = self.sign_at(decision, self._clock())
        return decision.answer(issued.token, issued.credential_id)

    def sign_at(self, decision: Decision, at: datetime) -> Issued:
        """Sign a token for a decision, without a query. Raises InvalidScope for a token too long to be accepted."""
        issued = self._kind.sign(decision.draft, at, at + timedelta(seconds=decision.lifetime))
        refuse_too_long(issued.token)
        return issued


def choose(given: Grants, scope: str | None, resources: Sequence[str]) -> Grants:
    """Choose the requested scopes and resources from those given; raises InvalidScope or InvalidTarget."""
    if not given.by_resource:
        raise InvalidScope("the client has no role that gives a scope")
    audience = tuple(dict.fromkeys(resources))
    for identifier in audience:
        if identifier not in given.by_resource:
            near = suggest_identifier(identifier, given.by_resource)
            raise InvalidTarget(f"the resource is unknown, or the roles give nothing on it{near}")
    asked = parse_scope(scope)
    if asked is None:
        return given.on(audience or _only_audience(given))
    return _choose_scopes(given.on(audience) if audience else given, asked, audience)


def narrow(given: Grants, audience: Sequence[str], scope: str | None, resources: Sequence[str], source: str) -> Grants:
    """Choose from what a token, code or grant gives; raises InvalidScope or InvalidTarget, which name the `source`."""
    for identifier in resources:
        if identifier not in audience:
            raise InvalidTarget(f"{source} does not reach the resource{suggest_identifier(identifier, audience)}")
    asked = parse_scope(scope)
    within = given.on(resources) if resources else given
    if asked is not None and (missing := asked - within.scopes):
        raise InvalidScope(f"{source} does not give: {missing}")
    chosen = within if asked is None else within.only(asked)
    reached = resources or (chosen.audience if asked else audience)
    if not reached:
        raise InvalidTarget(f"{source} reaches no resource")
    return Grants({identifier: chosen.by_resource.get(identifier, Scopes()) for identifier in reached})


def refuse_too_long(token: str) -> None:
    """Raise InvalidScope for a token that introspection and verification would not accept for its length."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise InvalidScope(
            f"the token would have {len(token)} characters, of which at most {MAX_TOKEN_LENGTH} are accepted "
            "(many gateways take 8000): ask for fewer scopes with the parameter scope, or for one resource"
        )


def suggest_identifier(asked: str, reached: Iterable[str]) -> str:
    """Return the end of a message that names similar identifiers, which differ in a slash or in case; else empty."""
    similar = [one for one in sorted(reached) if _fold_identifier(one) == _fold_identifier(asked)]
    return f"; did you mean {' or '.join(similar)}" if similar else ""


def _fold_identifier(identifier: str) -> str:
    """Return a form in which two easily confused identifiers are equal (RFC 3986 §6.2.2.1, §6.2.3)."""
    return identifier.strip().rstrip("/").casefold()


def parse_scope(scope: str | None) -> Scopes | None:
    """Read the `scope` parameter; None when nothing is asked for. Raises InvalidScope (RFC 6749 §3.3)."""
    try:
        return Scopes.parse(scope) or None if scope else None
    except MalformedScope as error:
        raise InvalidScope(str(error)) from None


def shortest_lifetime(connection: Connection, audience: Sequence[str]) -> int:
    """Return the shortest access_token_ttl of these resources, in seconds; raises InvalidTarget if none exists."""
    query = select(Resource.access_token_ttl).where(Resource.identifier.in_(list(audience)))
    shortest = min(connection.execute(query).scalars(), default=None)
    if shortest is None:
        raise InvalidTarget("the resource is gone")
    return shortest


def _only_audience(given: Grants) -> tuple[str, ...]:
    if len(given.by_resource) > 1:
        raise InvalidTarget(f"name one resource or some scopes; the roles reach: {' '.join(given.audience)}")
    return given.audience


def _choose_scopes(within: Grants, asked: Scopes, audience: tuple[str, ...]) -> Grants:
    missing = asked - within.scopes
    if missing:
        raise InvalidScope(
            f"not given on the resource: {missing}" if audience else f"not given by the roles: {missing}"
        )
    chosen = within.only(asked)
    # RFC 8707 §2.2: a resource that was named stays in the audience, even when the scopes belong to another
    return Grants({**chosen.by_resource, **{i: chosen.by_resource.get(i, Scopes()) for i in audience}})
