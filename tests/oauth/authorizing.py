"""An app and the browser of a user who authorizes it, without a server: the whole way from the request to tokens."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.actions.audit.actor import Actor
from tests.oauth.wire import ISSUER, ORDERS, Wire

AUTHORIZE = "/oauth/authorize"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CALLBACK = "https://app.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
REGISTRATION: dict[str, Any] = {
    "method": "none",
    "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT],
    "redirect_uris": [CALLBACK],
}
FORM = re.compile(r'<form[^>]*action="([^"]*/oauth/authorize/consent[^"]*)".*?</form>', re.DOTALL)
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
SCOPES = re.compile(r'name="scopes"[^>]* value="([^"]+)"|value="([^"]+)"[^>]* name="scopes"')


def s256(verifier: str) -> str:
    """Return the challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def register(wire: Wire, client_id: str, **values: Any) -> None:
    """Register an app; `values` change the registration of a public client."""
    wire.core.client(client_id, **(REGISTRATION | values))


def parameters_of(response: TestResponse, callback: str = CALLBACK) -> dict[str, str]:
    """Return the parameters of a redirect to the app, each once; asserts where it goes, and `iss` (RFC 9207 §2)."""
    assert response.status_code == 303, f"{response.status_code} {response.text[:500]}"
    location = response.headers["Location"]
    assert location.startswith(callback), location
    pairs = parse_qsl(urlsplit(location).query, keep_blank_values=True, strict_parsing=True)
    found = dict(pairs)
    assert len(found) == len(pairs)
    assert found["iss"] == ISSUER
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    return found


def refused(response: TestResponse, error: str, callback: str = CALLBACK, state: str | None = "untouched") -> str:
    """Assert an error that is redirected, with the state; return its description."""
    found = parameters_of(response, callback)
    assert found.pop("error") == error, found
    description = found.pop("error_description")
    assert all(0x20 <= ord(c) <= 0x7E and c not in '"\\' for c in description)
    assert found == {"iss": ISSUER} | ({} if state is None else {"state": state})
    return description


def shown_instead(response: TestResponse, status: int = 400) -> str:
    """Assert a page that redirects nowhere; return its text."""
    assert response.status_code == status, response.status_code
    assert response.content_type.startswith("text/html") and "Location" not in response.headers
    assert 'http-equiv="refresh"' not in response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    return response.text


@dataclass
class Person:
    """A user's browser."""

    wire: Wire
    username: str = "alice"
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.wire.http.application.test_client()

    def sign_in(self) -> None:
        """Begin a session now, without the form and its password."""
        core = self.wire.core
        actor = Actor("user", core.row_id(self.username), self.username)
        begun = core.actions.sessions.begin(actor, "Firefox")
        with self.http.session_transaction("/login") as session:
            session.clear()
            session["secret"] = begun.secret

    def open(self, client_id: str = "app", **parameters: Any) -> TestResponse:
        """Open the authorization request of an app; a parameter that is None is left out."""
        return self.http.get(AUTHORIZE, query_string=request_of(client_id, **parameters))

    def answer(self, page: TestResponse, decision: str = "allow", **fields: Any) -> TestResponse:
        """Send the consent form of a page, by default with every scope that it offers."""
        action, form = consent_form(page)
        return self.http.post(action, data=form | {"decision": decision} | fields)

    def authorize(self, client_id: str = "app", **parameters: Any) -> str:
        """Consent where that is asked for; return the code."""
        response = self.open(client_id, **parameters)
        if response.status_code == 200:
            response = self.answer(response)
        return parameters_of(response, parameters.get("redirect_uri") or CALLBACK)["code"]

    def tokens(self, client_id: str = "app", **parameters: Any) -> Any:
        """Authorize a public client, and return the answer of the token endpoint."""
        response = redeem(self.wire, self.authorize(client_id, **parameters), client_id=client_id)
        assert response.status_code == 200, response.text
        return response.json


def request_of(client_id: str | None = "app", **parameters: Any) -> dict[str, Any]:
    """Return the parameters of a good request, with changes."""
    good = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "orders:read",
        "resource": ORDERS,
        "state": "untouched",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (good | parameters).items() if value is not None}


def consent_form(page: TestResponse) -> tuple[str, dict[str, Any]]:
    """Return where the consent form of a page goes, and its fields."""
    assert page.status_code in (200, 422), f"{page.status_code} {page.headers.get('Location')} {page.text[:300]}"
    [form] = FORM.finditer(page.text)
    [token] = CSRF.findall(form[0])
    scopes = [unescape(first or second) for first, second in SCOPES.findall(form[0])]
    return unescape(form[1]), {"csrf_token": unescape(token), "scopes": scopes}


def redeem(wire: Wire, code: str | None, auth: Any = None, headers: Any = None, **form: Any) -> Any:
    """Present a code at the token endpoint; a parameter that is None is left out."""
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    sent = {name: value for name, value in (asked | form).items() if value is not None}
    return wire.post("token", sent, auth, headers=headers or {})


def refresh(wire: Wire, token: str, auth: Any = None, headers: Any = None, **form: Any) -> Any:
    """Present a refresh token, by default as the public client `app`."""
    asked = {"grant_type": "refresh_token", "refresh_token": token} | ({} if auth else {"client_id": "app"})
    return wire.post("token", asked | form, auth, headers=headers or {})


def query_of(location: str) -> dict[str, list[str]]:
    """Return the query of a URL."""
    return parse_qs(urlsplit(location).query)
