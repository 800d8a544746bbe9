"""The console's machine clients: registration, secrets that are shown once, changes, deletion after a confirmation."""

import json
import re
from html import unescape

import pytest
from werkzeug.test import TestResponse

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientView, NewClient
from tests.core import ORDERS
from tests.management.face import Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor

SECRET = re.compile(r'id="secret" value="(lk_[^"]+)"')
BASIC, KEY = "client_secret_basic", "private_key_jwt"
JWKS_URI = "https://client.example/jwks.json"
JWK = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",  # the example of RFC 8037, appendix A.2
    "kid": "first",
}


def client_of(face: Face, name: str) -> ClientView:
    [client] = [one for one in face.core.actions.clients.page(200)[0] if one.name == name]
    return client


def register_client(face: Face, name: str) -> ClientView:
    client, _ = face.core.actions.clients.create(OPERATOR, NewClient(name))
    return client


def secret_in(answer: TestResponse) -> str:
    found = SECRET.search(answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


def gets_a_token(face: Face, client_id: str, secret: str) -> bool:
    """Return whether a client gets a token with this secret."""
    form = {"grant_type": "client_credentials"}
    answer = face.app.test_client().post("/oauth/token", data=form, auth=(client_id, secret))
    return answer.status_code == 200


def test_a_client_is_registered_and_its_secret_shown_once(face: Face, operator: Visitor) -> None:
    face.core.role("packing", "machine", "orders:read")
    operator.get("/console/clients/new")
    fields = {"name": "packer", "token_endpoint_auth_method": BASIC, "roles": "packing", "serves": ORDERS}
    answer = operator.post("/console/clients", **fields)
    assert answer.status_code == 201 and "no-store" in answer.headers["Cache-Control"]
    client, secret = client_of(face, "packer"), secret_in(answer)
    assert (client.roles, client.serves, client.enabled) == (("packing",), (ORDERS,), True)
    assert gets_a_token(face, client.client_id, secret)
    page = operator.get(f"/console/clients/{client.id}").text
    assert secret not in page and secret not in operator.get("/console/clients").text
    [kept], _ = face.core.actions.client_secrets.page(client.id, 10)
    assert kept.hint in page


@pytest.mark.parametrize("keys", [{"jwks_uri": JWKS_URI}, {"jwks": json.dumps({"keys": [JWK]})}], ids=["uri", "pasted"])
def test_a_client_with_keys_has_no_secret(face: Face, operator: Visitor, keys: dict[str, str]) -> None:
    operator.get("/console/clients/new")
    name = f"signs by {'-'.join(keys)}"
    answer = operator.post("/console/clients", name=name, token_endpoint_auth_method=KEY, **keys)
    assert answer.status_code == 303
    client = client_of(face, name)
    assert client.jwks_uri == keys.get("jwks_uri") and client.jwks == json.loads(keys.get("jwks", "null"))
    page = unescape(operator.get(f"/console/clients/{client.id}").text)
    assert (JWK["x"] if "jwks" in keys else JWKS_URI) in page and "authenticates without a secret" in page
    refused = operator.post(f"/console/clients/{client.id}/secrets", secret_name="one")
    assert refused.status_code == 409 and "proves itself by its private key" in refused.text


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("{not json", "Is not valid JSON"),
        ("[" * 50_000, "Is not valid JSON"),
        ("[]", "must be an object such as"),
        ('{"keys": []}', "1 to 20 keys"),
        (json.dumps({"keys": [JWK | {"d": "private-part"}]}), "private or symmetric key"),
        (json.dumps({"keys": [JWK, {"kty": "unheard of", "d": "private-part"}]}), "private or symmetric key"),
        ("9" * 70_000, "characters long"),
    ],
    ids=["broken", "deep", "a list", "empty", "private", "beside a good one", "long"],
)
def test_invalid_keys_are_refused_and_not_sent_back(face: Face, operator: Visitor, pasted: str, said: str) -> None:
    operator.get("/console/clients/new")
    answer = operator.post("/console/clients", name="no keys", token_endpoint_auth_method=KEY, jwks=pasted)
    assert answer.status_code == 422 and said.lower() in unescape(answer.text).lower()
    assert 'id="jwks-help"' in answer.text and "private-part" not in answer.text and 'value="no keys"' in answer.text
    assert all(client.name != "no keys" for client in face.core.actions.clients.page(200)[0])


