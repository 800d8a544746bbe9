"""Explain the errors of the OAuth endpoints in the log, after the answer was made; the answer stays as it is."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, g, request

from app.actions.tokens.refusals import Explanation, Presented
from app.actions.tokens.usage import MANAGEMENT_API, TOKEN_ENDPOINT
from app.compose import Actions
from app.credentials.kind import Claims, Description, Verdict
from app.credentials.reasons import Reason
from app.errors import InvalidSubject
from app.http.envelope import CLIENT
from app.http.refusal import log_refusal
from app.models.grant_types import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from app.oauth.caller import anonymous_actor
from app.oauth.client import JWT_BEARER, TOKEN_EXCHANGE
from app.oauth.client_authentication import claimed_client_id
from app.oauth.form_reader import FormRequest

UNAVAILABLE = 503
PENDING = "authorization_pending"  # no refusal: the device asks again
REASONS = {
    "invalid_client": Reason.BAD_CLIENT,
    "unauthorized_client": Reason.BAD_CLIENT,
    "access_denied": Reason.DENIED,
    "invalid_scope": Reason.INSUFFICIENT_SCOPE,
    "invalid_dpop_proof": Reason.INVALID_PROOF,
    "use_dpop_nonce": Reason.INVALID_PROOF,
    "temporarily_unavailable": Reason.RATE_LIMITED,
    "slow_down": Reason.RATE_LIMITED,
    "expired_token": Reason.EXPIRED,
}
OF_BEARER = ("invalid_token", "insufficient_scope", "invalid_dpop_proof", "use_dpop_nonce")
TRADED: dict[str, str] = {
    AUTHORIZATION_CODE: "code",
    REFRESH_TOKEN: "refresh_token",
    DEVICE_CODE: "device_code",
}  # for tokens


def register(blueprint: Blueprint, actions: Actions) -> None:
    """Explain each error in JSON."""

    @blueprint.after_request
    def explain(response: Response) -> Response:
        with suppress(Exception):
            _explain_answer(response, actions)
        return response


def note_unauthenticated(actions: Actions, form: FormRequest, secret: str) -> None:
    """Explain why a client was not authenticated, and record it; raises TooManyRequests above a limit."""
    presented, actor = _present(form, secret), anonymous_actor(form.context)
    explanation = actions.refusals.note_client(presented)
    actions.reuse.note(presented, explanation)
    g.claimed_client = actions.authenticate_client.record_failure(actor, claimed_client_id(form))
    g.explanation = explanation


def _explain_answer(response: Response, actions: Actions) -> None:
    if response.status_code < 400 or not response.is_json:
        return
    error = response.get_json()["error"]
    if error != PENDING:
        form: FormRequest | None = g.get("oauth_form")
        resource = form.form.get("resource", "") if form else ""
        if response.status_code == UNAVAILABLE:
            explanation = actions.refusals.note(Presented("", resource), stated=Reason.UNAVAILABLE)
        else:
            explanation = g.get("explanation") or _find_explanation(error, form, resource, actions)
        log_refusal(error, explanation, resource, g.get("claimed_client"))


def _find_explanation(error: str, form: FormRequest | None, resource: str, actions: Actions) -> Explanation | None:
    if form is None:
        return actions.refusals.note(Presented("", resource), stated=Reason.INVALID_REQUEST)
    if "bearer" in g and error in OF_BEARER:
        return _explain_bearer(error, form, g.bearer, actions)
    stated, grant = REASONS.get(error), form.form.get("grant_type", "")
    if error == "invalid_target":
        stated = actions.explain_refusal.reason_of_resource(resource)
    if grant == TOKEN_EXCHANGE and "subject_token" in form.form and "refused" in g:
        return _explain_exchange(form, resource, stated, actions)
    if CLIENT in request.environ and form.form.get(TRADED.get(grant, "")) and error != "unauthorized_client":
        return _explain_grant(form, form.form[TRADED[grant]], stated, actions)
    if error == "invalid_client" and form.context.authorization is None and not claimed_client_id(form):
        stated = Reason.MISSING
    if error == "invalid_grant" and grant == JWT_BEARER:
        stated = Reason.BAD_CLIENT  # the assertion is how the client authenticates
    return actions.refusals.note(_present(form, "", resource), stated=stated or Reason.INVALID_REQUEST)


def _explain_bearer(error: str, form: FormRequest, verdict: Verdict, actions: Actions) -> Explanation | None:
    """Explain why the caller's own token was refused."""
    management = actions.settings.management_identifier
    presented, note = _present(form, form.context.credentials, management, MANAGEMENT_API), actions.refusals.note
    if error == "invalid_token":
        explanation = note(presented, verdict, otherwise=Reason.INVALID_PROOF)
        actions.reuse.note(presented, explanation)
        return explanation
    through_app = isinstance(verdict, Claims) and verdict.through_app
    lacking = Reason.WRONG_KIND if through_app else Reason.INSUFFICIENT_SCOPE
    return note(presented, verdict, lacking if error == "insufficient_scope" else Reason.INVALID_PROOF)


def _explain_exchange(form: FormRequest, resource: str, stated: Reason | None, actions: Actions) -> Explanation | None:
    """Explain why a subject_token was not exchanged."""
    presented, note = _present(form, form.form["subject_token"], resource), actions.refusals.note
    verdict: Verdict = g.refused.verdict
    if not isinstance(g.refused, InvalidSubject):
        return note(presented, verdict, stated or Reason.INVALID_REQUEST)
    if isinstance(verdict, Claims):
        allowed = verdict.allows_address(presented.address)
        return note(presented, verdict, Reason.EXPIRED if allowed else Reason.WRONG_NETWORK)
    explanation = note(presented, verdict, otherwise=Reason.WRONG_KIND)
    actions.reuse.note(presented, explanation)
    return explanation


def _explain_grant(form: FormRequest, token: str, stated: Reason | None, actions: Actions) -> Explanation | None:
    """Explain why an authenticated client got no tokens for a code or a refresh token."""
    presented, verdict = _present(form, token), getattr(g.get("refused"), "verdict", None)
    if isinstance(verdict, Reason):
        return actions.refusals.note(presented, verdict)
    known = verdict if isinstance(verdict, Description) else None
    return actions.refusals.note_grant(presented, request.environ[CLIENT], stated, known)


def _present(form: FormRequest, token: str, resource: str = "", server: str = TOKEN_ENDPOINT) -> Presented:
    context = form.context
    return Presented(token, resource, address=context.address, server=server, request_id=context.id)
