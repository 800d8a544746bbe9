"""/comparison: everybody may read the last one, an administrator may make a new one."""

import threading
from typing import Any

import pytest

from app.comparison import latest as kept
from app.comparison import measure, probes
from app.comparison.report import Report, unmeasured
from tests.core import ISSUER, START
from tests.management.face import Face


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the runs instead of measuring: the API's clock here differs by years from the clock of a JWT's verifier."""
    runs: list[str] = []

    def run(_actions: object, _client: object, via: str, _progress: object) -> Report:
        runs.append(via)
        empty = unmeasured(ISSUER)
        return Report(ISSUER, START, via, empty.rows)

    monkeypatch.setattr(probes, "compare", run)
    return runs


@pytest.fixture(autouse=True)
def never_measured(face: Face) -> None:
    (face.core.actions.settings.instance_dir / "comparison.json").unlink(missing_ok=True)


@pytest.mark.contract("`/comparison`: cached for all, measured for `manage`")
def test_anybody_reads_the_table_without_starting_a_measurement(face: Face, measured: list[str]) -> None:
    answer = face.call("GET", "/comparison")
    assert answer.status_code == 200 and answer.json["at"] is None and len(answer.json["columns"]) == 5
    assert face.call("GET", "/comparison", face.machine("introspect")).json == answer.json
    assert not measured


@pytest.mark.contract("`/comparison`: cached for all, measured for `manage`")
def test_the_first_read_with_manage_measures_and_later_ones_do_not(face: Face, measured: list[str], admin: str) -> None:
    first = face.call("GET", "/comparison", admin).json
    assert first["at"] and measured == ["in one process"]
    assert face.call("GET", "/comparison", admin).json == first == face.call("GET", "/comparison").json
    assert face.call("GET", "/comparison?run=true", admin).status_code == 200 and len(measured) == 2


@pytest.mark.contract("`/comparison`: cached for all, measured for `manage`")
def test_only_a_holder_of_manage_starts_a_measurement(face: Face, measured: list[str], admin: str) -> None:
    nobody = face.call("GET", "/comparison?run=true")
    assert nobody.status_code == 401 and nobody.headers["WWW-Authenticate"].startswith("Bearer")
    other = face.call("GET", "/comparison?run=true", face.machine("introspect"))
    assert other.status_code == 403 and 'scope="manage"' in other.headers["WWW-Authenticate"]
    assert face.call("GET", "/comparison?run=false", admin).json["at"] is None
    assert not measured


@pytest.mark.parametrize("token", ["garbage", "lk_pat_" + 38 * "0"])
def test_an_invalid_credential_is_refused_even_where_none_is_needed(face: Face, token: str) -> None:
    assert face.call("GET", "/comparison", token).status_code == 401


@pytest.mark.parametrize("query", ["run=1", "run=", "run=true&run=true", "walk=true"])
def test_an_invalid_query_is_refused_by_field(face: Face, query: str) -> None:
    assert face.call("GET", f"/comparison?{query}").status_code == 422


def test_only_one_measurement_runs_at_a_time(face: Face, measured: list[str], admin: str) -> None:
    lock: threading.Lock = measure.running
    with lock:
        assert face.call("GET", "/comparison?run=true", admin).status_code == 409
    assert face.call("GET", "/comparison?run=true", admin).status_code == 200


def test_an_unwritable_folder_does_not_prevent_the_answer(
    face: Face, measured: list[str], admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(measure, "keep", full)
    assert face.call("GET", "/comparison?run=true", admin).json["at"]
    assert kept.latest(face.core.actions.settings).at is None
