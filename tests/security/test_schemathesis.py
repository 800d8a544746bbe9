"""Schemathesis reads the OpenAPI document and sends what it allows and what not: no 5xx, nothing undescribed."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.api import Admin
from tests.live import LiveServer
from tests.thorough import either

EXAMPLES = either(8, 20)  # an operation
PATIENCE = 60  # seconds for an answer: one of the operations measures, and the machine is busy
load_all_checks()
HELD: list[Any] = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """The administrator of a server of its own: what is sent here may break its objects."""
    live = LiveServer(tmp_path_factory.mktemp("described") / "instance").start()
    yield Admin(live)
    live.stop()


@pytest.fixture(scope="module")
def document(owner: Admin) -> Any:
    """The description that the server gives of itself."""
    return schemathesis.openapi.from_url(f"{owner.server.url}/api/v1/openapi.json")


@pytest.mark.asvs("2.1.1")
@pytest.mark.contract("OpenAPI 3.1 and its page")
def test_every_operation_answers_as_described(owner: Admin, document: Any) -> None:
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > 40
    failures = [failure for operation in operations if (failure := failing(operation, owner))]
    assert not failures, "\n\n".join(failures)


def failing(operation: Any, owner: Admin) -> str | None:
    """Send this operation its generated requests; return the first answer that is not as described."""
    own = "/me" in operation.path

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def answers_as_described(case: Any) -> None:
        bearer = {"Authorization": f"Bearer {owner.token()}"}
        credential: Any = {"auth": owner.administrator.basic} if own else {"headers": bearer}
        case.validate_response(case.call(**credential, timeout=PATIENCE), checks=HELD)

    try:
        answers_as_described()
    except (AssertionError, BaseExceptionGroup) as failure:
        return f"{operation.label}: {failure!r:.2000}"
    return None
