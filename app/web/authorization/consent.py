"""The question whether an app may act for the user: who the app is, and which scopes of which API it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Response, url_for

from app.actions.delegation.consents import AskedScope, ConsentQuestion
from app.actions.sign_in.sessions import SignedIn
from app.errors import LatchkeyError
from app.web import form
from app.web.visitors import continues_a_request

TEMPLATE = "authorization/consent.html"
SCOPES, DECISION, ALLOW, DENY = "scopes", "decision", "allow", "deny"


@dataclass(frozen=True, slots=True)
class AskedApi:
    """The scopes of one API that an app asks for."""

    name: str
    identifier: str
    scopes: Sequence[AskedScope]


def render_consent(
    question: ConsentQuestion,
    signed_in: SignedIn,
    return_path: str,
    refusal: LatchkeyError | None = None,
    **values: Any,
) -> Response:
    """Render the question with every scope ticked, or as the answer that was refused has them.

    `return_path` opens the question again, for a user who signs in with another account first.
    """
    names = {scope.name for scope in question.scopes}
    return form.render(
        TEMPLATE,
        form.Refusal.of(refusal) if refusal else None,
        client=question.client,
        apis=group_by_api(question.scopes),
        bare=sorted(set(question.audience) - {scope.resource for scope in question.scopes}),
        ticked=names.intersection(form.sent_values(SCOPES)) if refusal else names,
        signed_in=signed_in,
        switch=url_for("sign_in.show_form", next=return_path, again=1) if continues_a_request(return_path) else "",
        **values,
    )


def group_by_api(scopes: Sequence[AskedScope]) -> list[AskedApi]:
    """Return the scopes by API, the APIs by name."""

    def api_of(scope: AskedScope) -> tuple[str, str]:
        return scope.resource_name, scope.resource

    ordered = sorted(scopes, key=lambda scope: (*api_of(scope), scope.name))
    return [AskedApi(name, identifier, list(group)) for (name, identifier), group in groupby(ordered, api_of)]
