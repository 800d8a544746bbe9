"""What one request may cost: the table of asvs.md names every costly call of app/, and says how it is bounded."""

import ast
import threading
from pathlib import Path
from typing import Any

import pytest

import app as latchkey
from app import MAX_BODY
from app.actions.audit.actor import OPERATOR
from app.actions.directory import app_metadata, client_documents, revoke_many
from app.actions.directory.users import NewUser
from app.actions.limits import abuse as abuse_limits
from app.actions.limits.concurrency import RETRY_AFTER, ConcurrencyLimit
from app.actions.sign_in import passkeys, passwords
from app.actions.trust import fetch_json, fetch_jwks, flights
from app.actions.trust import registration as client_keys
from app.comparison import measure
from app.crypto import access_token, certificate, dpop
from app.errors import MOST_ERRORS, Busy
from app.http import request_bounds
from app.management import credentials, fields, paging
from app.web import csv_file
from app.web.console import audit, clients
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.processor_time import at_most
from tests.security.test_asvs import section
from tests.web.visitor import Visitor, browser_of

ROOT = Path(latchkey.__file__).parent
COSTLY = frozenset(  # calls whose time or memory grows with what they are given, or is large whatever that is
    {"loads", "parse_qsl", "zxcvbn", "PasswordHasher", "load_der_x509_certificate", "load_pem_x509_certificate"}
    | {"b64decode", "urlsafe_b64decode", "RSAPublicNumbers", "PyJWK", "import_key", "from_jwk", "writer"}
    | {"PyJWS", "scrypt", "decompress", "FormDataParser", "MultiPartParser", "literal_eval", "fromstring"}
)
OF_NOBODY_OUTSIDE = (  # commands, the start, files and rows of our own, and what runs in front of other APIs
    *("cli/", "migrations/", "maintenance/", "comparison/", "settings/", "database/", "compat/", "resource_server/"),
    *("actions/audit/", "actions/limits/", "actions/tokens/usage.py", "actions/sign_in/known_addresses.py"),
    *("operations/request_log.py", "operations/logs.py", "management/docs_view.py", "actions/status/judge.py"),
)
ROWS = {
    cells[0]: line
    for line in section("Costly operations").splitlines()
    if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}
LIMITS = (one for one in vars(abuse_limits).values() if isinstance(one, abuse_limits.Limit))
LIMIT = {one.name: f"{one.most} in {one.window_seconds} seconds" for one in LIMITS}
BOUNDS: dict[str, list[str]] = {
    "a form": [f"{request_bounds.MOST_FORM} bytes", f"{request_bounds.MOST_FIELDS} fields"],
    "a JSON body": [
        f"{MAX_BODY} bytes",
        f"{fields.MOST_MEMBERS} members",
        f"{MOST_ERRORS} errors",
        LIMIT["leak-reports"],
    ],
    "a leak report": [f"{credentials.MOST_CREDENTIALS} strings", LIMIT["leak-reports"]],
    "argon2id": [
        f"{passwords.LONGEST_PASSWORD} characters",
        f"| {passwords.AT_ONCE}, and {passwords.WAITING} wait for {passwords.PATIENCE:.0f} seconds",
        LIMIT["password"],
    ],
    "the estimate of a password": [
        f"{passwords.ESTIMATED} characters",
        f"| 1, and {passwords.WAITING} wait for {passwords.PATIENCE:.0f} seconds",
        LIMIT["password-changes"],
    ],
    "a JWT of ours": [f"{access_token.MAX_TOKEN_LENGTH} characters", LIMIT["credentials-of-address"]],
    "a DPoP proof": [f"{dpop.MAX_LENGTH} characters", f"RSA of {dpop.RSA_BITS.stop - 1} bits", "exponent of 2^32"],
    "a client's assertion": [
        f"{access_token.MAX_TOKEN_LENGTH} characters",
        f"{client_keys.MOST_TRIED} keys tried",
        LIMIT["client"],
    ],
    "a key set that is registered": [
        f"{client_keys.MOST_KEYS} keys of {client_keys.LONGEST_MEMBER} characters",
        f"{client_keys.MOST_CERTIFICATES} certificates of {client_keys.LONGEST_CERTIFICATE}",
        f"{clients.LONGEST_JWKS} characters on a page",
    ],
    "the answer of a passkey": [f"{passkeys.LONGEST_ANSWER} characters"],
    "a client certificate": [f"{certificate.MAX_CERTIFICATE_LENGTH} characters"],
    "fetching keys from a `jwks_uri`": [
        f"{fetch_json.LARGEST_RESPONSE} bytes in {fetch_json.PATIENCE:.0f} seconds",
        f"| {flights.AT_ONCE} |",
        f"{fetch_jwks.AGAIN:.0f} seconds",
    ],
    "a registration of an app": [
        f"{app_metadata.LARGEST} bytes",
        LIMIT["registrations-of-address"],
        f"{abuse_limits.NEW_APPS.most} of all addresses",
    ],
    "fetching a client metadata document": [
        f"{app_metadata.LARGEST} bytes in {fetch_json.PATIENCE:.0f} seconds",
        f"{flights.AT_ONCE} unknown and {flights.AT_ONCE} known ones",
        LIMIT["documents-of-address"],
        f"{client_documents.AGAIN:.0f} seconds",
    ],
    "Basic credentials": [f"{request_bounds.LONGEST_HEADER} characters"],
    "an export of the audit trail": [f"{csv_file.MOST_EXPORTED} events", "| 1, and 1 waits for 2 seconds |"],
    "an export of the credentials": [f"{csv_file.MOST_EXPORTED} rows", "| 1, and 1 waits for 2 seconds |"],
    "revoking many credentials": [f"{revoke_many.MOST_REVOKED} ids"],
    "a list": [f"{paging.HIGHEST_LIMIT} items"],
}