def test_pasted_keys_of_other_uses_are_skipped(face: Face, operator: Visitor) -> None:
    operator.get("/console/clients/new")
    pasted = json.dumps({"keys": [JWK | {"kid": "second", "use": "enc"}, {"kty": "unheard of"}, JWK]})
    answer = operator.post("/console/clients", name="mixed", token_endpoint_auth_method=KEY, jwks=pasted)
    assert answer.status_code == 303 and client_of(face, "mixed").jwks == {"keys": [JWK]}


def test_an_invalid_value_is_refused_at_its_field(operator: Visitor) -> None:
    operator.get("/console/clients/new")
    good = {"name": "x", "token_endpoint_auth_method": BASIC}
    for field, value, mark in (
        ("name", "", 'id="name-help">is needed'),
        ("token_endpoint_auth_method", "none", 'id="token_endpoint_auth_method-problem"'),
        ("jwks_uri", JWKS_URI, 'id="jwks_uri-help">is for token_endpoint_auth_method'),
        ("roles", "no such", 'id="roles-problem"'),
        ("serves", "https://no.such", 'id="serves-problem"'),
    ):
        answer = operator.post("/console/clients", **good | {field: value})
        assert answer.status_code == 422 and mark in answer.text, field


def test_the_name_roles_and_apis_of_a_client_change_and_it_is_disabled(face: Face, operator: Visitor) -> None:
    client, issued = face.core.actions.clients.create(OPERATOR, NewClient("shipper"))
    assert issued is not None
    face.core.role("shipping", "machine", "orders:write")
    operator.get(f"/console/clients/{client.id}")
    fields = {"name": "carrier", "roles": "shipping", "serves": ORDERS, "enabled": "yes"}
    assert operator.post(f"/console/clients/{client.id}", **fields).status_code == 303
    assert gets_a_token(face, client.client_id, issued.token)
    changed = client_of(face, "carrier")
    assert (changed.roles, changed.serves) == (("shipping",), (ORDERS,))
    assert operator.post(f"/console/clients/{client.id}", name="carrier").status_code == 303
    changed = client_of(face, "carrier")
    assert (changed.roles, changed.serves, changed.enabled) == ((), (), False)
    assert not gets_a_token(face, client.client_id, issued.token)


@pytest.mark.spec("RFC 9449 §5.2")
def test_a_checkbox_restricts_a_client_to_bound_tokens(face: Face, operator: Visitor) -> None:
    client, issued = face.core.actions.clients.create(OPERATOR, NewClient("careful"))
    assert issued is not None
    face.core.role("careful", "machine", "orders:write")
    operator.get(f"/console/clients/{client.id}")
    fields = {"name": "careful", "roles": "careful", "enabled": "yes"}
    for box, given in (({"dpop_bound_access_tokens": "yes"}, False), ({}, True)):
        assert operator.post(f"/console/clients/{client.id}", **fields, **box).status_code == 303
        assert gets_a_token(face, client.client_id, issued.token) is given
        assert face.core.actions.clients.get(client.id).dpop_bound_access_tokens is not given


def test_the_authentication_method_changes_in_both_directions(face: Face, operator: Visitor) -> None:
    client = register_client(face, "changes its mind")
    operator.get(f"/console/clients/{client.id}")
    keyless = operator.post(f"/console/clients/{client.id}/keys", token_endpoint_auth_method=KEY)
    assert keyless.status_code == 422 and 'id="jwks-help">private_key_jwt needs either' in keyless.text
    fields = {"token_endpoint_auth_method": KEY, "jwks_uri": JWKS_URI}
    assert operator.post(f"/console/clients/{client.id}/keys", **fields).status_code == 303
    assert face.core.actions.clients.get(client.id).jwks_uri == JWKS_URI
    fields = {"token_endpoint_auth_method": BASIC, "jwks_uri": "", "jwks": ""}
    assert operator.post(f"/console/clients/{client.id}/keys", **fields).status_code == 303
    changed = face.core.actions.clients.get(client.id)
    assert (changed.jwks_uri, changed.token_endpoint_auth_method) == (None, BASIC)


