"""Users authorize apps that nobody registered: their client_id is the URL of a client metadata document."""

import jwt
import pytest

from app.actions.directory.client_documents import USUAL
from tests.oauth.authorizing import DEVICE_GRANT, Person, redeem, shown_instead
from tests.oauth.authorizing import refresh as refresh_tokens
from tests.oauth.documents import AppHost, discover, row_of
from tests.oauth.wire import ORDERS, OWN, Wire, asserted, public_jwk, refused


def assertion_of(reader: Wire, url: str) -> dict[str, str]:
    """Return an assertion that the app's key signed."""
    claims = reader.claims(iss=url, sub=url)
    form: dict[str, str] = asserted(jwt.encode(claims, reader.key, "ES256", {"kid": "k1"}))
    return form


@pytest.mark.contract("metadata documents are fetched as keys are, and kept as their headers say")
def test_a_user_authorizes_a_public_app_that_nobody_registered(reader: Wire, app_host: AppHost) -> None:
    app_host.publish(grant_types=["authorization_code", "refresh_token"])
    person = Person(reader)
    person.sign_in()
    page = person.open(app_host.url)
    assert "Shopping list" in page.text and "127.0.0.1" in page.text
    tokens = person.tokens(app_host.url)
    bearer = reader.core.m2m("auditor", "introspect", OWN)  # the clock of these tests ends any that was made before
    introspected = reader.introspect(tokens["access_token"], bearer)
    assert (introspected["client_id"], introspected["username"]) == (app_host.url, "alice")
    reader.core.clock.advance(seconds=USUAL)
    renewed = refresh_tokens(reader, tokens["refresh_token"], client_id=app_host.url)
    assert renewed.status_code == 200 and app_host.asked == 2
    revoked = reader.post("revoke", {"token": renewed.json["refresh_token"], "client_id": app_host.url})
    assert revoked.status_code == 200


def test_a_confidential_app_proves_itself_by_the_keys_in_its_document(reader: Wire, app_host: AppHost) -> None:
    jwks = {"keys": [public_jwk(reader.key, "k1")]}
    app_host.publish(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    person = Person(reader)
    person.sign_in()
    code = person.authorize(app_host.url)
    refused(redeem(reader, code, client_id=app_host.url), 401, "invalid_client")
    assert redeem(reader, code, **assertion_of(reader, app_host.url)).status_code == 200


def test_a_device_makes_its_app_known_too(reader: Wire, app_host: AppHost) -> None:
    app_host.publish(grant_types=[DEVICE_GRANT])
    form = {"client_id": app_host.url, "scope": "orders:read"}
    refused(reader.post("token", form | {"grant_type": DEVICE_GRANT, "device_code": "x"}), 401, "invalid_client")
    assert app_host.asked == 0
    assert reader.post("device_authorization", form).status_code == 200
    assert row_of(reader, app_host.url).registered_by == "document"


def test_a_document_that_is_not_valid_is_said_on_a_page_and_redirects_nowhere(reader: Wire, app_host: AppHost) -> None:
    app_host.publish(client_id="https://app.example/app.json")
    person = Person(reader)
    assert "differs from its URL" in shown_instead(person.open(app_host.url))
    answer = reader.post("device_authorization", {"client_id": app_host.url})
    assert "differs from its URL" in refused(answer, 401, "invalid_client")


def test_a_redirect_uri_that_the_document_does_not_name_is_refused(reader: Wire, app_host: AppHost) -> None:
    person = Person(reader)
    shown_instead(person.open(app_host.url, redirect_uri="https://evil.example/callback"))


@pytest.mark.contract("such clients never get `client_credentials` or a role")
def test_no_app_with_a_document_gets_a_token_of_its_own(reader: Wire, app_host: AppHost) -> None:
    jwks = {"keys": [public_jwk(reader.key, "k1")]}
    app_host.publish(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    discover(reader, app_host.url)
    form = {"grant_type": "client_credentials", "resource": ORDERS} | assertion_of(reader, app_host.url)
    refused(reader.post("token", form), 400, "unauthorized_client")
