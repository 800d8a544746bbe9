"""Apps of a user, over the client libraries of others: code with PKCE, refresh, device, revocation, `iss`."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from requests_oauthlib import OAuth2Session as RequestsOAuth2Session

from tests.api import Admin, Client, Json
from tests.clients.apps import run_app
from tests.clients.asynchronous import run
from tests.consenting import Person
from tests.contract.world import World, scopes_of
from tests.machine import require_program

CODE, REFRESH, DEVICE = "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"
REGISTERED = "http://127.0.0.1/callback"
REDIRECT = "http://127.0.0.1:49321/callback"  # on loopback an app may take any port (RFC 8252 §7.3)
Kind = Literal["public", "confidential"]
KINDS: tuple[Kind, ...] = ("public", "confidential")

pytestmark = pytest.mark.usefixtures("loopback_without_tls")


@dataclass(frozen=True)
class Scene:
    """An app that an operator registered, what it wants, and the person that it wants it from."""

    world: World
    config: Json
    person: Person
    app: Client

    @property
    def wanted(self) -> Json:
        """What an app of another language is configured with."""
        app = {"client_id": self.app.client_id, "secret": self.app.client_secret, "redirect_uri": REDIRECT}
        return self.config | app | {"scope": self.world.read, "resource": self.world.identifier, "api": self.api}

    @property
    def api(self) -> str:
        """An address that answers 200 to a token with the scope."""
        asked = {"resource": self.world.identifier, "scope": self.world.read}
        return f"{self.world.admin.server.url}/oauth/forward-auth?{urlencode(asked)}"

    def browse(self, url: str) -> str:
        """Allow what an address asks for; return where the browser ends."""
        if urlsplit(url).path == "/device":
            return self.person.allow_device(url).url
        return self.person.allow(url)

    def check(self, result: Json) -> None:
        """Check that the tokens are the person's, through the app, and that each refresh token is another one."""
        refreshed = [result["granted"], result["refreshed"], result["by_device"]]
        assert {scope for token in refreshed for scope in scopes_of(token)} == {self.world.read}
        assert len({token["refresh_token"] for token in refreshed}) == len(refreshed)
        about = self.world.admin.introspect(result["by_device"]["access_token"], self.world.resource_server)
        assert about["active"] is True and about["credential_type"] == "oauth_token"
        assert (about["username"], about["client_id"]) == (self.world.user.username, self.app.client_id)
        assert result["called"] == 200


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, world: World) -> Iterator[Scene]:
    """A public and a confidential app."""
    method = "none" if request.param == "public" else "client_secret_basic"
    app = _register(world.admin, method)
    person = Person(world.admin.server.url, world.user)
    config = world.admin.http.get("/.well-known/oauth-authorization-server").json()
    yield Scene(world, config, person, app)
    person.close()


def _register(admin: Admin, method: str) -> Client:
    fields = {"grant_types": [CODE, REFRESH, DEVICE], "redirect_uris": [REGISTERED]}
    return admin.client(token_endpoint_auth_method=method, **fields)


@pytest.mark.contract(
    "openid-client, oauth4webapi, Authlib, requests-oauthlib, Go's x/oauth2: code, refresh",
    "their device flow, revocation and check of `iss`, where they have them",
)
@pytest.mark.spec("RFC 6749 §4.1", "RFC 6749 §6", "RFC 7636 §4", "RFC 8628 §3", "RFC 9207 §2.4")
def test_the_node_clients_act_for_a_user(scene: Scene, folder: Path) -> None:
    results = run_app([require_program("node"), "delegated_clients.mjs"], folder, scene.wanted, scene.browse)
    for result in results.values():
        assert "error" not in result, result["error"]
        scene.check(result)
        assert result["revoked"] == "invalid_grant"
        assert result["mixed_up"] == "OAUTH_INVALID_RESPONSE"  # another issuer's answer, or an answer without its name
    claims = results["oauth4webapi"]["locally"]
    assert (claims["client_id"], claims["aud"]) == (scene.app.client_id, scene.world.identifier)


@pytest.mark.contract(
    "openid-client, oauth4webapi, Authlib, requests-oauthlib, Go's x/oauth2: code, refresh",
    "their device flow, revocation and check of `iss`, where they have them",
)
@pytest.mark.spec("RFC 6749 §4.1", "RFC 6749 §6", "RFC 7636 §4", "RFC 8628 §3")
def test_gos_client_acts_for_a_user_and_finds_out_how_to_authenticate(scene: Scene, go_app: Path) -> None:
    scene.check(run_app([str(go_app)], go_app.parent, scene.wanted, scene.browse))