def test_a_further_secret_works_beside_the_first_until_it_is_revoked(face: Face, operator: Visitor) -> None:
    client, issued = face.core.actions.clients.create(OPERATOR, NewClient("rotates"))
    assert issued is not None
    face.core.role("rotating", "machine", "orders:read")
    operator.get(f"/console/clients/{client.id}")
    operator.post(f"/console/clients/{client.id}", name="rotates", enabled="yes", roles="rotating")
    made = operator.post(f"/console/clients/{client.id}/secrets", secret_name="second", expires_on="2031-01-31")
    assert made.status_code == 201
    second = secret_in(made)
    assert all(gets_a_token(face, client.client_id, secret) for secret in (issued.token, second))
    page = operator.get(f"/console/clients/{client.id}").text
    assert ">second<" in page and "2031-02-01 00:00" in page and second not in page
    asked = operator.get(f"/console/clients/{client.id}/secrets/{issued.credential_id}/revoke")
    assert asked.status_code == 200 and gets_a_token(face, client.client_id, issued.token)
    assert operator.post(f"/console/clients/{client.id}/secrets/{issued.credential_id}/revoke").status_code == 303
    assert not gets_a_token(face, client.client_id, issued.token) and gets_a_token(face, client.client_id, second)
    assert "revoked by an operator" in operator.get(f"/console/clients/{client.id}").text


def test_a_refused_secret_says_why_at_its_field(face: Face, operator: Visitor) -> None:
    client = register_client(face, "has enough")
    operator.get(f"/console/clients/{client.id}")
    for day in ("2029-01-01", "soon"):
        past = operator.post(f"/console/clients/{client.id}/secrets", expires_on=day)
        assert past.status_code == 422 and 'id="expires_on-help"' in past.text and f'value="{day}"' in past.text
    for _ in range(4):
        assert operator.post(f"/console/clients/{client.id}/secrets").status_code == 201
    full = operator.post(f"/console/clients/{client.id}/secrets")
    assert full.status_code == 409 and "at most 5 live secrets" in full.text and 'role="alert"' in full.text


def test_a_deletion_says_what_ends(face: Face, operator: Visitor) -> None:
    client = register_client(face, "goes away")
    asked = operator.get(f"/console/clients/{client.id}/delete").text
    assert "1 live secret<" in asked and client.client_id in asked
    assert client_of(face, "goes away") == client, "asking deletes nothing"
    assert operator.post(f"/console/clients/{client.id}/delete").status_code == 303
    assert all(one.id != client.id for one in face.core.actions.clients.page(200)[0])


def test_the_list_goes_on_by_its_cursor_and_finds_a_client_id(face: Face, operator: Visitor) -> None:
    many = [register_client(face, f"many-{number:02}") for number in range(55)]
    pages = pages_of(operator, "/console/clients")
    assert len(pages) > 1
    for client in many:
        assert [f">{client.name}<" in page for page in pages].count(True) == 1
    page = operator.get(f"/console/clients?q={many[7].client_id}").text
    assert ">many-07<" in page and ">many-08<" not in page
    assert "No clients match" in operator.get("/console/clients?q=nobody").text


def test_a_page_shows_the_certificate_that_its_method_needs(face: Face, operator: Visitor) -> None:
    subject = {"tls_client_auth_san_dns": "till.example"}
    new = NewClient("till", "tls_client_auth", certificate_subject=subject)
    client, _ = face.core.actions.clients.create(OPERATOR, new)
    page = operator.get(f"/console/clients/{client.id}").text
    assert "<code>till.example</code>" in page and "the API and the command line change" in page
    assert 'href="#secrets"' not in page and 'href="#federated"' in page
