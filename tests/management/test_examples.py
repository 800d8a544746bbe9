"""The examples of the API's description: each request is accepted, and each answer has the form of its schema."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import jsonschema_rs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.federated_credentials import NewFederatedCredential
from app.http import bookshop as shop
from app.management.blueprint import PREFIX
from app.management.examples import APP_ID, GRANT_ID, PASSWORD
from app.oauth.description import list_endpoints
from app.oauth.examples import FORMS
from app.oauth.form_reader import KNOWN
from app.operations.paths import FORWARD_AUTH
from tests.app_grants import connect_app
from tests.core import ISSUER
from tests.management.face import Face, start_face, stop_face
from tests.second_factors import set_up_app

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
Json = dict[str, Any]
OF_OTHERS = {"assertion", "code", "refresh_token", "device_code"}  # which another issuer signs, or a user agrees to


class Call(NamedTuple):
    """An operation, and one of the examples of its body."""

    method: str
    path: str
    operation: Json
    body: Any


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("examples"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def document(face: Face) -> Json:
    described: Json = face.call("GET", "/openapi.json").get_json()
    return described


def examples_in(media: Json) -> list[Any]:
    """Return the examples of a media type."""
    named = [one["value"] for one in media.get("examples", {}).values()]
    return named + ([media["example"]] if "example" in media else [])


def operations_of(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                yield method.upper(), path, operation | {"parameters": shared + operation.get("parameters", [])}


def calls_of(document: Json) -> list[Call]:
    """Return the calls in an order in which each finds what it needs: deletions last, from the end."""
    calls = []
    for method, path, operation in operations_of(document):
        content = operation.get("requestBody", {}).get("content", {})
        bodies = [body for media in content.values() for body in examples_in(media)] or [None]
        calls += [Call(method, path, operation, body) for body in bodies]
    ending = ("/oauth/revoke", f"{PREFIX}/credentials/revoke-many")
    deleting = [call for call in calls if call.method == "DELETE" or call.path in ending]
    return [call for call in calls if call not in deleting] + deleting[::-1]


class Story:
    """Sends the examples one after the other, with the ids and secrets that this server made."""

    def __init__(self, face: Face, admin: str) -> None:
        self._face = face
        self._admin = admin
        self._made: dict[str, str] = {}

    def send(self, call: Call) -> Any:
        """Send an example; return the response."""
        path, query = call.path, {}
        for parameter in call.operation["parameters"]:
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(self._real(parameter["example"]), safe=":"))
            elif "example" in parameter:
                query[parameter["name"]] = self._real(parameter["example"])
        options: Json = {"query_string": {n: str(v).lower() if v is False else v for n, v in query.items()}}
        if call.body is not None:
            content = call.operation["requestBody"]["content"]
            options |= {"data" if FORM in content else "json": self._real(call.body)}
        response = self._face.http.open(path, method=call.method, **options, **self._credential(call))
        self._learn(call, response)
        return response

    def connect_app(self) -> None:
        """Connect the client of the examples, as an app, to the user."""
        core, made = self._face.core, self._made
        app = core.actions.authenticate_client.find(made[shop.CLIENT_ID])
        grant = connect_app(core, app, made[shop.USER_ID], shop.READ)
        made |= {APP_ID: app.row_id, GRANT_ID: grant.grant_id}

    def set_up_factor(self) -> None:
        """Add an authenticator app to the user of the examples."""
        user = self._made[shop.USER_ID]
        set_up_app(self._face.core, Actor("user", user, shop.USERNAME))

    def _credential(self, call: Call) -> Json:
        if call.path.startswith(f"{PREFIX}/me"):
            return {"auth": (shop.USERNAME, PASSWORD)}
        if call.path == FORWARD_AUTH:
            return {"headers": {"Authorization": f"Bearer {self._real(shop.PERSONAL_TOKEN)}"}}
        if call.path.startswith("/oauth"):
            return {"auth": (self._real(shop.CLIENT_ID), self._real(shop.SECOND_CLIENT_SECRET))}
        if not call.path.startswith(PREFIX) or call.path.endswith("/comparison"):
            return {}
        return {"headers": {"Authorization": f"Bearer {self._admin}"}}

    def _real(self, example: Any) -> Any:
        """Return an example with what this server made in place of the ids and secrets in it."""
        text = json.dumps(example)
        for said, real in self._made.items():
            text = text.replace(json.dumps(said), json.dumps(real))
        return json.loads(text)

    def _learn(self, call: Call, response: Any) -> None:
        """Remember which ids and secrets this server made in place of the ones in the example answer."""
        if call.method == "POST" and response.is_json:
            for example in examples_in(answer_of(call.operation)[1].get("content", {}).get(JSON, {})):
                same = {name for name in example if re.fullmatch("id|client_id|kid|token|key|client_secret", name)}
                self._made |= {example[name]: response.json[name] for name in same & set(response.json)}


def answer_of(operation: Json) -> tuple[str, Json]:
    """Return the status and the description of an operation's success."""
    [found] = [(status, one) for status, one in operation["responses"].items() if status.startswith("2")]
    return found


