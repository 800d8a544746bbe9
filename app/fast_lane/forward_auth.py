"""Forward-auth for a Bearer token or an API key that may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.access.scopes import MalformedScope, Scopes
from app.actions.tokens.usage import use_of
from app.compose import Actions
from app.credentials.kind import Address, Claims
from app.crypto.confirmation import UNBOUND
from app.fast_lane.memory import Answer, Memory, Standing, key_of
from app.fast_lane.shape import bearer, fields
from app.oauth.forward_auth import Asked, Refusal, admit, headers_of

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOWN = frozenset({"resource", "scope", "challenge"})
ENDING = (("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "0"))  # Flask's, of an empty answer


class NotCommon(Exception):
    """What depends on more than the lane reads."""


class ForwardAuth:
    """Gives the kept answer to the very same question, or looks, with the functions of the oauth room."""

    method: ClassVar[str] = "GET"

    def __init__(self, known: Actions, memory: Memory) -> None:
        self._known = known
        self._memory = memory

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Answer."""
        token = bearer(environ)
        if token is None or environ.get("CONTENT_LENGTH", "0") not in ("", "0"):
            return None
        query: str = environ.get("QUERY_STRING", "")
        standing, now = self._memory.standing(), self._known.clock()
        key = key_of(b"forward-auth", token.encode(), query.encode())
        kept = standing.answers.get(key)
        if kept is None or not kept.stands(now):
            return self._look(standing, key, token, query)
        if kept.use is not None:
            self._known.usage.note_row(kept.use, now)
        return kept

    def _look(self, standing: Standing, key: bytes, token: str, query: str) -> Answer | None:
        asked = fields(query, KNOWN)
        if not asked or "resource" not in asked:
            return None
        try:
            wanted = Asked(asked["resource"], Scopes.parse(asked.get("scope", "")))
            claims = admit(self._known, wanted, token, False, _unbound, _peer, _nothing)
        except (MalformedScope, Refusal, NotCommon):
            return None
        answer = _answer(claims, wanted)
        if claims.rate_limit is None:  # a use of those that have one is counted each time
            standing.answers.put(key, answer)
        return answer


def forward_auth(known: Actions, memory: Memory) -> ForwardAuth | None:
    """Make the road; none where a key may come under a name that means something else here."""
    return None if known.settings.forward_auth_query_key in KNOWN else ForwardAuth(known, memory)


def _answer(claims: Claims, asked: Asked) -> Answer:
    head = (*headers_of(claims, asked).items(), *ENDING)
    return Answer(head, b"", claims.credential_id, None, use_of(claims), claims.valid_until)


def _unbound(claims: Claims) -> None:
    """Leave a token that is bound to its holder to who reads the proof."""
    if claims.confirmation != UNBOUND:
        raise NotCommon


def _peer() -> Address | None:
    """Leave a key with networks to who knows the proxies."""
    raise NotCommon


def _nothing(credential_id: str, kind: str) -> None:
    """Note nothing yet: who gives way has another note it."""
