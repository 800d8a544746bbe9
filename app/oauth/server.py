"""Authlib's authorization server, made strict: our requests, our client authentication, our errors."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidRequestError,
    OAuth2Payload,
    OAuth2Request,
    UnsupportedGrantTypeError,
)
from flask import Request, Response
from flask import request as flask_request
from joserfc.errors import SecurityWarning
from werkzeug.datastructures import MultiDict

from app.http.current import actions
from app.http.envelope import authenticated_client
from app.oauth import client_authentication as ca
from app.oauth.caller import anonymous_actor
from app.oauth.client_credentials import ClientCredentials
from app.oauth.door import read_form
from app.oauth.errors import described
from app.oauth.introspection import Introspection
from app.oauth.jwt_bearer import JwtBearer
from app.oauth.revocation import Revocation
from app.oauth.token_exchange import TokenExchange
from app.oauth.workload import AnyAssertion


class FormPayload(OAuth2Payload):
    """Only what the form holds, where Authlib reads the query string too."""

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
    """A request that has come through the door; https in front of us is the settings' business, not Authlib's."""

    def __init__(self, request: Request) -> None:
        self._checked = read_form(request)
        super().__init__(request.method, "https://checked.by.settings/", headers=dict(request.headers))
        self.payload = FormPayload(self._checked)

    @property
    def form(self) -> MultiDict[str, str]:
        """The parameters as the door let them in."""
        return self._checked


class Server(AuthorizationServer):
    """One exit for every client that is refused, where Authlib answers in several ways (RFC 6749 §5.2)."""

    def create_oauth2_request(self, request: object) -> FormRequest:  # type: ignore[override]
        """Read the form at the door."""
        return request if isinstance(request, FormRequest) else FormRequest(flask_request)

    def get_token_grant(self, request: FormRequest) -> Any:  # type: ignore[override]
        """Tell a missing grant_type from an unknown one, and describe both, where Authlib does neither (§5.2)."""
        if "grant_type" not in request.form:
            raise InvalidRequestError("grant_type is missing")
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError:
            raise OAuth2Error("the grant_type is not supported", error="unsupported_grant_type") from None

    def authenticate_client(self, request: Any, methods: object, endpoint: str = "token") -> Any:
        """Try the one method that was presented; every failure is the same answer, counts, and leaves a trace."""
        tried = ca.presented_methods(request.form)
        try:
            if not tried:
                raise ca.ClientRefused
            client = super().authenticate_client(request, tried, endpoint)
            authenticated_client(client.get_client_id())
            return client
        except InvalidClientError:
            if tried:
                actions().authenticate_client.record_failure(anonymous_actor(), ca.claimed_id(request.form))
            raise ca.ClientRefused from None

    def handle_response(self, status_code: int, payload: object, headers: Any) -> Response:
        """Print JSON, or the text that an endpoint made."""
        if isinstance(payload, Mapping):
            payload = json.dumps(described(dict(payload)) if "error" in payload else payload)
        return Response(payload, status_code, headers)  # type: ignore[arg-type]

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Tell nobody: the actions leave the traces."""


def create_server(app: Any) -> Server:
    """Join grants and endpoints."""
    logging.getLogger("authlib").setLevel(logging.INFO)  # at DEBUG it prints whole tokens
    warnings.filterwarnings("ignore", category=SecurityWarning)  # of EdDSA, which the contract names, on stderr
    server = Server(app, query_client=ca.query_client, save_token=_store_nothing)
    server.register_client_auth_method(ca.BASIC, ca.by_basic)
    server.register_client_auth_method(ca.POST, ca.by_post)
    server.register_client_auth_method(ca.ASSERTION, AnyAssertion())
    server.register_client_auth_method(ca.CERTIFICATE, ca.by_certificate)
    server.register_grant(ClientCredentials)
    server.register_grant(TokenExchange)
    server.register_grant(JwtBearer)
    server.register_endpoint(Introspection)
    server.register_endpoint(Revocation)
    return server


def _store_nothing(token: object, request: object) -> None:
    """Keep no row for a JWT: it keeps itself."""
