"""Every reason has words, and a malformed credential is explained without the database."""

from pathlib import Path

import pytest

from app.access.scopes import Scopes
from app.actions.audit.actor import OPERATOR
from app.actions.tokens.refusals import WORDS, ExplainRefusal, Explanation, Presented, Refusals
from app.credentials.reasons import Reason
from app.http.refusal import refusal_fields
from tests.core import ORDERS, Core

HANDBOOK = Path(__file__).parents[3] / "instance" / "README.md"


class NoDatabase:
    def __getattr__(self, name: str) -> object:
        raise AssertionError("the database was used")


def explain_without_database() -> ExplainRefusal:
    no_database = NoDatabase()
    return ExplainRefusal(no_database, (), (), lambda _token: None, lambda: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason: Reason) -> None:
    assert WORDS[reason].endswith(".")


@pytest.mark.parametrize("reason", list(Reason))
def test_the_handbook_lists_every_reason(reason: Reason) -> None:
    rows = [row for row in HANDBOOK.read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    assert any(f"`{reason.value}`" in row.split(" | ")[0] for row in rows)


@pytest.mark.parametrize("token", ["", "x", "lk_pat_", "x" * 100_000])
def test_a_malformed_credential_costs_no_query(token: str) -> None:
    found = explain_without_database()(Presented(token))
    assert found is not None and found.reason is Reason.MALFORMED


@pytest.mark.both_databases
def test_a_token_of_an_ended_grant_is_revoked_and_not_disabled(core: Core) -> None:
    core.app("app")
    token = core.delegate("alice", "app", "orders:read", ORDERS).access.token
    [grant], _ = core.actions.apps.grants(50)
    core.actions.apps.end_grant(OPERATOR, grant.id)
    found = core.actions.explain_refusal(Presented(token))
    assert found is not None and found.reason is Reason.REVOKED
    assert found.credential is not None and found.credential.reason == "revoked by an operator"
    other = core.delegate("alice", "app", "orders:read", ORDERS).access.token
    core.enable("alice", False)
    found = core.actions.explain_refusal(Presented(other))
    assert found is not None and found.reason is Reason.DISABLED


@pytest.mark.both_databases
def test_a_scope_that_no_api_has_is_named(core: Core) -> None:
    _, token = core.pat("alice", "orders:read")
    lacking = core.actions.explain_refusal(Presented(token, scopes=Scopes.of("orders:read", "stock:read")))
    mistyped = core.actions.explain_refusal(Presented(token, scopes=Scopes.of("stock:read", "order:reed")))
    assert lacking is not None and mistyped is not None
    assert lacking.reason is mistyped.reason is Reason.INSUFFICIENT_SCOPE
    assert lacking.text == WORDS[Reason.INSUFFICIENT_SCOPE]
    assert "order:reed" in mistyped.text and "stock:read" not in mistyped.text


@pytest.mark.both_databases
def test_more_scopes_than_a_statement_takes_are_explained(core: Core) -> None:
    _, token = core.pat("alice", "orders:read")
    found = core.actions.explain_refusal(Presented(token, scopes=Scopes.of(*(f"s{n}" for n in range(70_000)))))
    assert found is not None and found.reason is Reason.INSUFFICIENT_SCOPE


def test_an_observer_that_fails_changes_nothing() -> None:
    seen: list[Explanation] = []

    def fail(_presented: Presented, _explanation: Explanation) -> None:
        raise RuntimeError

    refusals = Refusals(explain_without_database(), (fail, lambda _presented, explanation: seen.append(explanation)))
    found = refusals.note(Presented("x"), stated=Reason.MISSING)
    assert seen == [found]


@pytest.mark.parametrize(
    "resource", ["https://user:secret@api.example/", "https://api.example/?key=secret", "a secret"]
)
def test_a_resource_that_may_hold_a_secret_is_logged_by_its_length(resource: str) -> None:
    assert refusal_fields("invalid_token", None, resource)["resource"] == f"<{len(resource)}>"


def test_the_token_is_not_in_the_representation() -> None:
    assert "very-secret" not in repr(Presented("very-secret"))
