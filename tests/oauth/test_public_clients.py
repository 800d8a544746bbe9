"""A public client names itself and proves nothing, where it may (RFC 6749 §2.1); a grant needs its registration."""

from typing import Any

import pytest
from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin
from sqlalchemy import update

from app.models import AuditEvent, Client
from app.oauth.client_authentication import METHODS_OF_APPS
from tests.core import ISSUER
from tests.oauth.wire import Wire, asserted, refused

PROBE = "probe"
PUBLIC: dict[str, Any] = {
    "method": "none",
    "grant_types": ["authorization_code", PROBE],
    "redirect_uris": ["https://app.example/"],
}


class Probe(BaseGrant, TokenEndpointMixin):
    """A grant of apps that answers with its client."""

    GRANT_TYPE = PROBE
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS_OF_APPS

    def validate_token_request(self) -> None:
        self.request.client = self.authenticate_token_endpoint_client()
        self.client.require_grant_type(self.GRANT_TYPE)

    def create_token_response(self) -> Any:
        return 200, {"client": self.client.get_client_id()}, self.TOKEN_RESPONSE_HEADER


@pytest.fixture(scope="module")
def apps(wire: Wire) -> Wire:
    """The wire with a public client `app`, a confidential one `backend`, and the grant of the probe."""
    [server] = {
        cell.cell_contents
        for cell in wire.http.application.view_functions["oauth.revoke"].__closure__ or ()
        if hasattr(cell.cell_contents, "register_grant")
    }
    server.register_grant(Probe)
    wire.core.client("app", **PUBLIC)
    wire.core.client("backend", **(PUBLIC | {"method": "client_secret_basic"}))
    return wire


def ask(wire: Wire, auth: Any = None, **form: Any) -> Any:
    return wire.post("token", {"grant_type": PROBE} | form, auth)


@pytest.mark.spec("RFC 6749 §2.1")
def test_a_public_client_names_itself(apps: Wire) -> None:
    assert ask(apps, client_id="app").json == {"client": "app"}
    assert ask(apps, client_id="app", client_secret="").json == {"client": "app"}  # as if left out (RFC 6749 §3.2)


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_confidential_client_without_its_secret_is_refused_as_an_unknown_one(apps: Wire) -> None:
    answers = [ask(apps, client_id=name) for name in ("backend", "robot", "keyed", "nobody", "x" * 300, "\0")]
    for answer in answers:
        refused(answer, 401, "invalid_client")
        assert "WWW-Authenticate" not in answer.headers
    assert len({answer.data for answer in answers}) == 1
    refused(ask(apps), 401, "invalid_client")


def test_a_client_that_fails_to_authenticate_by_nothing_is_recorded(apps: Wire) -> None:
    with apps.core.store.transaction() as session:
        before = session.query(AuditEvent).count()
    ask(apps, client_id="backend")
    with apps.core.store.transaction() as session:
        [event] = session.query(AuditEvent).order_by(AuditEvent.id).all()[before:]
        assert (event.action, event.target) == ("authentication.fail", "backend")


@pytest.mark.spec("RFC 6749 §2.3")
def test_a_public_client_with_a_proof_is_refused(apps: Wire) -> None:
    for auth, form in (
        (("app", "x"), {}),
        (("app", ""), {}),
        (None, {"client_id": "app", "client_secret": "x"}),
        (None, {"client_id": "app", **asserted("a.b.c")}),
    ):
        refused(ask(apps, auth, **form), 401, "invalid_client")
    refused(ask(apps, ("app", "x"), client_id="app", client_secret="x"), 400, "invalid_request")


def test_a_disabled_public_client_is_refused(apps: Wire) -> None:
    apps.core.client("closed", enabled=False, **PUBLIC)
    refused(ask(apps, client_id="closed"), 401, "invalid_client")


@pytest.mark.spec("RFC 6749 §2.1")
def test_a_public_client_neither_introspects_nor_gets_a_token_of_its_own(apps: Wire) -> None:
    refused(apps.post("introspect", {"token": "x", "client_id": "app"}), 401, "invalid_client")
    refused(apps.token(client_id="app"), 401, "invalid_client")
    bearer = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c", "client_id": "app"}
    refused(apps.post("token", bearer), 400, "invalid_grant")


def test_a_public_client_revokes_and_possession_still_does(apps: Wire) -> None:
    for client_id in ("app", "backend", "nobody"):
        token = apps.core.pat("alice", "orders:read", name=f"of {client_id}")[1]
        assert apps.post("revoke", {"token": token, "client_id": client_id}).status_code == 200
        assert apps.introspect(token) == {"active": False}
    machine = apps.core.m2m("robot", "orders:read")
    refused(apps.post("revoke", {"token": machine, "client_id": "app"}), 400, "invalid_grant")  # another client's
    assert apps.introspect(machine)["active"]
    refused(apps.post("revoke", {"token": machine, "client_id": "robot"}), 401, "invalid_client")


# --- which grants a client is registered for


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_grant_needs_its_registration(apps: Wire) -> None:
    backend = ("backend", apps.core.client_secret("backend"))
    assert ask(apps, backend).status_code == 200
    refused(apps.token(backend), 400, "unauthorized_client")
    refused(ask(apps, apps.robot), 400, "unauthorized_client")


def test_the_registration_is_judged_after_the_authentication(apps: Wire) -> None:
    refused(apps.token(("backend", "wrong")), 401, "invalid_client")


def test_a_token_exchange_is_open_to_every_client(apps: Wire) -> None:
    backend = ("backend", apps.core.client_secret("backend"))
    token = apps.core.pat("alice", "orders:read", name="exchanged")[1]
    assert apps.exchange(token, backend).status_code == 200


def test_a_withdrawn_grant_is_refused_at_once(apps: Wire) -> None:
    assert apps.token(apps.robot).status_code == 200
    with apps.core.store.transaction() as session:
        session.execute(update(Client).where(Client.client_id == "robot").values(grant_types=[PROBE]))
    refused(apps.token(apps.robot), 400, "unauthorized_client")
    with apps.core.store.transaction() as session:
        session.execute(update(Client).where(Client.client_id == "robot").values(grant_types=["client_credentials"]))
    assert apps.token(apps.robot).status_code == 200


def test_the_issuer_is_not_a_client(apps: Wire) -> None:
    refused(ask(apps, client_id=ISSUER), 401, "invalid_client")
