"""RFC 8705: a client's certificate, forwarded by the proxy, authenticates the client and binds its tokens."""

import base64
import hashlib
import ipaddress
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientChanges, NewClient
from app.errors import Invalid
from tests.core import ORDERS, START, contents
from tests.dpop import Prover
from tests.oauth.wire import ANY_TYPE, EXCHANGE, GRANT, Wire, basic, refused, start_wire, stop_wire

PROXY, STRANGER = "10.1.2.3", "192.0.2.7"
HEADER = "ClientCert"
NAMES = {
    "tls_client_auth_subject_dn": "CN=robot,O=Example",
    "tls_client_auth_san_dns": "robot.example",
    "tls_client_auth_san_uri": "spiffe://example/robot",
    "tls_client_auth_san_ip": "2001:db8::7",
    "tls_client_auth_san_email": "robot@example.com",
}
GOOD = (START - timedelta(days=1), START + timedelta(days=1))


@dataclass
class Holder:
    """A key and its certificate, self-signed and valid around `START`."""

    common_name: str = "robot"
    during: Any = GOOD
    alternatives: bool = True
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        name = x509.Name([
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
            x509.NameAttribute(NameOID.COMMON_NAME, self.common_name),
        ])  # fmt: skip
        built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        built = built.serial_number(7).not_valid_before(self.during[0]).not_valid_after(self.during[1])
        if self.alternatives:
            names = [
                x509.DNSName(f"{self.common_name}.example"),
                x509.UniformResourceIdentifier(f"spiffe://example/{self.common_name}"),
                x509.IPAddress(ipaddress.ip_address("2001:db8::7" if self.common_name == "robot" else "2001:db8::8")),
                x509.RFC822Name(f"{self.common_name}@example.com"),
            ]
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self.certificate = built.sign(self.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def field(self) -> str:
        """As RFC 9440 hands it over."""
        return f":{base64.b64encode(self.der).decode()}:"

    @property
    def escaped(self) -> str:
        """As nginx's $ssl_client_escaped_cert does."""
        return quote(self.certificate.public_bytes(Encoding.PEM).decode(), safe="")

    @property
    def thumbprint(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.der).digest()).rstrip(b"=").decode()

    def jwk(self, **more: Any) -> dict[str, Any]:
        kind = jwt.algorithms.RSAAlgorithm if isinstance(self.key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        whole: dict[str, Any] = json.loads(kind.to_jwk(self.key.public_key()))
        whole.pop("key_ops", None)
        return whole | more

    @property
    def x5c(self) -> list[str]:
        return [base64.b64encode(self.der).decode()]


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("mtls"), client_certificate_header=HEADER, trusted_proxies="10.0.0.0/8")
    yield made
    stop_wire(made)


@pytest.fixture(scope="module")
def robot() -> Holder:
    return Holder()


Register = Callable[..., str]


@pytest.fixture(scope="module")
def register(wire: Wire) -> Register:
    """Register a client with the role `worker`; gives its client_id."""

    def make(**fields: Any) -> str:
        view, issued = wire.core.actions.clients.create(OPERATOR, NewClient("tls", roles=("worker",), **fields))
        assert issued is None
        return view.client_id

    return make


def ask(wire: Wire, client_id: str, certificate: str | None, peer: str = PROXY, **form: Any) -> Any:
    headers = {HEADER: certificate} if certificate is not None else {}
    asked = GRANT | {"resource": ORDERS, "client_id": client_id} | form
    return wire.post("token", asked, headers=headers, environ_base={"REMOTE_ADDR": peer})


def by_name(register: Register, name: str, value: str | None = None, **fields: Any) -> str:
    subject = {name: value or NAMES[name]}
    return register(token_endpoint_auth_method="tls_client_auth", certificate_subject=subject, **fields)


