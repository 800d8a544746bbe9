"""What only a WSGI application has: its environment, a body that is made later, applications around each other."""

import time
from collections.abc import Callable, Iterable, Iterator
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest

from app.resource_server import Configuration, Guard, current_credential
from app.resource_server.flask import ResourceServer
from app.resource_server.wsgi import protect, read_request
from tests.api import Admin, Json
from tests.contract.world import World, create_world
from tests.dpop import Prover
from tests.resource_server.apis import DER, PEM, issue_bound_token, show_credential

NOWHERE = Configuration("http://127.0.0.1:9", "https://api.example/", "id", "secret")


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture(scope="module")
def guard(world: World) -> Guard:
    return Guard(Configuration(world.admin.issuer, world.identifier, *world.resource_server.basic))


def environment(**values: str) -> Json:
    environ: Json = {"SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": ""} | values
    setup_testing_defaults(environ)
    return environ


class Answer:
    """The answer of a WSGI application, whose body is not yet read."""

    def __init__(self, application: Callable[..., Iterable[bytes]], **values: str) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = application(environment(**values), self._start)

    def _start(self, status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        self.status, self.headers = int(status[:3]), headers
        return lambda data: None


class Parts:
    """An application whose body is made part by part, each from the current credential."""

    closed = False

    def __call__(self, environ: Json, start_response: Callable[..., object]) -> "Parts":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return self

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield current_credential.id.encode()

    def close(self) -> None:
        """Note it."""
        assert current_credential.id
        self.closed = True


def test_a_body_that_is_made_later_has_the_credential_of_its_request(world: World, guard: Guard) -> None:
    parts = Parts()
    application = protect(parts, guard, world.read)
    credentials = [world.issue("pat") for _ in range(2)]
    answers = [Answer(application, HTTP_AUTHORIZATION=f"Bearer {one.token}") for one in credentials]
    bodies = [iter(answer.body) for answer in answers]
    for _ in range(2):
        assert [next(body).decode() for body in bodies] == [one.id for one in credentials]
        assert show_credential() == {"kind": None}
    answers[0].body.close()  # type: ignore[attr-defined]
    assert parts.closed


def test_a_list_is_handed_on_as_it_is(world: World, guard: Guard) -> None:
    body = [b"one", b"two"]

    def application(environ: Json, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return body

    token = world.issue("pat").token
    assert Answer(protect(application, guard), HTTP_X_API_KEY=token).body is body


@pytest.mark.parametrize("values", [{}, {"PATH_INFO": "/.well-known/oauth-protected-resource"}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_guard_answers_itself_conforms_to_pep_3333(values: dict[str, str], method: str) -> None:
    application = validator(protect(Parts(), Guard(NOWHERE)))
    answer = Answer(application, REQUEST_METHOD=method, **values)
    body = b"".join(answer.body)
    answer.body.close()  # type: ignore[attr-defined]
    assert answer.status == (200 if values else 401)
    assert bool(body) is (method == "GET")


@pytest.mark.spec("RFC 9449 §11.1")
def test_a_proof_is_used_once_by_all_guards_of_one_request(world: World, guard: Guard) -> None:
    latchkey = ResourceServer(world.admin.issuer, world.identifier, *world.resource_server.basic)
    inner, prover = flask.Flask("api"), Prover(time.time)

    @inner.get("/")
    @latchkey.require_scope(world.read, verify="local")
    @latchkey.require_scope(world.write, verify="introspection")
    def show() -> Json:
        return show_credential()

    application = protect(protect(inner, latchkey.guard, world.read), latchkey.guard, verify="local")
    token = issue_bound_token(world, prover)
    proof = {"HTTP_DPOP": prover.proof("GET", "http://127.0.0.1/", token), "HTTP_AUTHORIZATION": f"DPoP {token}"}
    assert [Answer(application, **proof).status for _ in range(2)] == [200, 401]


def test_another_credential_of_a_changed_request_is_verified_again(world: World, guard: Guard) -> None:
    seen = []

    def note(environ: Json, start_response: Callable[..., object]) -> list[bytes]:
        seen.append(current_credential.id)
        start_response("200 OK", [])
        return []

    inner = protect(note, guard)
    first, second = world.issue("pat"), world.issue("pat")

    def change(environ: Json, start_response: Callable[..., object]) -> Iterable[bytes]:
        return inner(environ | {"HTTP_X_API_KEY": second.token}, start_response)  # type: ignore[arg-type]

    assert Answer(protect(change, guard), HTTP_X_API_KEY=first.token).status == 200
    assert seen == [second.id]


@pytest.mark.parametrize(
    ("address", "sent"),
    [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("fe80::1%eth0", "fe80::1"), ("", None), ("x", None)],
)
def test_the_address_of_the_caller_is_that_of_the_server(address: str, sent: str | None) -> None:
    assert read_request(environment(REMOTE_ADDR=address), NOWHERE, "").client_ip == sent


@pytest.mark.spec("RFC 9449 §4.3")
def test_the_url_of_a_proof_has_the_place_where_the_application_is_mounted(world: World, guard: Guard) -> None:
    prover = Prover(time.time)
    token = issue_bound_token(world, prover)
    mounted = {"SCRIPT_NAME": "/v1", "PATH_INFO": "/café".encode().decode("latin-1"), "QUERY_STRING": "x=1"}
    mounted |= {"HTTP_HOST": "api.example", "wsgi.url_scheme": "https", "HTTP_AUTHORIZATION": f"DPoP {token}"}
    for path, status in (("/v1/caf%C3%A9", 200), ("/caf%C3%A9", 401)):
        proof = prover.proof("GET", f"https://api.example{path}", token)
        assert Answer(protect(Parts(), guard), HTTP_DPOP=proof, **mounted).status == status


def test_a_certificate_is_that_of_the_server_or_of_the_header_that_is_configured() -> None:
    behind_proxy = Configuration("http://127.0.0.1:9", "urn:a", "id", "secret", certificate_header="Client-Cert")
    both = environment(SSL_CLIENT_CERT=PEM, HTTP_CLIENT_CERT="")
    assert read_request(both, NOWHERE, "").certificate == DER
    assert read_request(both, behind_proxy, "").certificate is None
    assert read_request(environment(HTTP_CLIENT_CERT=PEM), NOWHERE, "").certificate is None
    assert read_request(environment(HTTP_CLIENT_CERT=PEM), behind_proxy, "").certificate == DER


def test_a_verification_that_cannot_work_is_refused_when_the_application_is_made() -> None:
    with pytest.raises(ValueError, match="introspection needs a client_id"):
        protect(Parts(), Guard(Configuration("http://127.0.0.1:9", "urn:a", verify="local")), verify="introspection")
