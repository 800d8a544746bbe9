"""Registration of apps by themselves (RFC 7591), and its management (RFC 7592); 404 unless REGISTRATION allows it."""

from __future__ import annotations

from typing import Any, cast

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, JsonPayload, JsonRequest
from authlib.oauth2.rfc7591 import (
    ClientRegistrationEndpoint,
    InvalidClientMetadataError,
    InvalidRedirectURIError,
)
from authlib.oauth2.rfc7592 import ClientConfigurationEndpoint
from flask import Blueprint, Response, abort, jsonify, request
from flask import Request as FlaskRequest

from app.actions.audit.actor import Actor
from app.actions.directory.app_metadata import LARGEST, AppMetadata, parse_metadata, read_registration
from app.actions.directory.registered_apps import RegisteredApp
from app.compose import Actions
from app.errors import Forbidden, Invalid, LatchkeyError, NotFound
from app.http.envelope import log_client
from app.http.request import Request, read_request
from app.models.grant_types import AUTHORIZATION_CODE
from app.oauth import cors
from app.oauth.bearer import SCHEMES, TokenRefused, management_claims
from app.oauth.caller import anonymous_actor
from app.oauth.errors import NO_STORE, clean_description, from_authlib, from_latchkey

SCOPE = "clients:write"  # of an initial access token (RFC 7591 §1.2)
JSON = "application/json"
ENDPOINT = "/oauth/register"
Answer = tuple[int, Any, list[tuple[str, str]]]


def create_blueprint(actions: Actions) -> Blueprint:
    """Return the routes of registration."""
    settings = actions.settings
    blueprint = Blueprint("registration", __name__, url_prefix="/oauth")
    registration, configuration = AppRegistration(actions), AppConfiguration(actions)

    @blueprint.before_request
    def refuse_when_off() -> None:
        if settings.registration == "off":
            abort(404)
        request.max_content_length = LARGEST

    @blueprint.post("/register")
    def register() -> Response:
        return _render(registration(AppRequest(request, read_request(request, settings, actions.clock))))

    @blueprint.route("/register/<client_id>", methods=["GET", "PUT", "DELETE"])
    def configure(client_id: str) -> Response:
        asked = AppRequest(request, read_request(request, settings, actions.clock), client_id)
        return _render(configuration(asked))

    if settings.registration != "off":
        cors.open_to(blueprint, settings.allowed_origins, ("register",))
    blueprint.register_error_handler(OAuth2Error, from_authlib)
    blueprint.register_error_handler(LatchkeyError, _from_latchkey)
    return blueprint


class AppPayload(JsonPayload):
    """The JSON object of a request: bounded and strict, where Authlib takes whatever Flask parses."""

    def __init__(self, request: FlaskRequest) -> None:
        self._request = request
        self._data: dict[str, Any] | None = None

    @property
    def data(self) -> dict[str, Any]:
        """The members; raises Invalid, and InvalidRequestError for another content type."""
        if self._data is None:
            if self._request.mimetype != JSON:
                raise InvalidRequestError(f"the body must be {JSON}")
            self._data = dict(parse_metadata(self._request.get_data()))
        return self._data


class AppRequest(JsonRequest):
    """A request with its context; HEAD is GET without the body, where Authlib knows only GET, PUT and DELETE."""

    credential: Any  # which Authlib sets
    metadata: AppMetadata

    def __init__(self, request: FlaskRequest, context: Request, client_id: str = "") -> None:
        method = "GET" if request.method == "HEAD" else request.method
        super().__init__(method, "https://checked.by.settings/", headers=dict(request.headers))
        self.payload: AppPayload = AppPayload(request)
        self.context = context
        self.client_id = client_id


class AppRegistration(ClientRegistrationEndpoint):
    """Register by our action, which makes the id and the secrets, where Authlib makes them, a secret for all."""

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self._actions = actions

    def authenticate_token(self, request: AppRequest) -> Actor:
        """Return the caller: anybody where registration is open, else the holder of an initial access token."""
        if self._actions.settings.registration == "open":
            actor = anonymous_actor(request.context)
            self._actions.registered_apps.admit(actor)
            return actor
        if request.context.scheme not in SCHEMES:
            raise TokenRefused("invalid_token", 401, "an initial access token is needed as a Bearer token", "bearer")
        claims = management_claims(self._actions, request.context, SCOPE)
        return Actor(
            type="user" if claims.delegated else "client",
            id=claims.subject or "",
            name=claims.username or "",
            credential_id=claims.credential_id,
            delegated=claims.delegated,
            address=request.context.peer,
            request_id=request.context.id,
        )

    def extract_client_metadata(self, request: AppRequest) -> dict[str, Any]:
        """Check the metadata; what is kept of it is rendered after it was saved, where Authlib echoes what was sent."""
        request.metadata = read_metadata(self._actions, request)
        return {}

    def generate_client_info(self, request: AppRequest) -> dict[str, Any]:
        """Return nothing: the action makes the id and the secret, by our clock."""
        return {}

    def save_client(self, client_info: object, client_metadata: object, request: AppRequest) -> RegisteredApp:
        """Register the app."""
        app = self._actions.registered_apps.register(request.credential, request.metadata)
        log_client(app.client_id)
        return app

    def generate_client_registration_info(self, client: RegisteredApp, request: AppRequest) -> dict[str, Any]:
        """Return all members of the answer (RFC 7591 §3.2.1)."""
        return render_app(client, self._actions.settings.issuer)


