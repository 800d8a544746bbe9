"""Introspection of any token by a client with a secret (RFC 7662)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from app.actions.tokens.usage import use_of
from app.clock import soonest
from app.compose import Actions
from app.fast_lane.memory import Answer, Head, Memory, Standing, key_of
from app.fast_lane.present import present
from app.fast_lane.shape import fields, posted
from app.oauth.introspection import caller_of, introspect
from app.operations import metrics
from app.settings.addresses import read_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOWN = frozenset({"token", "token_type_hint", "client_ip"})


class Introspection:
    """Gives the kept answer to the very same question, or looks, with the functions of the oauth room."""

    method: ClassVar[str] = "POST"

    def __init__(self, known: Actions, memory: Memory) -> None:
        self._known = known
        self._memory = memory

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Answer."""
        authorization, body = environ.get("HTTP_AUTHORIZATION"), posted(environ)
        if authorization is None or body is None:
            return None
        standing, now = self._memory.standing(), self._known.clock()
        key = key_of(b"introspect", authorization.encode(), body)
        kept = standing.answers.get(key)
        if kept is None or not kept.stands(now):
            return self._look(standing, key, authorization, body)
        if kept.use is not None:
            self._known.usage.again(kept.use, now)
        return kept

    def _look(self, standing: Standing, key: bytes, authorization: str, body: bytes) -> Answer | None:
        asked = fields(body.decode("latin-1"), KNOWN)
        client = present(self._known, standing, authorization, self._known.clock()) if asked else None
        if client is None or not asked or "token" not in asked:
            return None
        caller = client.caller = client.caller or caller_of(self._known, client.known)
        try:
            client_ip = read_address(asked["client_ip"]) if "client_ip" in asked else None
        except ValueError:  # Flask says what is wrong with it
            return None
        members, claims = introspect(self._known, asked["token"], caller, client_ip)
        text = json.dumps(members).encode()
        adds = metrics.introspecting(claims.kind if claims else None)
        answer = Answer(json_head(len(text)), text, adds=adds, client_id=client.known.client_id)
        if claims is not None:
            answer.credential_id, answer.use = claims.credential_id, use_of(claims)
            answer.until = soonest(client.known.valid_until, claims.stands_until)
            if claims.rate_limit is None:  # a use of those that have one is counted each time
                standing.answers.put(key, answer)
        return answer


@lru_cache(maxsize=1024)
def json_head(length: int) -> Head:
    """Give the headers of a JSON answer of so many bytes, in the order of the oauth room."""
    return (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
        ("Content-Length", str(length)),
    )
