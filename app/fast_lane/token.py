"""The client-credentials grant of a client with a secret (RFC 6749 §4.4)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from app.actions.tokens.issue import Decision
from app.actions.tokens.usage import TOKEN_ENDPOINT, Origin, use_at
from app.clock import earliest
from app.compose import Actions
from app.credentials.m2m import MachineTokens
from app.errors import GrantRefused
from app.fast_lane.client import authenticate
from app.fast_lane.introspection import json_headers
from app.fast_lane.memory import Answer, CachedDecision, CacheGeneration, Memory, digest_of
from app.fast_lane.origin import OriginReader
from app.fast_lane.shape import read_body, read_fields
from app.models.grant_types import CLIENT_CREDENTIALS
from app.oauth.client_credentials import render_token
from app.operations import metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

KNOWN = frozenset({"grant_type", "scope", "resource"})
KIND = MachineTokens.name
PLACEHOLDER = "<token>"  # the first value of the answer: no scope precedes it


class TokenRoute:
    """Signs a new token for the cached decision of the same request."""

    method: ClassVar[str] = "POST"

    def __init__(self, actions: Actions, memory: Memory) -> None:
        self._actions = actions
        self._memory = memory
        self._note_use, self._issue = actions.usage.note_use, actions.issue_machine_token.sign_at  # looked up once
        self._read_origin = OriginReader(actions.settings, TOKEN_ENDPOINT)
        self._adds = metrics.issued_counter(KIND)
        self._answers_browsers = bool(actions.settings.allowed_origins)

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer, None if the request is not of the common shape."""
        if self._answers_browsers and "HTTP_ORIGIN" in environ:
            return None
        authorization, body = environ.get("HTTP_AUTHORIZATION"), read_body(environ)
        if authorization is None or body is None:
            return None
        generation, now = self._memory.generation(), self._actions.clock()
        key = digest_of(b"token", authorization.encode(), body)
        cached = generation.decisions.get(key)
        if cached is None or not cached.is_fresh(now):
            cached = self._decide(generation, key, authorization, body)
        try:
            return None if cached is None else self._sign(cached, now, self._read_origin(environ))
        except GrantRefused:  # the token would be too long
            return None

    def _decide(
        self, generation: CacheGeneration, key: bytes, authorization: str, body: bytes
    ) -> CachedDecision | None:
        actions, fields = self._actions, read_fields(body.decode("latin-1"), KNOWN)
        if not fields or fields.get("grant_type") != CLIENT_CREDENTIALS:
            return None
        authenticated = authenticate(actions, generation, authorization, actions.clock())
        if authenticated is None:
            return None
        client = authenticated.client
        if client.sender_constrained or CLIENT_CREDENTIALS not in client.grant_types:
            return None
        resources = [fields["resource"]] if "resource" in fields else []
        try:
            decide = actions.issue_machine_token.decide
            decision = decide(client.row_id, client.client_id, fields.get("scope"), resources)
        except GrantRefused:
            return None
        until = earliest(client.valid_until, decision.until)
        use = use_at((MachineTokens.counted_as, client.row_id), decision.audience)
        cached = CachedDecision(client, decision, _render_around(decision), until, use)
        generation.decisions.put(key, cached)
        return cached

    def _sign(self, cached: CachedDecision, at: datetime, origin: Origin) -> Answer:
        issued = self._issue(cached.decision, at)
        self._note_use(cached.use, at, origin)
        text, client_id = issued.token.encode().join(cached.around), cached.client.client_id
        return Answer(json_headers(len(text)), text, issued.credential_id, self._adds, client_id=client_id, kind=KIND)


def _render_around(decision: Decision) -> tuple[bytes, bytes]:
    """Render the JSON around the token, which is base64url and dots: JSON escapes none of it."""
    answer = json.dumps(render_token(decision.answer(PLACEHOLDER, ""))).encode()
    opening, _, closing = answer.partition(PLACEHOLDER.encode())
    return opening, closing
