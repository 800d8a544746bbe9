"""The rows are complete, and show how the kinds differ."""

import pytest

from app.actions.audit.read import AuditFilter
from app.comparison.report import MEASURED, NOT_ISSUED, NOT_YET, Report, Row, unmeasured
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT
from tests.comparison.conftest import Compared

STATED = [
    "definition",
    "user_context",
    "permission_granularity",
    "scope_restriction",
    "revocation",
    "expiry",
    "ease_of_use",
    "token_format",
    "authorization_flow",
    "best_for",
    "security_risk",
]
TAKEN_AWAY = ["after_revocation", "after_role_removal", "after_disabling"]


def row(report: Report, key: str) -> Row:
    """Return a row by its name."""
    return next(row for row in report.rows if row.name == key)


@pytest.mark.contract("the rows, for the five kinds")
def test_every_row_of_the_field_is_there_for_every_kind(report: Report) -> None:
    assert [it.name for it in report.rows if not it.measured] == STATED
    assert [it.name for it in report.rows if it.measured] == list(MEASURED)
    assert all(list(it.cells) == list(COLUMNS) for it in report.rows)
    assert all(cell.text and it.source for it in report.rows for cell in it.cells.values())


@pytest.mark.contract(
    "what can be measured is measured, by a probe that uses the kind for real", '"not supported" says why'
)
def test_every_measured_cell_was_seen_or_says_why_not(report: Report) -> None:
    for it in report.rows:
        for column, cell in it.cells.items():
            if it.measured and column != OAUTH:
                assert cell.agrees is True or cell.text.startswith("not supported: "), (it.name, column, cell)


def test_a_server_that_keeps_its_contract_contradicts_nothing(report: Report) -> None:
    assert report.contradictions == []


def test_the_delegated_token_is_stated_and_never_measured(report: Report) -> None:
    assert {it.cells[OAUTH].text for it in report.rows if it.measured} == {NOT_ISSUED}
    assert all(it.cells[OAUTH].text != NOT_ISSUED for it in report.rows if not it.measured)


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize("key", TAKEN_AWAY)
def test_asking_ends_at_once_and_a_jwt_checked_locally_goes_on_until_exp(report: Report, key: str) -> None:
    for column in (PAT, API_KEY, M2M):
        seen = row(report, key).cells[column].value
        assert seen["introspection"] < 1 and seen["locally"] > 60, (column, seen)


def test_an_api_key_does_not_identify_the_caller(report: Report) -> None:
    revealed = row(report, "user_context_revealed").cells
    assert revealed[API_KEY].value == []
    assert revealed[PAT].value == ["sub", "username"] and revealed[M2M].value == ["sub", "client_id"]
    assert not {"sub", "username", "client_id"} & set(row(report, "fields").cells[API_KEY].value)


@pytest.mark.contract("what a thief can reach")
def test_only_a_password_cannot_be_narrowed_and_makes_others(report: Report) -> None:
    assert {column: cell.value for column, cell in row(report, "smallest_scope").cells.items() if column != OAUTH} == {
        PASSWORD: 3,
        PAT: 1,
        API_KEY: 1,
        M2M: 1,
    }
    assert [column for column, cell in row(report, "mints").cells.items() if cell.value is True] == [PASSWORD]


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
def test_a_token_survives_the_change_of_its_owners_password_and_the_password_does_not(report: Report) -> None:
    after = row(report, "after_password_change").cells
    assert after[PAT].text.startswith("goes on") and after[PASSWORD].text.startswith("refused at the first call")


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
def test_each_ends_when_its_time_is_over(report: Report) -> None:
    ended = row(report, "after_expiry").cells
    assert 0.5 < ended[PAT].value < 2 and 0.5 < ended[API_KEY].value < 2
    assert ended[M2M].value == 3600


@pytest.mark.contract("what a thief can reach")
def test_what_a_thief_reaches_differs(report: Report) -> None:
    reached = {column: cell.value for column, cell in row(report, "theft").cells.items()}
    assert reached[API_KEY] == reached[M2M] == ["read the API"]
    assert reached[PAT] == ["read the API", "read the owner's profile"]
    assert "list the owner's tokens" in reached[PASSWORD]


@pytest.mark.contract("what can be measured is measured, by a probe that uses the kind for real")
def test_timings_have_a_median_within_their_spread(report: Report) -> None:
    for key in ("time_to_issue", "time_to_verify", "time_to_verify_locally"):
        spreads = [cell.value for cell in row(report, key).cells.values() if cell.value]
        assert len(spreads) >= 3
        assert all(0 < it["min_ms"] <= it["median_ms"] <= it["max_ms"] for it in spreads)


def test_the_time_to_issue_says_what_is_in_it(report: Report) -> None:
    cells = row(report, "time_to_issue").cells
    assert "a request that only checks that password takes" in cells[PAT].text
    assert cells[PAT].value["password_ms"] > cells[PAT].value["median_ms"] / 4
    assert "without a request" in cells[API_KEY].text and "one request" in cells[M2M].text


@pytest.mark.contract("nothing is left behind")
def test_nothing_is_left_behind(compared: Compared, report: Report) -> None:
    before = compared.rows()
    compared.run(API_KEY)
    assert compared.rows() == before


def test_only_the_wanted_kinds_are_probed(compared: Compared) -> None:
    few = compared.run(M2M, OAUTH)
    assert few.columns == {OAUTH: COLUMNS[OAUTH], M2M: COLUMNS[M2M]}
    assert all(set(it.cells) == {OAUTH, M2M} for it in few.rows)


def test_before_the_first_run_the_table_says_so_in_each_measured_cell() -> None:
    empty = unmeasured("https://login.example")
    assert empty.at is None
    assert {it.cells[PAT].text for it in empty.rows if it.measured} == {NOT_YET}
    assert [it.name for it in empty.rows if not it.measured] == STATED


def test_the_probes_leave_no_failed_sign_in_behind(compared: Compared, report: Report) -> None:
    hours = compared.actions.overview.failures()
    assert sum(hour.failed for hour in hours) == 0
    assert compared.actions.audit.page(AuditFilter(action="authentication.fail"), 1, None)[0] == []
