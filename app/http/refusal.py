"""Name in a request's own log line why it was refused; no answer says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from flask import request

from app.actions.tokens.refusals import Explanation
from app.http.envelope import CREDENTIAL, REFUSAL
from app.operations import metrics

LONGEST_RESOURCE = 300  # characters
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/%\[\]-]+")  # no user, query or fragment: may be secret


def log_refusal(error: str, explanation: Explanation | None, resource: str = "", client_id: str | None = None) -> None:
    """Put the refusal into the log line of this request, and count it by its reason.

    `client_id` is a known client that the caller named and did not prove to be.
    """
    named = {"client_id": client_id} if client_id else {}
    set_refusal(refusal_fields(error, explanation, resource) | named)


def set_refusal(fields: Mapping[str, str]) -> None:
    """Put what is known of a refusal into the log line of this request, and count it by its reason."""
    if "reason" in fields:
        metrics.count_reason(fields["reason"])
    if "credential_id" in fields:
        request.environ.setdefault(CREDENTIAL, fields["credential_id"])
    request.environ[REFUSAL] = fields


def refusal_fields(error: str, explanation: Explanation | None, resource: str = "") -> dict[str, str]:
    """Return what a log line says of a refusal; who writes it counts it by its reason."""
    fields = {"error": error}
    if explanation is not None:
        fields["reason"] = explanation.reason.value
        known = explanation.credential
        if known is not None and known.id:
            fields["credential_id"] = known.id
        if known is not None and known.client_id:
            fields["client_id"] = known.client_id
    if resource:
        fields["resource"] = _shorten(resource)
    return fields


def _shorten(resource: str) -> str:
    """Return an identifier as it was sent; for anything else, which may be a secret, its length."""
    return resource if len(resource) <= LONGEST_RESOURCE and _is_identifier(resource) else f"<{len(resource)}>"


@lru_cache(maxsize=256)
def _is_identifier(resource: str) -> bool:
    return IDENTIFIER.fullmatch(resource) is not None
