"""Why was it refused? Explain a refusal for the log and for operators, in words that say what would mend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import select

from app.access.scopes import Scopes
from app.actions.tokens.inspect import find_kind
from app.actions.tokens.verify import Verify
from app.clock import Clock
from app.credentials.kind import Address, Claims, CredentialKind, Description, SecretKind
from app.credentials.reasons import Reason
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.crypto.opaque import prefix_of
from app.database.store import Store
from app.models import Resource

NO_SCOPES = Scopes()
WORDS: dict[Reason, str] = {
    Reason.MISSING: "No credential was sent: send it in the Authorization header.",
    Reason.MALFORMED: "This is not in a format that this server issues: copy the whole credential.",
    Reason.UNKNOWN: "This server never issued it, or it was deleted: check the server, and issue another one.",
    Reason.EXPIRED: "It has expired: renew it or get another one.",
    Reason.REVOKED: "It was revoked: issue another one.",
    Reason.DISABLED: "It, its owner or its source is disabled or gone: enable that, or use another credential.",
    Reason.SUPERSEDED: "It was replaced by a newer secret: use the newer one.",
    Reason.BAD_SIGNATURE: "This server did not sign it: get a token from the issuer that the API trusts.",
    Reason.UNKNOWN_RESOURCE: "No resource has this identifier: correct it where the gateway or the API names it.",
    Reason.WRONG_RESOURCE: "It is valid for another resource: use a credential for this one.",
    Reason.INSUFFICIENT_SCOPE: "It lacks a scope that is needed: have a role or the credential carry it.",
    Reason.WRONG_NETWORK: "Its networks do not contain the caller's address: add the network, or call from one.",
    Reason.RATE_LIMITED: "Its rate limit is spent: wait until the window ends, or raise the limit.",
    Reason.INVALID_PROOF: "The sender did not prove the key or certificate to which it is bound: send that proof.",
    Reason.BAD_CLIENT: "The client is unknown, or its authentication is wrong: check its id, secret or key.",
    Reason.INVALID_REQUEST: "The request is not valid: its error description names what to correct.",
}
NOT_FOR_CALLS = "A secret of this kind cannot call an API: get an access token with it."
REASON_OF_STATUS = {
    "malformed": Reason.MALFORMED,
    "unknown": Reason.UNKNOWN,
    "expired": Reason.EXPIRED,
    "revoked": Reason.REVOKED,
    "disabled": Reason.DISABLED,
    "superseded": Reason.SUPERSEDED,
}


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it was presented, and what for. `caller` is the client id of the server that introspects."""

    token: str = field(repr=False)
    resource: str = ""
    scopes: Scopes = NO_SCOPES
    address: Address | None = None
    caller: str = ""


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
        return self.explain_verdict(presented, self._verify(presented.token))

    def explain_verdict(self, presented: Presented, claims: Claims | None) -> Explanation | None:
        """Like a call, with the claims that verification returned: a known credential is not looked up again."""
        return self._explain_inactive(presented.token) if claims is None else self._explain_claims(presented, claims)

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
        )

    def _explain_inactive(self, token: str) -> Explanation | None:
        kind = find_kind(self._secrets, token) if len(token) <= MAX_TOKEN_LENGTH else None
        if kind is None:
            return _explain(Reason.MALFORMED) if prefix_of(token) is None else _reject_kind(None)
        with self._store.reading() as session:
            found = kind.describe(session, token, self._clock())
        if found is None:
            return _explain(Reason.UNKNOWN)
        if found.status == "active":
            return None if kind in self._kinds else _reject_kind(found)
        signed_elsewhere = found.status == "unknown" and token.startswith("eyJ")
        return _explain(Reason.BAD_SIGNATURE if signed_elsewhere else REASON_OF_STATUS[found.status], found)

    def _explain_claims(self, presented: Presented, claims: Claims) -> Explanation | None:
        known = self.describe_claims(claims)
        granted = claims
        if presented.resource:
            cut = claims.cut_to(frozenset({presented.resource}))
            if cut is None:
                return _explain(self.reason_of_resource(presented.resource), known)
            granted = cut
        if presented.address is not None and not claims.allows_address(presented.address):
            return _explain(Reason.WRONG_NETWORK, known)
        return _explain(Reason.INSUFFICIENT_SCOPE, known) if presented.scopes - granted.scopes else None

    def reason_of_resource(self, identifier: str) -> Reason:
        """Return whether a refused resource is unknown, or another one than the credential is for."""
        with self._store.reading() as session:
            found = session.scalar(select(Resource.id).where(Resource.identifier == identifier))
        return Reason.WRONG_RESOURCE if found else Reason.UNKNOWN_RESOURCE


class Refusals:
    """Explain each refusal for its log line, and pass it to the observers."""

    def __init__(self, explain: ExplainRefusal, observers: Sequence[Observer] = ()) -> None:
        self._explain = explain
        self._observers = observers

    def note(
        self, presented: Presented, claims: Claims | None = None, stated: Reason | None = None
    ) -> Explanation | None:
        """Explain a refusal: `claims` are what verification returned, `stated` is a reason that is known already.

        None if the credential became valid meanwhile, or the database fails: neither may change the answer.
        """
        explanation = None
        with suppress(Exception):
            explanation = self._find_reason(presented, claims, stated)
        if explanation is not None:
            for observer in self._observers:
                with suppress(Exception):
                    observer(presented, explanation)
        return explanation

    def _find_reason(self, presented: Presented, claims: Claims | None, stated: Reason | None) -> Explanation | None:
        if stated is None:
            return self._explain.explain_verdict(presented, claims)
        return _explain(stated, self._explain.describe_claims(claims) if claims else None)


def _explain(reason: Reason, found: Description | None = None) -> Explanation:
    return Explanation(reason, WORDS[reason], found)


def _reject_kind(found: Description | None) -> Explanation:
    return Explanation(Reason.INVALID_REQUEST, NOT_FOR_CALLS, found)
