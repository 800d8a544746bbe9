"""RFC 8705 behind each proxy with its own format: only its header, and only from the proxy, authenticates."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import NewClient
from app.crypto.certificate_header import FORMS
from tests.core import ORDERS, contents
from tests.oauth.wire import GRANT, Wire, refused, start_wire, stop_wire
from tests.spec.test_rfc8705 import PROXY, STRANGER, Holder


def handed(proxy: str, holder: Holder) -> str:
    """Return the header's value as this proxy writes it."""
    pem = holder.certificate.public_bytes(Encoding.PEM).decode()
    forms = {
        "nginx": quote(pem, safe=""),
        "traefik": "".join(pem.splitlines()[1:-1]),
        "envoy": f'Hash={holder.certificate.fingerprint(SHA256()).hex()};Cert="{quote(pem, safe="")}"',
        "alb": quote(pem, safe="+=/"),
        "alb-passthrough": quote(pem + Holder("issuer").certificate.public_bytes(Encoding.PEM).decode(), safe="+=/"),
        "rfc9440": holder.field,
    }
    return forms[proxy]


def ask(wire: Wire, client_id: str, headers: list[tuple[str, str]], peer: str = PROXY) -> Any:
    form = GRANT | {"resource": ORDERS, "client_id": client_id}
    return wire.http.post("/oauth/token", data=form, headers=headers, environ_base={"REMOTE_ADDR": peer})


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@pytest.mark.spec("RFC 8705 §2.2", "RFC 8705 §3", "RFC 9440 §2.2")
@pytest.mark.parametrize("proxy", FORMS)
def test_the_header_of_the_named_proxy_proves_a_client(tmp_path: Path, proxy: str) -> None:
    checked = "unchecked" if proxy == "alb-passthrough" else "checked"
    settings = {"client_certificate_proxy": proxy, "trusted_proxies": "10.0.0.0/8"}
    wire = start_wire(tmp_path, client_certificate_chain=checked, **settings)
    try:
        robot, other, name = Holder(), Holder("other"), FORMS[proxy].header
        new = NewClient(
            "bound",
            "self_signed_tls_client_auth",
            {"keys": [robot.jwk()]},
            roles=("worker",),
            tls_client_certificate_bound_access_tokens=True,
        )
        client_id = wire.core.actions.clients.create(OPERATOR, new)[0].client_id
        good = handed(proxy, robot)
        for spelt in (name, name.lower(), name.upper()):
            issued = ask(wire, client_id, [(spelt, good)])
            assert contents(issued.json["access_token"])["cnf"] == {"x5t#S256": robot.thumbprint}
        refused(ask(wire, client_id, [(name, good)], STRANGER), 401, "invalid_client")
        refused(ask(wire, client_id, [(name, handed(proxy, other))]), 401, "invalid_client")
        refused(ask(wire, client_id, [(name, good[:-40])]), 401, "invalid_client")
        refused(ask(wire, client_id, [(name, good + "A" * 100_000)]), 401, "invalid_client")
        for elsewhere in {form.header for form in FORMS.values()} - {name} | {"ClientCert"}:
            refused(ask(wire, client_id, [(elsewhere, good)]), 401, "invalid_client")
        if proxy != "traefik":  # whose chain has commas, as a header that comes twice has
            refused(ask(wire, client_id, [(name, f"{good},{good}")]), 401, "invalid_client")
            refused(ask(wire, client_id, [(name, f"{handed(proxy, other)}, {good}")]), 401, "invalid_client")
        metadata: Any = wire.http.get("/.well-known/oauth-authorization-server").json
        assert metadata["tls_client_certificate_bound_access_tokens"] is True
        assert ("tls_client_auth" in metadata["token_endpoint_auth_methods_supported"]) is (checked == "checked")
    finally:
        stop_wire(wire)
