"""The client-credentials grant of a client with a secret (RFC 6749 §4.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from app.actions.tokens.issue import Decision
from app.compose import Actions
from app.credentials.m2m import MachineTokens
from app.errors import GrantRefused
from app.fast_lane.introspection import json_head
from app.fast_lane.memory import Answer, Decided, Memory, Standing, key_of
from app.fast_lane.present import present
from app.fast_lane.shape import fields, posted
from app.oauth.client_credentials import members
from app.operations import metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

GRANT = "client_credentials"
KNOWN = frozenset({"grant_type", "scope", "resource"})
BLANK = "<token>"  # stands first in the answer: no scope comes before it


class Token:
    """Signs a fresh token for what was decided when the very same was asked before."""

    method: ClassVar[str] = "POST"

    def __init__(self, known: Actions, memory: Memory) -> None:
        self._known = known
        self._memory = memory
        self._adds = metrics.issuing(MachineTokens.name)
        self._answers_browsers = bool(known.settings.allowed_origins)

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Answer."""
        if self._answers_browsers and "HTTP_ORIGIN" in environ:
            return None
        authorization, body = environ.get("HTTP_AUTHORIZATION"), posted(environ)
        if authorization is None or body is None:
            return None
        standing, now = self._memory.standing(), self._known.clock()
        key = key_of(b"token", authorization.encode(), body)
        kept = standing.decisions.get(key)
        if kept is None or not kept.stands(now):
            kept = self._decide(standing, key, authorization, body)
        try:
            return None if kept is None else self._sign(kept)
        except GrantRefused:  # the token would be too long
            return None

    def _decide(self, standing: Standing, key: bytes, authorization: str, body: bytes) -> Decided | None:
        asked = fields(body.decode("latin-1"), KNOWN)
        if not asked or asked.get("grant_type") != GRANT:
            return None
        client = present(self._known, standing, authorization, self._known.clock())
        if client is None or client.known.sender_constrained:
            return None
        resources = [asked["resource"]] if "resource" in asked else []
        try:
            decide, who = self._known.issue_machine_token.decide, client.known
            decision = decide(who.row_id, who.client_id, asked.get("scope"), resources)
        except GrantRefused:
            return None
        decided = Decided(client.known, decision, _around(decision))
        standing.decisions.put(key, decided)
        return decided

    def _sign(self, decided: Decided) -> Answer:
        issued = self._known.issue_machine_token.sign(decided.decision)
        text = issued.token.encode().join(decided.around)
        return Answer(json_head(len(text)), text, issued.credential_id, self._adds, client_id=decided.client.client_id)


def _around(decision: Decision) -> tuple[bytes, bytes]:
    """Write the answer's JSON but for the token: that is base64url and dots, of which JSON escapes nothing."""
    opening, _, closing = json.dumps(members(decision.answer(BLANK, ""))).encode().partition(BLANK.encode())
    return opening, closing
