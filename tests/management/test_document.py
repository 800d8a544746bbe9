"""The description of the API, and the page about it."""

import gzip
import json
import re
from typing import Any

import pytest

from app.maintenance.bootstrap import PERMISSIONS
from app.management.blueprint import PREFIX
from app.management.docs import ASSETS, STATIC
from tests.core import ISSUER
from tests.management.face import PASSWORD, Face
from tests.management.test_examples import calls_of, operations_of


def references(part: Any) -> set[str]:
    """Return every $ref below this part of the document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


@pytest.mark.asvs("2.1.1")
def test_the_document_has_no_missing_or_unused_schema(face: Face) -> None:
    response = face.call("GET", "/openapi.json")
    document = response.get_json()
    assert response.content_type == "application/json" and document["openapi"] == "3.1.0"
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) == names
    operations = [one for path in document["paths"].values() for m, one in path.items() if m != "parameters"]
    identifiers = [operation["operationId"] for operation in operations]
    assert len(set(identifiers)) == len(identifiers)
    assert all(operation["summary"] for operation in operations)


def test_each_operation_names_the_scopes_that_open_it_once(face: Face) -> None:
    paths = face.call("GET", "/openapi.json").get_json()["paths"]
    operations = [one for path in paths.values() for method, one in path.items() if method != "parameters"]
    texts = [one["description"] for one in operations if one.get("description", "").startswith("Scope:")]
    said = {tuple(re.findall("`([^`]+)`", text)) for text in texts}
    assert ("manage",) in said and ("users:read", "manage") in said
    assert all(len(set(names)) == len(names) for names in said)


def test_refusals_are_described_as_problems(face: Face) -> None:
    responses = face.call("GET", "/openapi.json").get_json()["paths"]["/api/v1/roles/{role_id}"]["patch"]["responses"]
    assert set(responses) == {"200", "400", "401", "403", "404", "409", "413", "415", "422"}
    assert set(responses["422"]["content"]) == {"application/problem+json"}


def test_each_refusal_of_what_does_not_exist_is_described(own_face: Face) -> None:
    admin, name = own_face.machine("manage"), own_face.person("orders:read")
    document = own_face.call("GET", "/openapi.json").get_json()
    unknown = []
    for call in calls_of(document):
        if not call.path.startswith(PREFIX):
            continue
        path = re.sub(r"\{\w+\}", "nobody", call.path)
        texts = [one for one in call.operation["parameters"] if one["in"] == "query" and is_free_text(one["schema"])]
        queries = [{one["name"]: "nobody" for one in some} for some in (texts, [t for t in texts if t["required"]])]
        for query in queries:
            credential = {"auth": (name, PASSWORD)} if path.startswith(f"{PREFIX}/me") else {"headers": bearer(admin)}
            body = {} if call.body is None else {"json": call.body}
            answer = own_face.http.open(path, method=call.method, query_string=query, **credential, **body)
            assert str(answer.status_code) in call.operation["responses"], (
                f"{call.method} {path} {query}: {answer.text}"
            )
            unknown += [call.path] if answer.status_code == 404 else []
    assert {f"{PREFIX}/usage", f"{PREFIX}/me/usage", f"{PREFIX}/roles/{{role_id}}"} <= set(unknown)


def test_a_404_is_described_where_something_is_named(face: Face) -> None:
    for method, path, operation in operations_of(face.call("GET", "/openapi.json").get_json()):
        named = "{" in path or path in (f"{PREFIX}/usage", f"{PREFIX}/me/usage")
        assert not path.startswith(PREFIX) or ("404" in operation["responses"]) is named, f"{method} {path}"


def is_free_text(schema: dict[str, Any]) -> bool:
    """Return whether a parameter can be any name."""
    return schema.get("type") == "string" and not {"enum", "format"} & set(schema)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.asvs("2.1.1")
def test_unknown_fields_are_refused_by_the_description_too(face: Face) -> None:
    schemas = face.call("GET", "/openapi.json").get_json()["components"]["schemas"]
    taken = [name for name in schemas if name.startswith("New") or name.endswith("Changes")]
    assert taken and all(schemas[name]["additionalProperties"] is False for name in taken)


@pytest.mark.asvs("8.1.2", "8.2.3")
@pytest.mark.contract("`password` is write only")
def test_passwords_and_secrets_are_never_described_as_answered(face: Face) -> None:
    schemas = face.call("GET", "/openapi.json").get_json()["components"]["schemas"]
    assert "password" not in json.dumps({n: s for n, s in schemas.items() if n in ("User", "UserPage", "Profile")})
    answered = {
        n: [p for p, s in schema.get("properties", {}).items() if not s.get("writeOnly")]
        for n, schema in schemas.items()
    }
    once = [name for name, properties in answered.items() if {"client_secret", "key", "token"} & set(properties)]
    assert all(name.startswith("Made") or name.endswith("Form") for name in once)  # a form is what is sent


@pytest.mark.contract("its page: a template without a nonce, scripts from elsewhere")
def test_the_page_runs_its_own_scripts_only(face: Face) -> None:
    first, second = face.http.get("/api/docs"), face.http.get("/api/docs")
    policy = first.headers["Content-Security-Policy"]
    nonces = re.findall(r"'nonce-([^']+)'", policy)
    assert len(nonces) == 1 and nonces[0] not in second.headers["Content-Security-Policy"]
    assert set(re.findall(r'nonce="([^"]+)"', first.text)) == set(nonces)
    scripts = re.findall(r"<script[^>]*>", first.text)
    assert scripts and all(f'nonce="{nonces[0]}"' in script and "src=" in script for script in scripts)
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert not re.search(r"(src|href)=\"(https?:)?//", first.text) and " style=" not in first.text


@pytest.mark.asvs("3.7.1")
@pytest.mark.contract("its page: a template without a nonce, scripts from elsewhere")
def test_the_assets_are_named_by_their_content_and_compressed(face: Face) -> None:
    page = face.http.get("/api/docs").text
    for name in ASSETS:
        [address] = re.findall(rf'"(/api/docs/assets/{name}\?v=[0-9a-f]+)"', page)
        response = face.http.get(address, headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(response.data) == (STATIC / name).read_bytes()
        assert "immutable" in response.headers["Cache-Control"]
        assert face.http.get(address, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
        assert "immutable" not in face.http.get(f"/api/docs/assets/{name}").headers["Cache-Control"]
    assert face.http.get("/api/docs/assets/..%2fdocs.py").status_code == 404


def test_the_page_shows_each_operation_and_is_small_on_the_wire(face: Face) -> None:
    response = face.http.get("/api/docs", headers={"Accept-Encoding": "gzip"})
    assert len(response.data) < 40_000
    page = gzip.decompress(response.data).decode()
    paths = face.call("GET", "/openapi.json").get_json()["paths"].values()
    identifiers = [one["operationId"] for path in paths for method, one in path.items() if method != "parameters"]
    assert identifiers and all(f'<details class="api-operation" id="{one}">' in page for one in identifiers)


def test_a_client_can_authorize_with_its_credentials(face: Face) -> None:
    schemes = face.call("GET", "/openapi.json").get_json()["components"]["securitySchemes"]
    flow = schemes["oauth2"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{ISSUER}/oauth/token" and flow["scopes"] == PERMISSIONS
