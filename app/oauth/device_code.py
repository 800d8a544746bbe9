"""The device authorization grant (RFC 8628): the endpoint that begins it, and the grant that ends it."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.sign_in.clients import KnownClient
from app.compose import Actions
from app.crypto.confirmation import Confirmation
from app.oauth.app_tokens import AppTokenGrant
from app.oauth.caller import client_actor
from app.oauth.client import OAuthClient
from app.oauth.client_authentication import METHODS_OF_APPS
from app.oauth.errors import NO_STORE
from app.oauth.form_reader import FormRequest, resources_of


class DeviceCode(AppTokenGrant, DeviceCodeGrant):
    """Authenticate the client first, where Authlib reads the device code before; a foreign code is invalid_grant."""

    def validate_token_request(self) -> None:
        """Authenticate the client, and require the device code (RFC 8628 §3.4)."""
        self.authenticate_registered_client()
        if "device_code" not in self.parameters:
            raise InvalidRequestError("device_code is missing")

    def obtain_tokens(self, actor: Actor, client: KnownClient, confirmation: Confirmation) -> AppTokens:
        """Trade the device code for tokens, once the user has answered."""
        return self.actions.devices.poll(actor, client, self.parameters["device_code"], confirmation)


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Check the grant types of the client and its scopes, where Authlib accepts every client and any scope."""

    CLIENT_AUTH_METHODS = METHODS_OF_APPS

    def create_endpoint_response(self, request: FormRequest) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Answer with the codes (RFC 8628 §3.2)."""
        actions: Actions = self.server.actions
        client: OAuthClient = self.authenticate_client(request)  # type: ignore[no-untyped-call]
        client.require_grant_type(DeviceCode.GRANT_TYPE)
        codes = actions.devices.begin(
            client_actor(client.get_client_id(), request.context),
            client.registration,
            request.form.get("scope"),
            resources_of(request.form),
        )
        verification_uri = f"{actions.settings.issuer}/device"
        body = {
            "device_code": codes.device_code,
            "user_code": codes.user_code,
            "verification_uri": verification_uri,
            "verification_uri_complete": f"{verification_uri}?user_code={codes.user_code}",
            "expires_in": codes.expires_in,
            "interval": codes.interval,
        }
        return 200, body, [("Content-Type", "application/json"), *NO_STORE.items()]
