"""What stands before every OAuth endpoint: a form, each parameter once, nothing in the URL (RFC 6749 §3.2)."""

from __future__ import annotations

from typing import Any, cast

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Request
from werkzeug.datastructures import MultiDict

REPEATABLE = frozenset({"resource", "audience"})  # RFC 8707 §2, RFC 8693 §2.1
FORM = "application/x-www-form-urlencoded"
KNOWN = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"}
    | {"audience", "token", "token_type_hint", "client_ip", "subject_token", "subject_token_type", "actor_token"}
    | {"actor_token_type", "requested_token_type"}
)


def read_form(request: Request) -> MultiDict[str, str]:
    """Give the form's parameters, those without a value left out (RFC 6749 §3.2).

    Raises InvalidRequestError for another content type, a parameter in the URL or twice.
    """
    if request.mimetype != FORM:
        raise InvalidRequestError("the body must be application/x-www-form-urlencoded")
    if any(name in KNOWN for name in request.args):
        raise InvalidRequestError("parameters belong into the body, not into the URL")
    given = [(name, value) for name, value in request.form.items(multi=True) if value]
    names = [name for name, _ in given if name not in REPEATABLE]
    if len(names) != len(set(names)):
        raise InvalidRequestError("a parameter is repeated")
    return MultiDict(given)


def form_of(request: object) -> MultiDict[str, str]:
    """Give the form of a request that has come through the door, with every value of what may be repeated."""
    return cast("MultiDict[str, str]", cast(Any, request).form)


def resources_of(form: MultiDict[str, str]) -> list[str]:
    """Give the resource indicators asked for; `audience` names further ones (RFC 8693 §2.1)."""
    return [*form.getlist("resource"), *form.getlist("audience")]
