"""Introspection of any token by a client with a secret (RFC 7662)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from app.actions.tokens.usage import origin_of, use_of
from app.clock import earliest
from app.compose import Actions
from app.fast_lane.client import authenticate
from app.fast_lane.memory import Answer, CacheGeneration, Head, Memory, digest_of
from app.fast_lane.shape import read_body, read_fields
from app.oauth.introspection import INACTIVE, INACTIVE_TEXT, client_caller, introspect
from app.operations import metrics
from app.settings.addresses import read_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOWN = frozenset({"token", "token_type_hint", "client_ip"})


class IntrospectionRoute:
    """Returns the cached answer to the same request, or decides it with the functions of the oauth package."""

    method: ClassVar[str] = "POST"

    def __init__(self, actions: Actions, memory: Memory) -> None:
        self._actions = actions
        self._memory = memory
        self._note_use = actions.usage.note_use  # looked up once

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer, None if the request is not of the common shape."""
        authorization, body = environ.get("HTTP_AUTHORIZATION"), read_body(environ)
        if authorization is None or body is None:
            return None
        generation, now = self._memory.generation(), self._actions.clock()
        key = digest_of(b"introspect", authorization.encode(), body)
        cached = generation.answers.get(key)
        if cached is None or not cached.is_fresh(now):
            return self._decide(generation, key, authorization, body)
        if cached.use is not None:
            self._note_use(cached.use, now, cached.origin)
        return cached

    def _decide(self, generation: CacheGeneration, key: bytes, authorization: str, body: bytes) -> Answer | None:
        actions, fields = self._actions, read_fields(body.decode("latin-1"), KNOWN)
        authenticated = authenticate(actions, generation, authorization, actions.clock()) if fields else None
        if authenticated is None or not fields or "token" not in fields:
            return None
        client = authenticated.client
        caller = authenticated.caller = authenticated.caller or client_caller(actions, client)
        try:
            client_ip = read_address(fields["client_ip"]) if "client_ip" in fields else None
        except ValueError:  # Flask answers with the reason
            return None
        refusal: dict[str, str] = {}
        members, claims = introspect(actions, fields["token"], caller, client_ip, refusal)
        text = INACTIVE_TEXT if members is INACTIVE else json.dumps(members).encode()
        adds = metrics.introspected_counter(claims.kind if claims else None)
        answer = Answer(json_headers(len(text)), text, adds=adds, client_id=client.client_id)
        if refusal:
            answer.refusal = refusal
        if claims is not None:
            answer.credential_id, answer.use, answer.kind = claims.credential_id, use_of(claims), claims.kind
            answer.origin = origin_of(client.client_id, client_ip)
            answer.until = earliest(client.valid_until, claims.valid_until)
            if claims.rate_limit is None:  # with a rate limit each use has to be counted
                generation.answers.put(key, answer)
        return answer


@lru_cache(maxsize=1024)
def json_headers(length: int) -> Head:
    """Return the headers of a JSON answer of so many bytes, in the order of the oauth package."""
    return (
        ("Content-Type", "application/json"),
        ("Cache-Control", "no-store"),
        ("Pragma", "no-cache"),
        ("Content-Length", str(length)),
    )
