"""The part `forms`: malformed requests to the OAuth endpoints; no response and no log line may hold a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.api import Admin
from tests.fuzzing.model import TimeIsOver, keep_findings
from tests.fuzzing.nodes import admin_of, complaints, one_server
from tests.fuzzing.notebook import Notebook, Outcome, Task
from tests.fuzzing.wire import FORM, Answer, Broken, Wire, basic

EXAMPLES = 200  # for each seed
POSTED = ("/oauth/token", "/oauth/introspect", "/oauth/revoke")
NAMES = (
    *("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"),
    *("audience", "token", "token_type_hint", "client_ip", "subject_token", "subject_token_type", "actor_token"),
    *("actor_token_type", "requested_token_type", "challenge", "assertion"),
)
WORDS = (
    *("client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "a.b.c", "127.0.0.1", "::1", "\0", ""),
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "eyJhbGciOiJub25lIn0.eyJjcmVkZW50aWFsX3R5cGUiOiJjbGllbnRfY3JlZGVudGlhbHMifQ.x",
    "lk_pat_" + "0" * 38,
    "x" * 20_000,
)
TYPES = (
    FORM,
    FORM,
    FORM,
    f"{FORM}; charset=utf-8",
    f"{FORM};charset=latin-1",
    "application/json",
    "text/plain",
    "",
    "\xff",
)
ACCEPTS = ("*/*", "application/json", "application/token-introspection+jwt", "text/html", "a/b;q=x", "\xe9")
PROOF = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIn19.eyJqdGkiOiJ4In0.x"  # a jwk without x
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")  # RFC 6749 §5.2
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)


class Scene:
    """A server with one credential of each kind; `secrets` must not appear in a response or a log."""

    def __init__(self, admin: Admin) -> None:
        self.admin = admin
        resource = admin.resource(permissions=["fuzz:read"], public=["fuzz:list"])
        role = admin.role("user", ["fuzz:read"])
        user = admin.user([role])
        client = admin.client([admin.role("machine", ["fuzz:read"])], [resource])
        self.identifier: str = resource["identifier"]
        self.client = client
        self.secrets = [
            client.client_secret,
            admin.pat(user, ["fuzz:read"])["token"],
            admin.api_key(resource)["key"],
            admin.m2m(client, scope="fuzz:read"),
        ]
        self.words = [*WORDS, *self.secrets, self.identifier, client.client_id, "fuzz:read", "fuzz:list"]

    def requests(self) -> st.SearchStrategy[tuple[str, str, dict[str, str], bytes]]:
        """Return a strategy for requests: method, target, headers and body."""
        text = st.sampled_from(self.words) | st.text(max_size=20)
        pairs = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), text), max_size=8)
        posted = st.tuples(
            st.just("POST"),
            st.sampled_from(POSTED) | st.builds(_add_query, st.sampled_from(POSTED), pairs),
            st.builds(
                _make_headers, self._authorization(), st.sampled_from(TYPES), st.sampled_from(ACCEPTS), self._proofs()
            ),
            st.builds(_encode, pairs) | st.binary(max_size=100),
        )
        asked = st.tuples(
            st.sampled_from(["GET", "HEAD", "POST"]),
            st.builds(_add_query, st.just("/oauth/forward-auth"), st.builds(self._about, st.booleans(), pairs)),
            st.builds(
                _make_headers, self._authorization(), st.none(), st.sampled_from(ACCEPTS), self._proofs(), self._keys()
            ),
            st.binary(max_size=10),
        )
        return posted | asked

    def _about(self, known: bool, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [("resource", self.identifier), *pairs] if known else pairs

    def _authorization(self) -> st.SearchStrategy[str | None]:
        secret = st.sampled_from([word[:2_000] for word in self.words if word.isprintable()])
        known = st.just(basic(*self.client.basic))
        pair = st.builds(basic, secret, secret)
        scheme = st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer", "Basic", "DPoP"]), secret | header_text)
        return st.none() | known | pair | scheme | header_text

    def _proofs(self) -> st.SearchStrategy[str | None]:
        return st.none() | st.none() | st.none() | st.just(PROOF) | header_text

    def _keys(self) -> st.SearchStrategy[str | None]:
        return st.none() | st.none() | st.sampled_from(self.secrets) | header_text


def fuzz(task: Task) -> Outcome:
    """Send malformed requests, seed after seed, until the time is over."""
    book = Notebook(task)
    book.outcome.unit = "requests"
    with one_server(task.scratch) as server:
        scene, wire, number = Scene(admin_of(server)), Wire(server.port), task.seed
        book.begin()
        while book.seconds_left() > 0:
            keep_findings(book, number, _send, scene, wire, book, number)
            number += 1
        wire.close()
        for complaint in complaints([server.stderr_file]):
            book.add_finding("an error in the log", complaint, task.seed)
        for secret in find_secrets(scene.secrets, [server.stderr_file, server.stdout_file]):
            book.add_finding("a secret in the log", secret, task.seed)
    return book.outcome


def _send(scene: Scene, wire: Wire, book: Notebook, number: int) -> None:
    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(request=scene.requests())
    def answers_cleanly(request: tuple[str, str, dict[str, str], bytes]) -> None:
        if book.seconds_left() <= 0 and not Broken.seen:
            raise TimeIsOver
        book.count_tries()
        answer = wire.ask(*request)
        judge(request, answer, scene.secrets)

    answers_cleanly()


def judge(request: tuple[str, str, dict[str, str], bytes], answer: Answer, secrets: list[str]) -> None:
    """Raise Broken when a response violates section 3 of the contract."""
    text = answer.body.decode("utf-8", "replace")
    said = f"{request!r:.1500} → {answer.status} {dict(answer.headers)} {text[:500]}"
    if "Traceback (most recent" in text or any(secret in text for secret in secrets):
        raise Broken(f"a stack trace or a secret: {said}")
    if "no-store" not in answer.headers.get("Cache-Control", ""):
        raise Broken(f"no Cache-Control: no-store: {said}")
    if answer.status >= 400 and request[0] != "HEAD":
        _judge_refusal(answer, said)
    tried = request[2].get("Authorization", "").partition(" ")[0].lower()
    if answer.status == 401 and tried == "basic" and not answer.headers["WWW-Authenticate"]:
        raise Broken(f"a 401 without WWW-Authenticate: {said}")


def _judge_refusal(answer: Answer, said: str) -> None:
    if answer.headers.get_content_type() != "application/json":
        raise Broken(f"a refusal that is not JSON: {said}")
    body: Any = answer.json
    if set(body) != {"error", "error_description"} or not DESCRIPTION.fullmatch(body["error_description"]):
        raise Broken(f"a refusal with other members or an invalid error_description: {said}")


def find_secrets(secrets: list[str], logs: list[Path]) -> list[str]:
    """Return the first characters of each secret that a log holds."""
    texts = [log.read_text(encoding="utf-8", errors="replace") for log in logs]
    return [secret[:8] for secret in secrets if any(secret in text for text in texts)]


def _add_query(path: str, pairs: list[tuple[str, str]]) -> str:
    return f"{path}?{quote(urlencode(pairs)[:3_000], safe='=&%+')}"


def _encode(pairs: list[tuple[str, str]]) -> bytes:
    return urlencode(pairs).encode()


def _make_headers(
    authorization: str | None, content_type: str | None, accept: str, proof: str | None, key: str | None = None
) -> dict[str, str]:
    given = {"Authorization": authorization, "Content-Type": content_type, "Accept": accept}
    given |= {"DPoP": proof, "X-API-Key": key}
    return {name: value for name, value in given.items() if value is not None}
