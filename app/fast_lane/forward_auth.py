"""Forward-auth for a Bearer token or an API key that is let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.access.scopes import MalformedScope, Scopes
from app.actions.tokens.usage import FORWARD_AUTH, Origin, use_of
from app.compose import Actions
from app.credentials.kind import Address, Claims
from app.credentials.reasons import Reason
from app.crypto.confirmation import UNBOUND
from app.fast_lane.memory import Answer, CacheGeneration, Memory, digest_of
from app.fast_lane.origin import OriginReader
from app.fast_lane.shape import read_bearer, read_fields
from app.oauth.forward_auth import REFUSED, AccessRequest, Refusal, admit, identity_headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOWN = frozenset({"resource", "scope", "challenge"})
EMPTY_BODY = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", "0"),
)  # as Flask sends for an empty answer


class NotCommon(Exception):
    """The answer depends on a part of the request that the lane does not read."""


class ForwardAuthRoute:
    """Returns the cached answer to the same request, or decides it with the functions of the oauth package."""

    method: ClassVar[str] = "GET"

    def __init__(self, actions: Actions, memory: Memory) -> None:
        self._actions = actions
        self._memory = memory
        self._note_use = actions.usage.note_use  # looked up once
        self._read_origin = OriginReader(actions.settings, FORWARD_AUTH)

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer, None if the request is not of the common shape, or is refused."""
        token = read_bearer(environ)
        if token is None or environ.get("CONTENT_LENGTH", "0") not in ("", "0"):
            return None
        query: str = environ.get("QUERY_STRING", "")
        generation, now = self._memory.generation(), self._actions.clock()
        key = digest_of(b"forward-auth", token.encode(), query.encode())
        cached = generation.answers.get(key)
        if cached is None or not cached.is_fresh(now):
            try:
                return self._decide(generation, key, token, query, self._read_origin(environ))
            except Refusal as refusal:  # Flask renders it
                if isinstance(refusal.verdict, Reason):
                    environ[REFUSED] = refusal.verdict
                return None
        if cached.use is not None:
            self._note_use(cached.use, now, self._read_origin(environ))
        return cached

    def _decide(self, generation: CacheGeneration, key: bytes, token: str, query: str, origin: Origin) -> Answer | None:
        fields = read_fields(query, KNOWN)
        if not fields or "resource" not in fields:
            return None
        try:
            wanted = AccessRequest(fields["resource"], Scopes.parse(fields.get("scope", "")))
            claims = admit(self._actions, wanted, token, False, _refuse_bound, _refuse_networks, _log_nothing)
        except (MalformedScope, NotCommon):
            return None
        answer = _build_answer(claims, wanted)
        self._actions.usage.note(claims, origin)
        if claims.rate_limit is None:  # with a rate limit each use has to be counted
            generation.answers.put(key, answer)
        return answer


def create_route(actions: Actions, memory: Memory) -> ForwardAuthRoute | None:
    """Return the route; None if an API key may be sent in a parameter that has another meaning here."""
    return None if actions.settings.forward_auth_query_key in KNOWN else ForwardAuthRoute(actions, memory)


def _build_answer(claims: Claims, wanted: AccessRequest) -> Answer:
    head = (*identity_headers(claims, wanted).items(), *EMPTY_BODY)
    return Answer(head, b"", claims.credential_id, None, use_of(claims), claims.valid_until, kind=claims.kind)


def _refuse_bound(claims: Claims) -> None:
    """Leave a sender-constrained token to Flask, which reads proofs and certificates."""
    if claims.confirmation != UNBOUND:
        raise NotCommon


def _refuse_networks() -> Address | None:
    """Leave a key that is restricted to networks to Flask, which reads X-Forwarded-For."""
    raise NotCommon


def _log_nothing(credential_id: str, kind: str) -> None:
    """Log nothing: the answer carries the id, and Flask logs what it answers."""
