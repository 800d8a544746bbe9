"""Explain in the log why an API of this server refused a caller; the answer stays as it is."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from flask import Flask, Response, g, request

from app.actions.tokens.refusals import Explanation, Presented
from app.actions.tokens.usage import MANAGEMENT_API
from app.compose import Actions
from app.credentials.kind import Claims
from app.credentials.reasons import Reason
from app.http.refusal import log_refusal
from app.http.request import read_request

ERRORS = {401: "unauthorized", 403: "insufficient_scope", 429: "rate_limited"}


def register(app: Flask, actions: Actions, prefix: str) -> None:
    """Explain each 401, 403 and 429 below a prefix."""
    app.after_request(partial(_explain_answer, actions, prefix))


def _explain_answer(actions: Actions, prefix: str, response: Response) -> Response:
    if response.status_code in ERRORS and request.path.startswith(f"{prefix}/"):
        with suppress(Exception):
            error = getattr(g.get("refused"), "error", None) or ERRORS[response.status_code]
            resource = actions.settings.management_identifier
            log_refusal(error, _find_explanation(actions, response.status_code, resource), resource)
    return response


def _find_explanation(actions: Actions, status: int, resource: str) -> Explanation | None:
    context, verdict, note = (
        read_request(request, actions.settings, actions.clock),
        g.get("verdict"),
        actions.refusals.note,
    )
    is_token = context.scheme in ("bearer", "dpop")
    token = context.credentials if is_token else ""
    presented = Presented(token, resource, address=context.address, server=MANAGEMENT_API, request_id=context.id)
    if status != 401:
        return note(presented, verdict, Reason.RATE_LIMITED if status == 429 else _reason_of_forbidding(verdict))
    if not is_token:
        return note(presented, stated=_reason_without_token(context.scheme))
    explanation = note(presented, verdict, otherwise=Reason.INVALID_PROOF)
    actions.reuse.note(presented, explanation)
    return explanation


def _reason_of_forbidding(verdict: object) -> Reason:
    """Return why an authenticated caller may not do this: a scope is missing, or no credential of its kind may."""
    if getattr(g.get("refused"), "scope", None):
        return Reason.INSUFFICIENT_SCOPE
    return Reason.WRONG_KIND if isinstance(verdict, Claims) else Reason.INVALID_REQUEST


def _reason_without_token(scheme: str) -> Reason:
    if not scheme:
        return Reason.MISSING
    return Reason.BAD_LOGIN if scheme == "basic" and g.get("takes_passwords") else Reason.WRONG_KIND