@pytest.fixture(scope="module")
def admin(face: Face) -> str:
    return face.machine("manage")


def validate(document: Json, schema: Json, value: Any) -> None:
    jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(value)


def test_each_operation_has_an_example_of_all_that_it_takes_and_answers(document: Json) -> None:
    for method, path, operation in operations_of(document):
        where = f"{method} {path}"
        required = [one for one in operation["parameters"] if one.get("required")]
        assert all("example" in one for one in required), where
        content = operation.get("requestBody", {}).get("content", {})
        for media in [*content.values(), *answer_of(operation)[1].get("content", {}).values()]:
            assert examples_in(media) or media["schema"] == {"type": "string"}, where


def test_each_example_has_the_form_of_its_schema(document: Json) -> None:
    tried = 0
    for method, path, operation in operations_of(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        pairs = [(media["schema"], one) for it in bodies for media in it.get("content", {}).values()
                 for one in examples_in(media)]  # fmt: skip
        pairs += [(one["schema"], one["example"]) for one in operation["parameters"] if "example" in one]
        for schema, example in pairs:
            try:
                validate(document, schema, example)
            except jsonschema_rs.ValidationError as error:
                raise AssertionError(f"{method} {path}: {error}") from None
            tried += 1
    assert tried > 200


def test_each_example_is_accepted_and_answered_like_its_example(
    face: Face, admin: str, document: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(face, admin)
    face.core.resource("https://orders.bookshop.example", "books:sell")
    for call in calls_of(document):
        if call.path == f"{PREFIX}/users" and call.method == "POST":  # a role's permissions are there by now
            face.core.role("bookseller", "user", shop.READ, shop.WRITE)
        if OF_OTHERS & set(call.body or ()) or call.path == "/oauth/device_authorization":
            continue
        if call.path.endswith(("/me/apps", "/{app_id}")):
            story.connect_app()
        if call.path.endswith("/factors"):
            story.set_up_factor()
        response = story.send(call)
        status, described = answer_of(call.operation)
        assert response.status_code == int(status), f"{call.method} {call.path} {call.body}: {response.text}"
        media = described.get("content", {}).get(response.mimetype)
        if media is not None:
            validate(document, media["schema"], response.json if response.is_json else response.text)
            for example in examples_in(media):
                assert not response.is_json or set(example) >= set(response.json) - {"issued_token_type"}, call
        for name in described.get("headers", {}):
            assert name in response.headers


def test_the_example_of_an_assertion_is_accepted_when_its_issuer_signs_it(face: Face) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    published = {"keys": [ECAlgorithm.to_jwk(key.public_key(), as_dict=True)]}
    face.core.resource("https://deploy.example", "deploy")
    face.core.role("deployer", "machine", "deploy")
    row = face.core.client("deployer", "deployer")
    trust = NewFederatedCredential("CI", shop.FOREIGN_ISSUER, shop.FOREIGN_SUBJECT, jwks=published)
    face.core.actions.federated_credentials.create(OPERATOR, row, trust)
    form = dict(FORMS["jwt_bearer"])
    now = int(face.core.clock().timestamp())
    claims = jwt.decode(form["assertion"], options={"verify_signature": False})
    claims |= {"aud": ISSUER, "iat": now, "exp": now + 60}
    form |= {"assertion": jwt.encode(claims, key, "ES256"), "scope": "deploy"}
    response = face.http.post("/oauth/token", data=form)
    assert response.status_code == 200, response.text


def test_each_parameter_of_a_form_is_one_that_the_endpoints_read() -> None:
    schemas = [schema for endpoint in list_endpoints(ISSUER) for schema, _ in endpoint.forms.values()]
    assert set().union(*(schema._declared_fields for schema in schemas)) <= KNOWN
