"""Why was it refused? Explain a refusal for the log and for operators, in words that say what would mend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import bindparam, select

from app.access.scopes import Scopes
from app.actions.tokens.inspect import find_kind
from app.actions.tokens.single_use import explain_code
from app.actions.tokens.verify import Verify
from app.clock import Clock
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import Address, Claims, CredentialKind, Description, SecretKind, Verdict
from app.credentials.reasons import Reason
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.crypto.opaque import Prefix, prefix_of
from app.database.statements import batches
from app.database.store import Store
from app.models import Permission, Resource

NO_SCOPES = Scopes()
WORDS: dict[Reason, str] = {
    Reason.MISSING: "No credential was sent: send it in the Authorization header.",
    Reason.MALFORMED: "This is not in a format that this server issues: copy the whole credential.",
    Reason.UNKNOWN: "This server never issued it, or it was deleted: check the server, and issue another one.",
    Reason.EXPIRED: "It has expired: renew it or get another one.",
    Reason.REVOKED: "It was revoked: issue another one.",
    Reason.DISABLED: "It, its owner or its source is disabled or gone: enable that, or use another credential.",
    Reason.SUPERSEDED: "It was replaced by a newer secret: use the newer one.",
    Reason.USED: "It can be used once, and was: begin again to get another one.",
    Reason.BAD_SIGNATURE: "This server did not sign it as the issuer that is set (ISSUER): get a token of that one.",
    Reason.UNKNOWN_RESOURCE: "No resource has this identifier: correct it where the gateway or the API names it.",
    Reason.WRONG_RESOURCE: "It is valid for another resource: use a credential for this one.",
    Reason.INSUFFICIENT_SCOPE: "It lacks a scope that is needed: have a role or the credential carry it.",
    Reason.WRONG_KIND: "A credential of its kind cannot be used for this: use one of another kind.",
    Reason.WRONG_CLIENT: "It was issued to another client: only that one can use it.",
    Reason.WRONG_NETWORK: "Its networks do not contain the caller's address: add the network, or call from one.",
    Reason.RATE_LIMITED: "Its rate limit is spent: wait until the window ends, or raise the limit.",
    Reason.UNAVAILABLE: "The server was busy or could not use its database: try again.",
    Reason.INVALID_PROOF: "The sender did not prove the key or certificate to which it is bound: send that proof.",
    Reason.BAD_CLIENT: "The client is unknown, or its authentication is wrong: check its id, secret or key.",
    Reason.BAD_LOGIN: "The username is unknown, or the password is wrong: check both.",
    Reason.DENIED: "The user did not agree: ask again, and for what the user expects.",
    Reason.INVALID_REQUEST: "The request is not valid: its error description names what to correct.",
}
UNKNOWN_SCOPE = "No API of this server has this scope: {}. Correct it where it is asked for, or add the permission."
REASON_OF_STATUS = {
    "malformed": Reason.MALFORMED,
    "unknown": Reason.UNKNOWN,
    "expired": Reason.EXPIRED,
    "revoked": Reason.REVOKED,
    "disabled": Reason.DISABLED,
    "superseded": Reason.SUPERSEDED,
}
_RESOURCE = CompiledSelect(select(Resource.id).where(Resource.identifier == bindparam("identifier")))


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was presented, and what for.

    `caller` is the client id of the server that introspects; `server` is which endpoint of ours refused, if not
    forward-auth; `request_id` is that of the request.
    """

    token: str = field(repr=False)
    resource: str = ""
    scopes: Scopes = NO_SCOPES
    address: Address | None = None
    caller: str = ""
    server: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why it was refused, what would mend it, and which credential it is if that is known."""

    reason: Reason
    text: str
    credential: Description | None = None


Observer = Callable[[Presented, Explanation], None]


class ExplainRefusal:
    """Find the reason for which a credential is refused; a malformed one costs no query."""

    def __init__(
        self, store: Store, kinds: Sequence[CredentialKind], secrets: Sequence[SecretKind], verify: Verify, clock: Clock
    ) -> None:
        """Take all secrets that can be looked up, and the kinds that can be used to call an API."""
        self._store = store
        self._kinds = kinds
        self._secrets = secrets
        self._verify = verify
        self._clock = clock

    def __call__(self, presented: Presented) -> Explanation | None:
        """Return why this would be refused now; None if it would be accepted."""
        found = self.explain_verdict(presented, self._verify(presented.token))
        if found is not None and found.reason is Reason.INSUFFICIENT_SCOPE:
            unknown = presented.scopes - self._known_scopes(presented.scopes)
            return replace(found, text=UNKNOWN_SCOPE.format(unknown)) if unknown else found
        return found

    def explain_verdict(
        self, presented: Presented, verdict: Verdict, otherwise: Reason | None = None
    ) -> Explanation | None:
        """Like a call, with what verification returned: what it learnt is not looked up again.

        `otherwise` is the reason where the credential itself would be accepted.
        """
        if isinstance(verdict, Reason):
            return _explain(verdict)
        if verdict is None:
            return self._explain_inactive(presented.token, otherwise)
        reason = self._reason_of_claims(presented, verdict) or otherwise
        return None if reason is None else _explain(reason, self.describe_claims(verdict))

    def explain_grant(self, token: str, client_id: str, known: Description | None, otherwise: Reason) -> Explanation:
        """Return why this client gets nothing for a code or a refresh token; `otherwise` is the reason for a good one.

        `known` is what was known of a refresh token before its use ended its grant.
        """
        prefix = prefix_of(token)
        if prefix in (Prefix.AUTHORIZATION_CODE, Prefix.DEVICE_CODE):
            with self._store.connection() as connection:
                return _explain(explain_code(connection, prefix, token, client_id, self._clock()) or otherwise)
        if prefix is not Prefix.REFRESH_TOKEN:
            return _explain(_reason_of_shape(token))
        found = known or self._describe(token)
        if found is None:
            return _explain(Reason.UNKNOWN)
        if found.status != "active":
            return _explain(REASON_OF_STATUS[found.status], found)
        return _explain(otherwise if found.client_id == client_id else Reason.WRONG_CLIENT, found)

    def explain_client(self, secret: str) -> Explanation:
        """Return why a client was not authenticated by this secret: it has ended, its client has, or it is wrong."""
        found = self._describe(secret) if prefix_of(secret) else None
        if found is None:
            return _explain(Reason.BAD_CLIENT)
        if found.status != "active":
            return _explain(REASON_OF_STATUS[found.status], found)
        own = found.credential_type == Prefix.CLIENT_SECRET.kind
        return _explain(Reason.BAD_CLIENT if own else Reason.WRONG_KIND, found)

    def _known_scopes(self, scopes: Scopes) -> Scopes:
        name = Permission.name
        with self._store.connection() as connection:
            found = [connection.scalars(select(name).where(name.in_(some))).all() for some in batches([*scopes])]
        return Scopes.of(*(known for some in found for known in some))

    def describe_claims(self, claims: Claims) -> Description:
        """Return what claims say of their credential, without a query."""
        target = next((kind.target for kind in self._kinds if kind.name == claims.kind), None)
        return Description(
            "active",
            None,
            claims.kind,
            claims.credential_id,
            exchanged=claims.exchanged,
            target=target,
            counted=claims.counted,
            client_id=claims.client_id or claims.actor,
        )

    def _describe(self, token: str) -> Description | None:
        kind = find_kind(self._secrets, token)
        with self._store.reading() as session:
            return kind.describe(session, token, self._clock()) if kind else None

    def _explain_inactive(self, token: str, otherwise: Reason | None) -> Explanation | None:
        kind = find_kind(self._secrets, token) if len(token) <= MAX_TOKEN_LENGTH else None
        if kind is None:
            return _explain(_reason_of_shape(token))
        found = self._describe(token)
        if found is None:
            return _explain(Reason.UNKNOWN)
        if found.status == "active":
            reason = otherwise if kind in self._kinds else Reason.WRONG_KIND
            return None if reason is None else _explain(reason, found)
        signed_elsewhere = found.status == "unknown" and token.startswith("eyJ")
        return _explain(Reason.BAD_SIGNATURE if signed_elsewhere else REASON_OF_STATUS[found.status], found)

    def _reason_of_claims(self, presented: Presented, claims: Claims) -> Reason | None:
        granted = claims
        if presented.resource:
            cut = claims.cut_to(frozenset({presented.resource}))
            if cut is None:
                return self.reason_of_resource(presented.resource)
            granted = cut
        if presented.address is not None and not claims.allows_address(presented.address):
            return Reason.WRONG_NETWORK
        return Reason.INSUFFICIENT_SCOPE if presented.scopes - granted.scopes else None

    def reason_of_resource(self, identifier: str) -> Reason:
        """Return whether a refused resource is unknown, or another one than the credential is for."""
        with self._store.connection() as connection:
            found = _RESOURCE.rows(connection, identifier=identifier)
        return Reason.WRONG_RESOURCE if found else Reason.UNKNOWN_RESOURCE


class Refusals:
    """Explain each refusal for its log line, and pass it to the observers."""

    def __init__(self, explain: ExplainRefusal, observers: Sequence[Observer] = ()) -> None:
        self._explain = explain
        self._observers = observers

    def note(
        self,
        presented: Presented,
        verdict: Verdict = None,
        stated: Reason | None = None,
        otherwise: Reason | None = None,
    ) -> Explanation | None:
        """Explain a refusal: `verdict` is what verification returned, `stated` is a reason that is known already.

        `otherwise` is the reason where the credential itself would be accepted. None if the credential became valid
        meanwhile, or the database fails: neither may change the answer.
        """

        def find_reason() -> Explanation | None:
            if stated is None:
                return self._explain.explain_verdict(presented, verdict, otherwise)
            return _explain(stated, self._explain.describe_claims(verdict) if isinstance(verdict, Claims) else None)

        return self._observe(presented, find_reason)

    def note_grant(
        self, presented: Presented, client_id: str, stated: Reason | None = None, known: Description | None = None
    ) -> Explanation | None:
        """Explain why a client got nothing for a code or a refresh token: what it is, or the rest of the request."""

        def find_reason() -> Explanation:
            otherwise = stated or Reason.INVALID_REQUEST
            found = self._explain.explain_grant(presented.token, client_id, known, otherwise)
            return found if stated is None else _explain(stated, found.credential)

        return self._observe(presented, find_reason)

    def note_client(self, presented: Presented) -> Explanation | None:
        """Explain why a client was not authenticated by a secret."""
        return self._observe(presented, partial(self._explain.explain_client, presented.token))

    def _observe(self, presented: Presented, find_reason: Callable[[], Explanation | None]) -> Explanation | None:
        try:
            explanation = find_reason()
        except Exception:
            return None
        if explanation is not None:
            for observer in self._observers:
                with suppress(Exception):
                    observer(presented, explanation)
        return explanation


def _reason_of_shape(token: str) -> Reason:
    """Return why a text that is not of a kind that can be looked up is refused."""
    return Reason.MALFORMED if prefix_of(token) is None else Reason.WRONG_KIND


def _explain(reason: Reason, found: Description | None = None) -> Explanation:
    return _OF_REASON[reason] if found is None else Explanation(reason, WORDS[reason], found)


_OF_REASON = {reason: Explanation(reason, text) for reason, text in WORDS.items()}  # where no credential is known
