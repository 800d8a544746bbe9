"""Read the form of an OAuth request: each parameter once, nothing in the URL (RFC 6749 §3.2)."""

from __future__ import annotations

from typing import cast
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Payload, OAuth2Request
from flask import Request as FlaskRequest
from werkzeug.datastructures import MultiDict

from app.http.request import Request
from app.http.request_bounds import FORM, MOST_FIELDS

REPEATABLE = frozenset({"resource", "audience"})  # RFC 8707 §2, RFC 8693 §2.1
KNOWN = frozenset(
    {"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"}
    | {"audience", "token", "token_type_hint", "client_ip", "subject_token", "subject_token_type", "actor_token"}
    | {"actor_token_type", "requested_token_type", "assertion", "code", "redirect_uri", "code_verifier"}
    | {"refresh_token", "device_code"}
)


class FormPayload(OAuth2Payload):
    """The parameters of the form alone, where Authlib reads the query string too."""

    def __init__(self, form: MultiDict[str, str]) -> None:
        self._form = form

    @property
    def data(self) -> MultiDict[str, str]:
        """The parameters, each once but for `resource` and `audience`."""
        return self._form

    @property
    def datalist(self) -> dict[str, list[str]]:
        """Every value of each parameter."""
        return {name: self._form.getlist(name) for name in self._form}


class FormRequest(OAuth2Request):
    """A request with a valid form, and its context; Authlib's check for https is left to our settings."""

    def __init__(self, request: FlaskRequest, context: Request) -> None:
        self._form = read_form(request)
        super().__init__(request.method, "https://checked.by.settings/", headers=dict(request.headers))
        self.payload = FormPayload(self._form)
        self.context = context

    @property
    def form(self) -> MultiDict[str, str]:
        """The parameters."""
        return self._form


def read_form(request: FlaskRequest) -> MultiDict[str, str]:
    """Return the form's parameters, without the empty ones (RFC 6749 §3.2).

    Raise InvalidRequestError for another content type, invalid UTF-8, a parameter in the URL or a repeated one.
    """
    if request.mimetype != FORM and (request.mimetype or request.get_data()):  # nothing at all is an empty form
        raise InvalidRequestError("the body must be application/x-www-form-urlencoded")
    if any(name in KNOWN for name in request.args):
        raise InvalidRequestError("parameters belong into the body, not into the URL")
    pairs = _read_pairs(request.get_data())
    names = [name for name, _ in pairs if name not in REPEATABLE]
    if len(names) != len(set(names)):
        raise InvalidRequestError("a parameter is repeated")
    return MultiDict((name, value) for name, value in pairs if value)


def _read_pairs(body: bytes) -> list[tuple[str, str]]:
    """Decode the form strictly, where Werkzeug replaces invalid UTF-8 (RFC 6749 appendix B)."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise InvalidRequestError(f"the body is not a form in UTF-8 with at most {MOST_FIELDS} fields") from None


def form_request(request: object) -> FormRequest:
    """Return the request of a grant or an endpoint as the form request that the route made."""
    return cast(FormRequest, request)


def resources_of(form: MultiDict[str, str]) -> list[str]:
    """Return the requested resource indicators; `audience` names further ones (RFC 8693 §2.1)."""
    return [*form.getlist("resource"), *form.getlist("audience")]
