"""The rows are complete, and show how the kinds differ."""

import pytest

from app.actions.audit.read import AuditFilter
from app.comparison.report import MEASURED, NOT_YET, Report, Row, unmeasured
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
            if it.measured:
                assert cell.agrees is True or cell.text.startswith("not supported: "), (it.name, column, cell)


def test_a_server_that_keeps_its_contract_contradicts_nothing(report: Report) -> None:
    assert report.contradictions == []


def test_every_row_applies_to_the_delegated_token(report: Report) -> None:
    texts = [it.cells[OAUTH].text for it in report.rows]
    assert not [text for text in texts if "not issued" in text or text.startswith("not supported")]


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize("key", TAKEN_AWAY)
def test_asking_ends_at_once_and_a_jwt_checked_locally_goes_on_until_exp(report: Report, key: str) -> None:
    for column in (PAT, OAUTH, API_KEY, M2M):
        seen = row(report, key).cells[column].value
        assert seen["introspection"] < 1 and seen["locally"] > 60, (column, seen)


@pytest.mark.contract("local verification is measured by the keys alone, and with the status list")
@pytest.mark.parametrize("key", TAKEN_AWAY)
def test_with_the_status_list_a_jwt_ends_when_the_list_is_next_fetched(
    compared: Compared, report: Report, key: str
) -> None:
    ttl = compared.actions.settings.status_list_ttl
    for column in (PAT, OAUTH, API_KEY, M2M):
        cell = row(report, key).cells[column]
        assert ttl < cell.value["with_status_list"] < ttl + 1, (column, cell)
        assert f"with the status list it passes until the next fetch, {ttl}." in cell.text


@pytest.mark.contract("local verification is measured by the keys alone, and with the status list")
def test_the_status_list_lets_pass_what_introspection_lets_pass(report: Report) -> None:
    assert row(report, "after_rotation").cells[PAT].value["with_status_list"]
    for key, column in (("after_rotation", M2M), ("after_rotation", OAUTH), ("after_password_change", PAT)):
        cell = row(report, key).cells[column]
        assert cell.value["with_status_list"] is None and cell.text.endswith("; with the status list too")


def test_a_password_has_no_status_list(report: Report) -> None:
    seen = row(report, "after_disabling").cells[PASSWORD]
    assert seen.value["with_status_list"] is None and "list" not in seen.text
    assert row(report, "time_to_verify_with_list").cells[PASSWORD].text.startswith("not supported: ")


def test_an_api_key_does_not_identify_the_caller(report: Report) -> None:
    revealed = row(report, "user_context_revealed").cells
    assert revealed[API_KEY].value == []
    assert revealed[PAT].value == ["sub", "username"] and revealed[M2M].value == ["sub", "client_id"]
    assert revealed[OAUTH].value == ["sub", "username", "client_id"]
    assert not {"sub", "username", "client_id"} & set(row(report, "fields").cells[API_KEY].value)


@pytest.mark.contract("what a thief can reach")
def test_only_a_password_cannot_be_narrowed_and_makes_others(report: Report) -> None:
    assert {column: cell.value for column, cell in row(report, "smallest_scope").cells.items()} == {
        PASSWORD: 3,
        PAT: 1,
        OAUTH: 1,
        API_KEY: 1,
        M2M: 1,
    }
    assert [column for column, cell in row(report, "mints").cells.items() if cell.value is True] == [PASSWORD]


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
def test_a_token_survives_the_change_of_its_owners_password_and_the_password_does_not(report: Report) -> None:
    after = row(report, "after_password_change").cells
    assert after[OAUTH].text.startswith("goes on")
    assert after[PAT].text.startswith("goes on") and after[PASSWORD].text.startswith("refused at the first call")


@pytest.mark.contract("after revocation, role removal, disabling, expiry, password change")
def test_each_ends_when_its_time_is_over(report: Report) -> None:
    ended = row(report, "after_expiry").cells
    assert 0.5 < ended[PAT].value < 2 and 0.5 < ended[API_KEY].value < 2
    assert ended[M2M].value == ended[OAUTH].value == 3600


@pytest.mark.contract("the column of delegated OAuth tokens is measured like the others")
def test_the_delegated_token_ends_with_its_app_alone_and_is_renewed_by_its_refresh_token(report: Report) -> None:
    assert row(report, "after_app_end").cells[OAUTH].value["introspection"] < 1
    others = {column: cell for column, cell in row(report, "after_app_end").cells.items() if column != OAUTH}
    assert all(cell.text.startswith("not supported: ") for cell in others.values())
    assert row(report, "after_rotation").cells[OAUTH].text.startswith("goes on: the refresh token is replaced")
    assert "its refresh token gets another one" in row(report, "after_expiry").cells[OAUTH].text


@pytest.mark.contract("the column of delegated OAuth tokens is measured like the others")
def test_the_first_token_of_an_app_takes_a_sign_in_and_consent_and_the_next_one_request(report: Report) -> None:
    asked = row(report, "requests").cells[OAUTH]
    assert asked.value == 6 and asked.text == "6; later, by a refresh: 1"
    issued = row(report, "time_to_issue").cells[OAUTH]
    assert issued.value["refresh_ms"] > 0 and "one request with a code" in issued.text


@pytest.mark.contract("what a thief can reach")
def test_what_a_thief_reaches_differs(report: Report) -> None:
    reached = {column: cell.value for column, cell in row(report, "theft").cells.items()}
    assert reached[API_KEY] == reached[M2M] == ["read the API"]
    assert reached[PAT] == ["read the API", "read the owner's profile"]
    assert "list the owner's tokens" in reached[PASSWORD]


@pytest.mark.contract("the column of delegated OAuth tokens is measured like the others")
@pytest.mark.spec("RFC 7636 §4.6", "RFC 9700 §4.14.2")
def test_a_thief_of_an_app_reads_with_its_tokens_and_gets_nothing_for_its_code(report: Report) -> None:
    stolen = row(report, "theft").cells[OAUTH]
    assert stolen.value == {"access_token": ["read the API"], "refresh_token": ["read the API"], "code": []}
    assert stolen.text == (
        "read the API; with its refresh token, until the app's own next refresh ends the grant: read the API; "
        "with its code, without the verifier: nothing"
    )


@pytest.mark.contract("what can be measured is measured, by a probe that uses the kind for real")
def test_timings_have_a_median_within_their_spread(report: Report) -> None:
    for key in ("time_to_issue", "time_to_verify", "time_to_verify_locally", "time_to_verify_with_list"):
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
