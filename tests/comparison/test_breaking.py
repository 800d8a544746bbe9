"""A server that breaks its contract changes the matching cell, and the exit code of `latchkey compare`."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from app.actions.directory.clients import ClientActions
from app.actions.directory.users import UserActions
from app.actions.status import lists
from app.actions.tokens.revoke import RevokeToken
from app.cli import main
from app.comparison import probes, timing
from app.comparison.probes import PROBES
from app.comparison.specimens import Http, Specimen
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT
from app.crypto.signing import SigningKeys
from tests.comparison.conftest import Compared


def wrong(report: dict[str, Any]) -> dict[str, set[str]]:
    """Return the columns that contradict the contract, by row."""
    turned = {
        row["name"]: {column for column, cell in row["cells"].items() if cell["agrees"] is False}
        for row in report["rows"]
    }
    return {key: columns for key, columns in turned.items() if columns}


def compare() -> tuple[int, dict[str, Any]]:
    """Run `latchkey compare --json` in this process, on the instance of the environment."""
    done = CliRunner().invoke(main, ["compare", "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait for a refusal, and take fewer samples."""
    monkeypatch.setattr(probes, "PATIENCE", 0.2)
    monkeypatch.setattr(timing, "SAMPLES", 1)


@pytest.mark.contract("what can be measured is measured, by a probe that uses the kind for real")
def test_revocation_that_does_nothing_is_seen(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RevokeToken, "__call__", lambda *_, **__: None)
    code, report = compare()
    assert code == 1
    assert wrong(report) == {"after_revocation": {PAT, OAUTH, API_KEY, M2M}}
    assert report["contradictions"] and all("After its revocation" in it for it in report["contradictions"])


@pytest.mark.contract("what can be measured is measured, by a probe that uses the kind for real")
def test_a_role_that_stays_is_seen(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserActions, "change", lambda *_, **__: None)
    monkeypatch.setattr(ClientActions, "change", lambda *_, **__: None)
    code, report = compare()
    assert code == 1
    assert {PAT, OAUTH, M2M} <= wrong(report)["after_role_removal"]
    assert {PASSWORD, PAT, OAUTH, M2M} <= wrong(report)["after_disabling"]


@pytest.mark.contract("what can be measured is measured, by a probe that uses the kind for real")
def test_keys_that_cannot_be_verified_locally_are_seen(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SigningKeys, "published", lambda *_: [])
    code, report = compare()
    assert code == 1
    assert wrong(report)["time_to_verify_locally"] == {PAT, OAUTH, API_KEY, M2M}


@pytest.mark.contract("local verification is measured by the keys alone, and with the status list")
def test_a_status_list_that_lacks_a_bit_is_seen(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "set_bits", lambda capacity, _: bytes(capacity // 8))
    code, report = compare()
    assert code == 1
    kinds, opaque = {PAT, OAUTH, API_KEY, M2M}, {PAT, API_KEY}
    ended = dict.fromkeys(("after_revocation", "after_role_removal", "after_disabling"), kinds)
    assert wrong(report) == ended | {"after_rotation": opaque, "after_app_end": {OAUTH}}
    assert all("; with the status list too" in it for it in report["contradictions"])


@pytest.mark.contract("the column of delegated OAuth tokens is measured like the others")
def test_a_grant_that_outlives_its_app_or_the_reuse_of_a_refresh_token_is_seen(
    command: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.actions.delegation.apps.end_grants", lambda *_: [])
    monkeypatch.setattr("app.actions.delegation.refresh_tokens.end_grants", lambda *_: [])
    code, report = compare()
    assert code == 1
    assert wrong(report) == {"after_app_end": {OAUTH}, "theft": {OAUTH}}


def test_a_probe_that_fails_leaves_nothing_behind_and_the_others_are_seen(
    compared: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_http: Http, _specimen: Specimen) -> Any:
        raise httpx.ReadTimeout("no answer")

    before = compared.rows()
    monkeypatch.setitem(PROBES, "fields", fails)
    report = compared.run().as_json()
    assert set(wrong(report)) == {"fields"}
    assert wrong(report)["fields"] == set(COLUMNS) - {PASSWORD}
    assert compared.rows() == before


@pytest.mark.contract("nothing is left behind")
def test_even_a_bug_in_a_probe_leaves_nothing_behind(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_http: Http, _specimen: Specimen) -> Any:
        raise ZeroDivisionError

    before = compared.rows()
    monkeypatch.setitem(PROBES, "theft", breaks)
    with pytest.raises(ZeroDivisionError):
        compared.run(API_KEY)
    assert compared.rows() == before
