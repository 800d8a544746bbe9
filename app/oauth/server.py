"""Authlib's authorization server, made strict: our requests, our client authentication, our errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError, OAuth2Request, UnsupportedGrantTypeError
from flask import Flask, Response

from app.compose import Actions
from app.http.envelope import log_client
from app.models.auth_methods import CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, NONE, PRIVATE_KEY_JWT, TLS_METHOD
from app.oauth.authorization_code import AuthorizationCode
from app.oauth.authorization_response import REDIRECT, Issuer, append_parameters
from app.oauth.client_authentication import ClientAuthentication
from app.oauth.client_credentials import ClientCredentials
from app.oauth.device_code import DeviceAuthorization, DeviceCode
from app.oauth.errors import ClientRefused, with_description
from app.oauth.form_reader import FormRequest, form_request
from app.oauth.introspection import TokenIntrospection
from app.oauth.jwt_bearer import JwtBearer
from app.oauth.pkce import RequiredChallenge
from app.oauth.refresh_token import RefreshToken
from app.oauth.refusal_log import note_unauthenticated
from app.oauth.revocation import TokenRevocation
from app.oauth.token_exchange import TokenExchange


class Server(AuthorizationServer):
    """Answer every refused client in one way, where Authlib has several (RFC 6749 §5.2).

    Grants and endpoints find the actions and the client authentication here.
    """

    def __init__(self, app: Flask, actions: Actions) -> None:
        self.actions = actions
        self.authentication = ClientAuthentication(actions)
        super().__init__(app, query_client=self.authentication.find_client, save_token=_store_nothing)

    def create_oauth2_request(self, request: object) -> FormRequest:  # type: ignore[override]
        """Take the request that the route read, where Authlib reads Flask's again."""
        return form_request(request)

    def get_token_grant(self, request: FormRequest) -> Any:  # type: ignore[override]
        """Describe a missing and an unknown grant_type, where Authlib does not distinguish them (RFC 6749 §5.2)."""
        if "grant_type" not in request.form:
            raise InvalidRequestError("grant_type is missing")
        try:
            return super().get_token_grant(request)
        except UnsupportedGrantTypeError:
            raise OAuth2Error("the grant_type is not supported", error="unsupported_grant_type") from None

    def redirect_error(self, error: OAuth2Error) -> Response:
        """Redirect with an error, and with `iss` too, which Authlib leaves out of an error before the consent."""
        response = self._render_redirect(error)
        self.execute_hook("after_create_authorization_response", response)
        return response

    def handle_error_response(self, request: OAuth2Request, error: OAuth2Error) -> object:
        """Append an error to the redirect URI as it was registered, where Authlib encodes its query in another way."""
        return self._render_redirect(error) if error.redirect_uri else super().handle_error_response(request, error)

    def _render_redirect(self, error: OAuth2Error) -> Response:
        location = append_parameters(str(error.redirect_uri), error.get_body())
        return self.handle_response(REDIRECT, "", [("Location", location)])

    def authenticate_client(  # type: ignore[override]
        self, request: FormRequest, methods: Collection[str], endpoint: str = "token"
    ) -> Any:
        """Try the one presented method; every failure gets the same answer, counts, and is recorded.

        Where `methods` has `none`, a client_id alone presents it.
        """
        context, presented = request.context, self.authentication.presented_methods(request)
        if not presented and NONE in methods and "client_id" in request.form:
            presented = [NONE]
        try:
            if not presented:
                raise ClientRefused
            client = super().authenticate_client(request, presented, endpoint)
            log_client(client.get_client_id())
            return client
        except InvalidClientError:
            if presented:
                note_unauthenticated(self.actions, request, self.authentication.presented_secret(request))
            undecodable = context.authorization == ""  # a header outside ASCII reaches us as an empty one
            raise ClientRefused(tried_basic=undecodable or context.scheme == "basic") from None

    def handle_response(self, status_code: int, payload: object, headers: Any) -> Response:
        """Render JSON, or the text that an endpoint made."""
        if isinstance(payload, Mapping):
            payload = json.dumps(with_description(dict(payload)) if "error" in payload else payload)
        return Response(payload, status_code, headers)  # type: ignore[arg-type]

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Send no signal: the actions record the events."""


def create_server(app: Flask, actions: Actions) -> Server:
    """Return a server with our client authentication, grants and endpoints."""
    logging.getLogger("authlib").setLevel(logging.INFO)  # at DEBUG it logs whole tokens
    server = Server(app, actions)
    server.register_client_auth_method(CLIENT_SECRET_BASIC, server.authentication.by_basic)
    server.register_client_auth_method(CLIENT_SECRET_POST, server.authentication.by_post)
    server.register_client_auth_method(PRIVATE_KEY_JWT, server.authentication.by_assertion)
    server.register_client_auth_method(TLS_METHOD, server.authentication.by_certificate)
    server.register_grant(ClientCredentials)
    server.register_grant(TokenExchange)
    server.register_grant(JwtBearer)
    server.register_grant(AuthorizationCode, [RequiredChallenge()])
    server.register_grant(RefreshToken)
    server.register_grant(DeviceCode)
    server.register_endpoint(DeviceAuthorization)  # type: ignore[arg-type]
    server.register_extension(Issuer(actions.settings.issuer))
    server.register_endpoint(TokenIntrospection)
    server.register_endpoint(TokenRevocation)
    return server


def _store_nothing(token: object, request: object) -> None:
    """Keep no row: a JWT is self-contained."""
