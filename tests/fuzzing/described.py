"""The part `described`: valid and invalid requests to the operations of the OpenAPI document, from several callers."""

from __future__ import annotations

import random
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from tests.api import Admin
from tests.fuzzing.model import TimeIsOver, keep_findings
from tests.fuzzing.nodes import admin_of, complaints, one_server
from tests.fuzzing.notebook import Notebook, Outcome, Task
from tests.fuzzing.wire import Broken

EXAMPLES = 15  # for each operation, in each round
PATIENCE = 120  # seconds for a response
FAMILIES = ("/users/", "/clients/", "/roles/", "/resources/", "/api-keys/")
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def fuzz(task: Task) -> Outcome:
    """Send valid and invalid requests to every operation, round after round, until the time is over."""
    book = Notebook(task)
    book.outcome.unit = "requests"
    load_all_checks()
    with one_server(task.scratch) as server:
        admin = admin_of(server)
        document = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
        operations = [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]
        number, made = task.seed, Round(admin, book, task.seed)
        book.begin()
        while book.seconds_left() > 0:
            made.run(operations)
            number += 1
            made = Round(admin, book, number)
        for complaint in complaints([server.stderr_file]):
            book.add_finding("an error in the log", complaint, task.seed)
    return book.outcome


class Round:
    """One pass over all operations, by several callers; about half of the requests use ids that exist."""

    def __init__(self, admin: Admin, book: Notebook, number: int) -> None:
        self._admin = admin
        self._book = book
        self._number = number
        self._chance = random.Random(number)
        self._there = things(admin)

    def run(self, operations: list[Any]) -> None:
        """Request the operations in an order that depends on the round's number."""
        for operation in self._chance.sample(operations, len(operations)):
            if self._book.seconds_left() > 0:
                keep_findings(self._book, self._number, self._try, operation)

    def _try(self, operation: Any) -> None:
        negative = schemathesis.GenerationMode.NEGATIVE
        checks: list[Any] = [CHECKS.get_one(name) for name in CHECKED]

        @seed(self._number)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=negative))
        def answers_as_described(case: Any) -> None:
            if self._book.seconds_left() <= 0:
                raise TimeIsOver
            self._book.count_tries()
            self._aim(case)
            credential = self._credential(operation.path)
            answer = case.call(**credential, timeout=PATIENCE)
            case.validate_response(answer, checks=checks)
            self._check_leaks(answer, credential)

        answers_as_described()

    def _aim(self, case: Any) -> None:
        """Use ids that exist in about half of the requests."""
        if self._chance.random() < 0.5:
            found = next((self._there[family] for family in FAMILIES if family in case.path), None)
            for name in case.path_parameters or {}:
                if found and name in found:
                    case.path_parameters[name] = found[name]

    def _credential(self, path: str) -> dict[str, Any]:
        """Choose the credential of a request: mostly a valid one."""
        who = self._chance.random()
        if who < 0.1:
            return {}
        if who < 0.2:
            return {"headers": {"Authorization": self._chance.choice(["Bearer x", "Basic eDp4", "Bearer", "Digest x"])}}
        if "/me" in path:
            return {"auth": self._admin.administrator.basic}
        return {"headers": {"Authorization": f"Bearer {self._admin.token()}"}}

    def _check_leaks(self, answer: Any, credential: dict[str, Any]) -> None:
        """Raise Broken when a response holds a stack trace or the credential of the request."""
        secret = (
            credential["auth"][1] if "auth" in credential else credential.get("headers", {}).get("Authorization", "")
        )
        secret = secret.removeprefix("Bearer ")
        if "Traceback (most recent" in answer.text or (len(secret) > 20 and secret in answer.text):
            raise Broken(f"{answer.request.method} {answer.request.path_url} leaks: {answer.text[:500]}")


def things(admin: Admin) -> dict[str, dict[str, str]]:
    """Create one object of each kind; return their ids by the names of the path parameters."""
    resource = admin.resource(public=["fuzz:" + admin.issuer[-5:] + str(random.getrandbits(64))])
    role, user, client = admin.role("user"), admin.user(), admin.client()
    key = admin.api_key(resource)
    [secret] = admin.get(f"/clients/{client.id}/secrets").json()["items"]
    token = {"token_id": "pat_none"}
    return {
        "/users/": {"user_id": user.id} | token,
        "/clients/": {"row_id": client.id, "client_id": client.id, "secret_id": secret["id"]},
        "/roles/": {"role_id": role["id"]},
        "/resources/": {"resource_id": resource["id"], "name": resource["permissions"][0]["name"]},
        "/api-keys/": {"key_id": key["id"]},
    }