class RegisteredClient:
    """An app as Authlib sees it, with the registration access token that found it."""

    def __init__(self, app: RegisteredApp, token: str, actions: Actions) -> None:
        self.app = app
        self.token = token
        self._actions = actions

    def get_client_id(self) -> str:
        """Return the public identifier."""
        return self.app.client_id

    def check_client(self, client: RegisteredClient) -> bool:
        """Return whether the token is this client's: it was found by both."""
        return client is self

    def check_client_secret(self, secret: object) -> bool:
        """Return whether this is a live secret, where Authlib passes on any JSON value."""
        authenticate = self._actions.authenticate_client
        found = authenticate.find(self.app.client_id)
        return isinstance(secret, str) and authenticate.secret_matches(found, secret)


class AppConfiguration(ClientConfigurationEndpoint):
    """Answer with the challenges of RFC 6750, and replace the registration access token at each change."""

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self._actions = actions

    def authenticate_token(self, request: AppRequest) -> RegisteredClient:
        """Return the app; an unknown one and a wrong token are alike, where Authlib answers 400 (RFC 7592 §2.1)."""
        context = request.context
        app = self._actions.registered_apps.find(request.client_id, context.credentials)
        if context.scheme != "bearer" or app is None:
            raise _unknown_token()
        log_client(app.client_id)
        return RegisteredClient(app, context.credentials, self._actions)

    def authenticate_client(self, request: AppRequest) -> RegisteredClient:
        """Return the app that the token was found by."""
        return cast(RegisteredClient, request.credential)

    def check_permission(self, client: RegisteredClient, request: AppRequest) -> bool:
        """Return whether no operator disabled the app, which could otherwise register again under its name."""
        return client.app.enabled

    def extract_client_metadata(self, request: AppRequest) -> AppMetadata:
        """Check the metadata as at the registration, where Authlib prints what is wrong to stdout."""
        return read_metadata(self._actions, request)

    def update_client(
        self, client: RegisteredClient, client_metadata: AppMetadata, request: AppRequest
    ) -> RegisteredClient:
        """Replace the metadata and the token."""
        actor, apps = anonymous_actor(request.context), self._actions.registered_apps
        changed = apps.change(actor, client.app.client_id, client.token, client_metadata)
        return RegisteredClient(changed, changed.registration_token or client.token, self._actions)

    def delete_client(self, client: RegisteredClient, request: AppRequest) -> None:
        """Delete the app."""
        actor = anonymous_actor(request.context)
        self._actions.registered_apps.delete(actor, client.app.client_id, client.token)

    def introspect_client(self, client: RegisteredClient) -> dict[str, Any]:
        """Return the members of the answer (RFC 7592 §3)."""
        return render_app(client.app, self._actions.settings.issuer)

    def generate_client_registration_info(self, client: RegisteredClient, request: AppRequest) -> dict[str, Any]:
        """Return the token to use from now on, which RFC 7592 §3 requires in each answer."""
        return {"registration_access_token": client.token}


def read_metadata(actions: Actions, request: AppRequest) -> AppMetadata:
    """Return the checked metadata of a request; raises Invalid."""
    return read_registration(request.payload.data, private=actions.settings.allow_private_jwks_uri)


def render_app(app: RegisteredApp, issuer: str) -> dict[str, Any]:
    """Return the members of an app (RFC 7591 §3.2.1); what does not apply is left out."""
    kept = app.metadata
    members: dict[str, Any] = {
        "client_id": app.client_id,
        "client_id_issued_at": int(app.issued_at.timestamp()),
        "client_secret": app.client_secret,
        "client_secret_expires_at": 0 if app.client_secret else None,  # never
        "client_name": kept.name,
        "redirect_uris": list(kept.redirect_uris),
        "grant_types": list(kept.grant_types),
        "response_types": ["code"] if AUTHORIZATION_CODE in kept.grant_types else [],
        "token_endpoint_auth_method": kept.method,
        "scope": " ".join(kept.scopes) if kept.scopes else None,
        "jwks": kept.jwks,
        "jwks_uri": kept.jwks_uri,
        "client_uri": kept.client_uri,
        "logo_uri": kept.logo_uri,
        "policy_uri": kept.policy_uri,
        "dpop_bound_access_tokens": kept.dpop_bound or None,
        "registration_client_uri": f"{issuer}{ENDPOINT}/{app.client_id}",
        "registration_access_token": app.registration_token,
    }
    return {name: value for name, value in members.items() if value is not None}


def _unknown_token() -> TokenRefused:
    return TokenRefused("invalid_token", 401, "the registration access token is not valid for this client", "bearer")


def _from_latchkey(error: LatchkeyError) -> Response:
    """Render a refusal with the codes of RFC 7591 §3.2.2 and RFC 7592 §2."""
    if isinstance(error, Invalid):
        is_of_uris = any(one.field == "redirect_uris" for one in error.errors)
        refused = InvalidRedirectURIError if is_of_uris else InvalidClientMetadataError
        return from_authlib(refused(clean_description(str(error))))
    if isinstance(error, Forbidden):
        return from_authlib(TokenRefused("insufficient_scope", 403, str(error), "bearer"))
    return from_authlib(_unknown_token()) if isinstance(error, NotFound) else from_latchkey(error)


def _render(answer: Answer) -> Response:
    status, body, headers = answer
    response = Response(status=status) if status == 204 else jsonify(body)
    response.status_code = status
    response.headers.update(dict(headers) | NO_STORE)
    return response