def by_key(register: Register, *keys: Any) -> str:
    return register(token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": list(keys)})


@pytest.mark.asvs("10.4.16")
@pytest.mark.contract("a certificate proves a client and binds its tokens, from the proxy alone")
@pytest.mark.spec("RFC 8705 §2.1.2")
@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_that_names_the_client_authenticates_it_and_no_other(
    wire: Wire, register: Register, robot: Holder, name: str
) -> None:
    client_id = by_name(register, name)
    answer = ask(wire, client_id, robot.field)
    assert answer.status_code == 200, answer.text
    assert contents(answer.json["access_token"])["client_id"] == client_id
    assert "cnf" not in contents(answer.json["access_token"])  # it did not ask for that
    refused(ask(wire, client_id, Holder("other").field), 401, "invalid_client")
    if name != "tls_client_auth_subject_dn":
        refused(ask(wire, client_id, Holder(alternatives=False).field), 401, "invalid_client")


@pytest.mark.spec("RFC 9440 §2.1", "RFC 8705 §2")
def test_both_ways_of_handing_it_over_are_read(wire: Wire, register: Register, robot: Holder) -> None:
    client_id = by_name(register, "tls_client_auth_san_dns")
    for handed in (robot.field, robot.escaped):
        assert ask(wire, client_id, handed).status_code == 200


GARBAGE = [
    "",
    ":",
    "::",
    ":AAAA:",
    ":not base64:",
    "garbage",
    "%2d%2d",
    "\u00e9",
    "x" * 20_000,
    "-----BEGIN%20CERTIFICATE",
]


@pytest.mark.parametrize("handed", GARBAGE)
def test_a_malformed_certificate_is_none(wire: Wire, register: Register, handed: str) -> None:
    refused(ask(wire, by_name(register, "tls_client_auth_san_dns"), handed), 401, "invalid_client")


@pytest.mark.asvs("4.1.3", "RFC 9700 §4.13")
@pytest.mark.contract("a certificate proves a client and binds its tokens, from the proxy alone")
@pytest.mark.spec("RFC 8705 §2", "RFC 8705 §6.5")
def test_a_stranger_hands_nothing_over(wire: Wire, register: Register, robot: Holder) -> None:
    client_id = by_name(register, "tls_client_auth_san_dns")
    refused(ask(wire, client_id, robot.field, STRANGER), 401, "invalid_client")
    refused(ask(wire, client_id, None), 401, "invalid_client")
    refused(ask(wire, client_id, f"{robot.field}, {robot.field}"), 401, "invalid_client")


@pytest.mark.spec("RFC 8705 §2")
@pytest.mark.parametrize("days", [(-3, -1), (1, 3)])
def test_a_certificate_counts_while_it_is_valid(wire: Wire, register: Register, days: tuple[int, int]) -> None:
    during = tuple(START + timedelta(days=day) for day in days)
    holder = Holder(during=during)
    refused(ask(wire, by_name(register, "tls_client_auth_san_dns"), holder.field), 401, "invalid_client")
    refused(ask(wire, by_key(register, holder.jwk(x5c=holder.x5c)), holder.field), 401, "invalid_client")


@pytest.mark.asvs("RFC 9700 §2.5")
@pytest.mark.contract("a certificate proves a client and binds its tokens, from the proxy alone")
@pytest.mark.spec("RFC 8705 §2.2.2")
def test_a_registered_certificate_or_its_key_alone_authenticates(wire: Wire, register: Register) -> None:
    for key in (None, rsa.generate_private_key(65537, 2048)):
        holder = Holder(key=key) if key else Holder()
        again = Holder(key=holder.key, common_name="renewed")
        exact, loose = by_key(register, holder.jwk(x5c=holder.x5c)), by_key(register, Holder().jwk(), holder.jwk())
        assert ask(wire, exact, holder.field).status_code == ask(wire, loose, holder.field).status_code == 200
        refused(ask(wire, exact, again.field), 401, "invalid_client")  # another certificate of the same key
        assert ask(wire, loose, again.field).status_code == 200
        for client_id in (exact, loose):
            refused(ask(wire, client_id, Holder().field), 401, "invalid_client")


@pytest.mark.spec("RFC 8705 §2.2.2")
@pytest.mark.parametrize(("bits", "status"), [(1024, 401), (2048, 200)])
def test_a_key_behind_a_uri_must_be_as_strong_as_a_registered_one(
    wire: Wire, register: Register, monkeypatch: pytest.MonkeyPatch, bits: int, status: int
) -> None:
    holder = Holder(key=rsa.generate_private_key(65537, bits))
    published = {"keys": [7, holder.jwk()]}
    monkeypatch.setattr(type(wire.core.actions.fetch_jwks), "_fetch", lambda self, uri: published)
    uri = f"https://keys.example/{bits}"
    client_id = register(token_endpoint_auth_method="self_signed_tls_client_auth", jwks_uri=uri)
    assert ask(wire, client_id, holder.field).status_code == status


@pytest.mark.asvs("6.3.4", "10.4.16")
@pytest.mark.spec("RFC 6749 §2.3", "RFC 8705 §2")
def test_no_method_replaces_another(wire: Wire, register: Register, robot: Holder) -> None:
    named, keyed = by_name(register, "tls_client_auth_san_dns"), by_key(register, robot.jwk())
    secret = wire.robot[1]
    for client_id in (named, keyed):
        refused(ask(wire, client_id, robot.field, client_secret=secret), 401, "invalid_client")
        refused(wire.token((client_id, secret)), 401, "invalid_client")
    refused(ask(wire, "robot", robot.field), 401, "invalid_client")
    refused(ask(wire, "nobody", robot.field), 401, "invalid_client")
    refused(ask(wire, "", robot.field), 401, "invalid_client")
    assert ask(wire, "robot", robot.field, client_secret=secret).status_code == 200  # a certificate beside it is fine


@pytest.mark.asvs("10.4.10")
@pytest.mark.spec("RFC 8705 §2")
def test_it_authenticates_at_every_endpoint(wire: Wire, register: Register, robot: Holder) -> None:
    client_id = by_name(register, "tls_client_auth_san_dns", serves=(ORDERS,))
    handed: Any = {"headers": {HEADER: robot.field}, "environ_base": {"REMOTE_ADDR": PROXY}}
    token = ask(wire, client_id, robot.field).json["access_token"]
    asked = {"token": token, "client_id": client_id}
    assert wire.post("introspect", asked, **handed).json["active"] is True
    refused(wire.post("introspect", asked), 401, "invalid_client")
    subject = {"grant_type": EXCHANGE, "subject_token": wire.core.key()[1], "subject_token_type": ANY_TYPE}
    exchanged = wire.post("token", subject | {"client_id": client_id}, **handed)
    assert contents(exchanged.json["access_token"])["act"] == {"sub": client_id}
    assert wire.post("revoke", asked, **handed).status_code == 200
    assert wire.post("introspect", asked, **handed).json == {"active": False}


@pytest.mark.spec("RFC 8705 §2", "RFC 7009 §2.1", "RFC 8693 §2.1")
def test_a_certificate_authenticates_nobody_who_has_another_method(
    wire: Wire, register: Register, robot: Holder
) -> None:
    handed: Any = {"headers": {HEADER: robot.field}, "environ_base": {"REMOTE_ADDR": PROXY}}
    for client_id in ("robot", "keyed", "nobody"):  # possession proves it, as without a certificate
        key = wire.core.key()[1]
        subject = {"grant_type": EXCHANGE, "subject_token": key, "subject_token_type": ANY_TYPE}
        exchanged = wire.post("token", subject | {"client_id": client_id}, **handed)
        assert exchanged.status_code == 200 and "act" not in contents(exchanged.json["access_token"])
        assert wire.post("revoke", {"token": key, "client_id": client_id}, **handed).status_code == 200
        assert wire.introspect(key) == {"active": False}
    token = wire.core.m2m("robot", "orders:read")
    refused(wire.post("revoke", {"token": token, "client_id": "robot"}, **handed), 401, "invalid_client")
    another = by_key(register, Holder().jwk())
    refused(wire.post("revoke", {"token": wire.core.key()[1], "client_id": another}, **handed), 401, "invalid_client")


@pytest.mark.asvs("10.3.5", "RFC 9700 §2.2.1")
@pytest.mark.contract("a certificate proves a client and binds its tokens, from the proxy alone")
@pytest.mark.spec("RFC 8705 §3", "RFC 8705 §3.1", "RFC 8705 §3.2", "RFC 8705 §3.4")
def test_a_bound_token_is_of_use_with_its_certificate_alone(wire: Wire, register: Register, robot: Holder) -> None:
    client_id = by_name(register, "tls_client_auth_san_dns", tls_client_certificate_bound_access_tokens=True)
    answer = ask(wire, client_id, robot.field)
    assert answer.json["token_type"] == "Bearer"
    token = answer.json["access_token"]
    cnf = {"x5t#S256": robot.thumbprint}
    assert contents(token)["cnf"] == cnf and wire.introspect(token)["cnf"] == cnf
    assert wire.introspect(token)["token_type"] == "Bearer"
    opened = {"Authorization": f"Bearer {token}"}
    assert wire.ask(**opened, ClientCert=robot.field, peer=PROXY).status_code == 200
    assert wire.ask(**opened, ClientCert=robot.escaped, peer=PROXY).status_code == 200
    for handed, peer in ((Holder().field, PROXY), ("", PROXY), ("garbage", PROXY), (robot.field, STRANGER)):
        refusal = wire.ask(**opened, ClientCert=handed, peer=peer)
        assert refusal.status_code == 401
        assert refusal.headers["WWW-Authenticate"] == 'Bearer realm="latchkey", error="invalid_token"'


@pytest.mark.asvs("10.4.14")
@pytest.mark.spec("RFC 8705 §3", "RFC 8705 §4")
def test_a_bound_client_gets_nothing_without_and_may_be_bound_to_both(wire: Wire, robot: Holder) -> None:
    wire.core.client("both", "worker")
    pair = ("both", wire.core.client_secret("both"))
    changes = ClientChanges(tls_client_certificate_bound_access_tokens=True, dpop_bound_access_tokens=True)
    assert wire.token(pair).status_code == 200
    wire.core.actions.clients.change(OPERATOR, wire.core.row_id("both"), changes)
    refused(wire.token(pair), 400, "invalid_request")
    prover = Prover(lambda: wire.core.clock().timestamp())
    url = "https://login.example/oauth/token"
    handed: Any = {HEADER: robot.field, "Authorization": basic(*pair)}

    def grant(**headers: str) -> Any:
        asked = GRANT | {"resource": ORDERS}
        return wire.post("token", asked, headers=handed | headers, environ_base={"REMOTE_ADDR": PROXY})

    refused(grant(), 400, "invalid_dpop_proof")
    answer = grant(DPoP=prover.proof("POST", url))
    token = answer.json["access_token"]
    assert answer.json["token_type"] == "DPoP"
    assert contents(token)["cnf"] == {"jkt": prover.jkt, "x5t#S256": robot.thumbprint}
    told = {"X_Original_Method": "GET", "X_Original_URL": "https://orders.example/"}

    def opened(certificate: str) -> int:
        proof = prover.proof("GET", "https://orders.example/", token)
        sent = {"Authorization": f"DPoP {token}", "DPoP": proof, "ClientCert": certificate}
        return int(wire.ask(**sent, **told, peer=PROXY).status_code)

    assert (opened(robot.field), opened(Holder().field)) == (200, 401)


@pytest.mark.asvs("11.6.1")
@pytest.mark.spec("RFC 8705 §2.1.2", "RFC 8705 §2.2.2")
def test_what_is_registered_must_be_what_can_be_matched(wire: Wire, register: Register, robot: Holder) -> None:
    dns, dn = "tls_client_auth_san_dns", "tls_client_auth_subject_dn"
    bad: list[dict[str, Any]] = [
        {}, {dns: "a.example", dn: "CN=a"}, {dns: ""}, {dns: "two words"}, {dn: "no name"}, {dn: ""},
        {"tls_client_auth_san_ip": "1.2.3"}, {dns: "x" * 2_000}, {dns: "\u00e9.example"},
    ]  # fmt: skip
    for subject in bad:
        with pytest.raises(Invalid):
            register(token_endpoint_auth_method="tls_client_auth", certificate_subject=subject)
    with pytest.raises(Invalid):
        wire.core.actions.clients.create(OPERATOR, NewClient("x", certificate_subject={dns: "a.example"}))
    for x5c in (Holder().x5c, ["AAAA"], [], "text", [7], robot.x5c * 9):
        with pytest.raises(Invalid):
            by_key(register, robot.jwk(x5c=x5c))
    with pytest.raises(Invalid):
        register(token_endpoint_auth_method="self_signed_tls_client_auth")


def test_another_name_takes_the_place_of_the_first_and_another_method_drops_it(wire: Wire, robot: Holder) -> None:
    clients, dns, dn = wire.core.actions.clients, "tls_client_auth_san_dns", "tls_client_auth_subject_dn"
    new = NewClient("x", token_endpoint_auth_method="tls_client_auth", certificate_subject={dns: "robot.example"})
    row_id = clients.create(OPERATOR, new)[0].id
    with pytest.raises(Invalid):
        clients.change(OPERATOR, row_id, ClientChanges(certificate_subject={dn: "CN=a"}))
    view = clients.change(OPERATOR, row_id, ClientChanges(certificate_subject={dn: "CN=a", dns: None}))
    assert (view.tls_client_auth_subject_dn, view.tls_client_auth_san_dns) == ("CN=a", None)
    view = clients.change(OPERATOR, row_id, ClientChanges(token_endpoint_auth_method="client_secret_post"))
    assert view.tls_client_auth_subject_dn is None


@pytest.mark.spec("RFC 8705 §2.1.1", "RFC 8705 §3.3")
def test_the_metadata_names_it_where_a_proxy_forwards_certificates(
    wire: Wire, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def read_metadata(asked: Wire) -> Any:
        return asked.http.get("/.well-known/oauth-authorization-server").json

    metadata = read_metadata(wire)
    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(metadata["token_endpoint_auth_methods_supported"])
    bare = start_wire(tmp_path_factory.mktemp("bare"), trusted_proxies="10.0.0.0/8")
    try:
        assert "tls_client_certificate_bound_access_tokens" not in read_metadata(bare)
        assert "tls_client_auth" not in read_metadata(bare)["token_endpoint_auth_methods_supported"]
        new = NewClient(
            "x", "tls_client_auth", roles=("worker",), certificate_subject={next(iter(NAMES)): "CN=robot,O=Example"}
        )
        client_id = bare.core.actions.clients.create(OPERATOR, new)[0].client_id
        refused(ask(bare, client_id, Holder().field), 401, "invalid_client")  # nobody is believed
    finally:
        stop_wire(bare)


@pytest.mark.contract("a certificate proves a client and binds its tokens, from the proxy alone")
@pytest.mark.spec("RFC 8705 §2.1", "RFC 8705 §2.2")
def test_where_no_chain_is_checked_a_name_counts_for_nothing(
    robot: Holder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"client_certificate_header": HEADER, "trusted_proxies": "10.0.0.0/8"}
    loose = start_wire(tmp_path_factory.mktemp("loose"), client_certificate_chain="unchecked", **settings)
    try:
        subject = {"tls_client_auth_san_dns": NAMES["tls_client_auth_san_dns"]}
        named = NewClient("x", "tls_client_auth", roles=("worker",), certificate_subject=subject)
        keyed = NewClient("y", "self_signed_tls_client_auth", {"keys": [robot.jwk()]}, roles=("worker",))
        ids = [loose.core.actions.clients.create(OPERATOR, new)[0].client_id for new in (named, keyed)]
        refused(ask(loose, ids[0], robot.field), 401, "invalid_client")
        assert ask(loose, ids[1], robot.field).status_code == 200
        metadata: Any = loose.http.get("/.well-known/oauth-authorization-server").json
        assert "tls_client_auth" not in metadata["token_endpoint_auth_methods_supported"]
    finally:
        stop_wire(loose)
