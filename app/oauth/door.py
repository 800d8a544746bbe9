"""What stands before every OAuth endpoint: a form, each parameter once, nothing in the URL (RFC 6749 §3.2)."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Request
from werkzeug.datastructures import MultiDict

from app.http.request_bounds import FORM, MOST_FIELDS

REPEATABLE = frozenset({"resource", "audience"})  # RFC 8707 §2, RFC 8693 §2.1
KNOWN = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"}
    | {"audience", "token", "token_type_hint", "client_ip", "subject_token", "subject_token_type", "actor_token"}
    | {"actor_token_type", "requested_token_type", "assertion"}
)


def read_form(request: Request) -> MultiDict[str, str]:
    """Give the form's parameters, those without a value left out (RFC 6749 §3.2).

    Raises InvalidRequestError for another content type, what is no UTF-8, a parameter in the URL or twice.
    """
    if request.mimetype != FORM:
        raise InvalidRequestError("the body must be application/x-www-form-urlencoded")
    if any(name in KNOWN for name in request.args):
        raise InvalidRequestError("parameters belong into the body, not into the URL")
    given = _pairs(request.get_data())
    names = [name for name, _ in given if name not in REPEATABLE]
    if len(names) != len(set(names)):
        raise InvalidRequestError("a parameter is repeated")
    return MultiDict((name, value) for name, value in given if value)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Read the form strictly, where Werkzeug lets what is no UTF-8 pass as other characters (RFC 6749 appendix B)."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidRequestError("the body is no form in UTF-8, or has too many fields") from None


def form_of(request: object) -> MultiDict[str, str]:
    """Give the form of a request that has come through the door, with every value of what may be repeated."""
    return cast("MultiDict[str, str]", cast(Any, request).form)


def resources_of(form: MultiDict[str, str]) -> list[str]:
    """Give the resource indicators asked for; `audience` names further ones (RFC 8693 §2.1)."""
    return [*form.getlist("resource"), *form.getlist("audience")]
