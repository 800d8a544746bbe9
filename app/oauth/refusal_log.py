"""Explain the errors of the OAuth endpoints in the log, after the answer was made; the answer stays as it is."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, g

from app.actions.tokens.refusals import Explanation, Presented
from app.compose import Actions
from app.credentials.reasons import Reason
from app.http.refusal import log_refusal
from app.oauth.form_reader import FormRequest

PENDING = "authorization_pending"  # no refusal: the device asks again
REASONS = {
    "invalid_client": Reason.BAD_CLIENT,
    "unauthorized_client": Reason.BAD_CLIENT,
    "invalid_scope": Reason.INSUFFICIENT_SCOPE,
    "insufficient_scope": Reason.INSUFFICIENT_SCOPE,
    "invalid_dpop_proof": Reason.INVALID_PROOF,
    "use_dpop_nonce": Reason.INVALID_PROOF,
    "temporarily_unavailable": Reason.RATE_LIMITED,
    "slow_down": Reason.RATE_LIMITED,
    "expired_token": Reason.EXPIRED,
}
LOOKED_UP = ("refresh_token", "subject_token")  # credentials in a form, whose refusal can be explained


def register(blueprint: Blueprint, actions: Actions) -> None:
    """Explain each error in JSON."""

    @blueprint.after_request
    def explain(response: Response) -> Response:
        with suppress(Exception):
            _explain_answer(response, actions)
        return response


def _explain_answer(response: Response, actions: Actions) -> None:
    if response.status_code < 400 or not response.is_json:
        return
    error = response.get_json()["error"]
    if error != PENDING:
        form: FormRequest | None = g.get("oauth_form")
        resource = form.form.get("resource", "") if form else ""
        log_refusal(error, _find_explanation(error, form, resource, actions), resource)


def _find_explanation(error: str, form: FormRequest | None, resource: str, actions: Actions) -> Explanation | None:
    note = actions.refusals.note
    if error == "invalid_token" and form is not None:
        presented = Presented(form.context.credentials, actions.settings.management_identifier)
        return note(presented, actions.verify(presented.token)) or note(presented, stated=Reason.INVALID_PROOF)
    if error == "invalid_target":
        return note(Presented("", resource), stated=actions.explain_refusal.reason_of_resource(resource))
    token = next((form.form[name] for name in LOOKED_UP if name in form.form), "") if form else ""
    if token and error not in REASONS:
        found = note(Presented(token, resource))
        if found is not None:
            return found
    return note(Presented(token, resource), stated=REASONS.get(error, Reason.INVALID_REQUEST))