@pytest.mark.contract("every costly operation has its bound, and what is beyond it is a 503 or 429")
@pytest.mark.parametrize("operation", sorted(BOUNDS))
def test_a_bound_is_that_of_the_code(operation: str) -> None:
    assert [bound for bound in BOUNDS[operation] if bound not in ROWS[operation]] == []


@pytest.mark.contract("every costly operation has its bound, and what is beyond it is a 503 or 429")
def test_every_module_with_a_costly_call_is_in_the_table() -> None:
    named = section("Costly operations")
    calling = {str(file.relative_to(ROOT)): _calls(file) for file in sorted(ROOT.rglob("*.py"))}
    unbounded = {
        place: calls
        for place, calls in calling.items()
        if calls and place not in named and not place.startswith(OF_NOBODY_OUTSIDE)
    }
    assert unbounded == {}
    assert len(calling["crypto/certificate.py"]) > 2  # the search itself finds what it is to find


def test_every_place_in_the_table_exists() -> None:
    places = [one.strip() for line in list(ROWS.values())[2:] for one in line.strip("| ").split("|")[-1].split(",")]
    assert len(places) > 15 and [one for one in places if not (ROOT / one).is_file()] == []


def test_work_above_the_running_and_waiting_threads_is_refused_at_once() -> None:
    limit, entered, leave = ConcurrencyLimit(1, 1, 10.0), threading.Semaphore(0), threading.Event()

    def work() -> None:
        with limit():
            entered.release()
            leave.wait(10)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=10)
    while limit._waiting._value:
        pass
    with pytest.raises(Busy) as refused, limit():
        pass
    leave.set()
    for thread in threads:
        thread.join(10)
    assert refused.value.retry_after == RETRY_AFTER
    with limit():
        assert entered.acquire(timeout=10)


def test_who_waits_in_vain_is_refused_and_leaves_the_place_free() -> None:
    limit = ConcurrencyLimit(1, 1, 0.01)
    with limit():
        for _ in range(3):
            with pytest.raises(Busy), limit():
                pass
    with limit():
        pass


class _Full:
    """A limit that is always reached."""

    def __call__(self) -> Any:
        raise Busy("too many such requests at once: try again", RETRY_AFTER)


@pytest.fixture
def visitor(face: Face) -> Visitor:
    return browser_of(face, face.person("manage"))


@pytest.mark.contract("every costly operation has its bound, and what is beyond it is a 503 or 429")
def test_a_busy_process_answers_503_with_retry_after_on_every_interface(
    face: Face, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, token = face.person(), face.machine("manage")
    monkeypatch.setattr(face.core.actions.users._passwords, "_limit", _Full())
    monkeypatch.setattr(audit, "exporting", _Full())
    visitor.get("/account")
    answers = [
        face.me(person),
        face.call("POST", "/users", token, json={"username": "busy", "password": "a long enough phrase"}),
        visitor.http.get("/console/audit/export.csv"),
        visitor.http.get("/console/audit/export.json"),
        visitor.post("/account/password", present=PASSWORD, password="x" * 12, again="x" * 12),
        Visitor(face.app.test_client()).sign_in(person, PASSWORD),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert {answer.headers["Retry-After"] for answer in answers} == {str(RETRY_AFTER)}


@pytest.mark.contract("every costly operation has its bound, and what is beyond it is a 503 or 429")
def test_a_password_is_estimated_once_and_never_beyond_its_beginning(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def estimate(password: str, words: list[str]) -> dict[str, Any]:
        judged.append(password)
        return {"guesses": 10**12}

    monkeypatch.setattr("zxcvbn.zxcvbn", estimate)
    face.core.actions.users.create(OPERATOR, NewUser("estimated", password="(4@8{[<369&#!1|$507+%2/" * 8))
    assert [len(one) for one in judged] == [passwords.ESTIMATED]


@pytest.mark.parametrize("text", ["(4@8{[<369&#!1|$507+%2/\\_-=^~`" * 3, "1!|i7+l" * 20, "0123456789!$%(+<@[{|" * 5])
def test_the_worst_password_is_estimated_in_little_time(text: str) -> None:
    passwords._estimate("a", [])  # its word lists are read once
    with at_most(0.5, text):
        passwords._estimate(text, [f"word{number}" for number in range(40)])


@pytest.mark.both_databases
def test_changing_ones_password_is_limited_though_the_present_one_is_right(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    face = start_face(tmp_path_factory.mktemp("limited"), rate_limits="on")
    visitor = browser_of(face, face.person())
    visitor.get("/account")
    most = abuse_limits.PASSWORD_CHANGES.most
    answers = [
        visitor.post("/account/password", present=PASSWORD, password="1234567890", again="1234567890")
        for _ in range(most + 1)
    ]
    stop_face(face)
    assert [answer.status_code for answer in answers] == [422] * most + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


@pytest.mark.both_databases
@pytest.mark.contract("every costly operation has its bound, and what is beyond it is a 503 or 429")
def test_a_leak_report_is_counted_before_its_body_is_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("leaks"), rate_limits="on")
    most = abuse_limits.LEAK_REPORTS.most
    statuses = [face.call("POST", "/credentials/revoke", data=b"{", content_type="application/json").status_code]
    statuses += [face.call("POST", "/credentials/revoke", data=b"x").status_code for _ in range(most)]
    stop_face(face)
    assert statuses == [400] + [415] * (most - 1) + [429]


def test_a_second_comparison_is_refused(face: Face) -> None:
    with measure.running:
        answer = face.call("GET", "/comparison?run=true", face.machine("manage"))
    assert answer.status_code == 409


def _calls(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = [f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else "" for f in called]
    return [name for name in names if name in COSTLY]
