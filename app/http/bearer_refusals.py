"""Explain in the log why an API of this server refused a caller; the answer stays as it is."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from flask import Flask, Response, g, request

from app.actions.tokens.refusals import Explanation, Presented
from app.compose import Actions
from app.credentials.reasons import Reason
from app.http.refusal import log_refusal

ERRORS = {401: "invalid_token", 403: "insufficient_scope", 429: "rate_limited"}


def register(app: Flask, actions: Actions, prefix: str) -> None:
    """Explain each 401, 403 and 429 below a prefix."""
    app.after_request(partial(_explain_answer, actions, prefix))


def _explain_answer(actions: Actions, prefix: str, response: Response) -> Response:
    if response.status_code in ERRORS and request.path.startswith(f"{prefix}/"):
        with suppress(Exception):
            sent = "Authorization" in request.headers
            error = ERRORS[response.status_code] if sent or response.status_code != 401 else "unauthorized"
            resource = actions.settings.management_identifier
            log_refusal(error, _find_explanation(actions, response.status_code, resource), resource)
    return response


def _find_explanation(actions: Actions, status: int, resource: str) -> Explanation | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_token, claims, note = scheme.lower() in ("bearer", "dpop"), g.get("claims"), actions.refusals.note
    presented = Presented(token.strip(" ") if is_token else "", resource)
    if status != 401:
        lacks = Reason.INSUFFICIENT_SCOPE if claims else Reason.INVALID_REQUEST
        return note(presented, claims, Reason.RATE_LIMITED if status == 429 else lacks)
    if not scheme:
        return note(presented, stated=Reason.MISSING)
    if not is_token:
        return note(presented, stated=Reason.BAD_CLIENT)
    return note(presented, claims) or note(presented, claims, Reason.INVALID_PROOF)