@pytest.mark.contract(
    "openid-client, oauth4webapi, Authlib, requests-oauthlib, Go's x/oauth2: code, refresh",
    "their device flow, revocation and check of `iss`, where they have them",
)
@pytest.mark.spec("RFC 6749 §4.1", "RFC 6749 §6", "RFC 7009 §2", "RFC 7636 §4", "RFC 8628 §3")
def test_authlibs_session_acts_for_a_user(scene: Scene) -> None:
    with _session(OAuth2Session, scene) as session:
        session.trust_env = False
        verifier = generate_token(48)
        url, _ = session.create_authorization_url(**_request_of(scene, verifier))
        ended = scene.browse(url)
        granted = session.fetch_token(
            scene.config["token_endpoint"], authorization_response=ended, code_verifier=verifier
        )
        called = session.get(scene.api)
        refreshed = session.refresh_token(scene.config["token_endpoint"])
        device = session.post(scene.config["device_authorization_endpoint"], withhold_token=True, data=_device(scene),
                              auth=session.client_auth(session.token_endpoint_auth_method)).json()  # fmt: skip
        scene.browse(device["verification_uri_complete"])
        by_device = session.fetch_token(
            scene.config["token_endpoint"], grant_type=DEVICE, device_code=device["device_code"]
        )
        revoke: Any = session.revoke_token
        assert revoke(scene.config["revocation_endpoint"], token=refreshed["refresh_token"]).status_code == 200
    scene.check({"granted": granted, "called": called.status_code, "refreshed": refreshed, "by_device": by_device})
    assert not scene.world.admin.active(refreshed["access_token"])


@pytest.mark.contract("openid-client, oauth4webapi, Authlib, requests-oauthlib, Go's x/oauth2: code, refresh")
@pytest.mark.spec("RFC 6749 §4.1", "RFC 6749 §6", "RFC 7636 §4")
def test_authlibs_asynchronous_client_acts_for_a_user(scene: Scene) -> None:
    from authlib.integrations.httpx_client import AsyncOAuth2Client  # it loads an HTTP client that nothing else uses

    async def act() -> tuple[Json, Json, int]:
        async with _session(AsyncOAuth2Client, scene, trust_env=False) as session:
            verifier = generate_token(48)
            url, _ = session.create_authorization_url(**_request_of(scene, verifier))
            ended = await asyncio.to_thread(scene.browse, url)
            token = scene.config["token_endpoint"]
            granted = await session.fetch_token(token, authorization_response=ended, code_verifier=verifier)
            return granted, await session.refresh_token(token), (await session.get(scene.api)).status_code

    granted, refreshed, called = run(act())
    assert scopes_of(refreshed) == {scene.world.read} and called == 200
    assert granted["refresh_token"] != refreshed["refresh_token"]


@pytest.mark.contract("openid-client, oauth4webapi, Authlib, requests-oauthlib, Go's x/oauth2: code, refresh")
@pytest.mark.spec("RFC 6749 §4.1", "RFC 6749 §6", "RFC 7636 §4")
def test_requests_oauthlib_acts_for_a_user(scene: Scene) -> None:
    scope = [scene.world.read]
    with RequestsOAuth2Session(scene.app.client_id, redirect_uri=REDIRECT, scope=scope, pkce="S256") as session:
        session.trust_env = False
        endpoint = scene.config["authorization_endpoint"]
        url, _ = session.authorization_url(endpoint, resource=scene.world.identifier)
        ended, token = scene.browse(url), scene.config["token_endpoint"]
        secret: Any = {"client_secret": scene.app.client_secret} if scene.app.client_secret else {}
        granted = session.fetch_token(token, authorization_response=ended, include_client_id=True, **secret)
        assert session.get(scene.api).status_code == 200
        refreshed = session.refresh_token(token, client_id=scene.app.client_id, **secret)
    assert refreshed["scope"] == granted["scope"] == scope
    assert granted["refresh_token"] != refreshed["refresh_token"]


@pytest.mark.spec("RFC 9207 §2")
def test_a_refusal_returns_to_the_app_with_its_state_and_the_issuer(scene: Scene) -> None:
    with _session(OAuth2Session, scene) as session:
        url, state = session.create_authorization_url(**_request_of(scene, generate_token(48)))
    answer = {name: value for name, [value] in parse_qs(urlsplit(scene.person.deny(url)).query).items()}
    assert answer.pop("error") == "access_denied"
    assert answer["state"] == state and answer["iss"] == scene.world.admin.issuer and "code" not in answer


def _session(kind: Any, scene: Scene, **options: Any) -> Any:
    method = "client_secret_basic" if scene.app.client_secret else "none"
    return kind(
        scene.app.client_id, scene.app.client_secret or None, token_endpoint_auth_method=method,
        scope=scene.world.read, redirect_uri=REDIRECT, code_challenge_method="S256", **options,
    )  # fmt: skip


def _request_of(scene: Scene, verifier: str) -> dict[str, str]:
    endpoint = scene.config["authorization_endpoint"]
    return {"url": endpoint, "code_verifier": verifier, "resource": scene.world.identifier}


def _device(scene: Scene) -> dict[str, str]:
    return {"scope": scene.world.read, "resource": scene.world.identifier}
