"""scripts/bench measures every row of a tiny data set, and never counts a wrong response as a fast one."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import fork_server
from tests.benchmark import dataset, subjects, ways
from tests.benchmark.measure import Measured, Round
from tests.benchmark.profile import Profile, shares
from tests.benchmark.soak import Soaked
from tests.benchmark.targets import targets
from tests.contract.waiting import until
from tests.machine import require_program
from tests.scripts import in_process
from tests.scripts.test_demo import WHOLE_SECRET, still_running

ROOT = Path(__file__).parent.parent.parent
BENCH = ROOT / "scripts" / "bench"
INTROSPECTED = {
    f"introspect-{what}" for what in ("pat", "api-key", "m2m", "exchanged", "oauth", "inactive", "malformed")
}
ISSUED = {"client-credentials", "code-exchange", "refresh", "token-exchange", "pat-creation"}
ROWS = INTROSPECTED | ISSUED | {"forward-auth", "forward-auth-oauth"}
SMALL = ("--size", "200", "--rounds", "1", "--warm-up", "0", "--no-peers")
TINY = (*SMALL, "--seconds", "0.4")
PATIENCE = 240  # seconds
Json = dict[str, Any]
WAYS = ("introspection", "introspection-cached", "local", "status-list", "pyjwt", "authlib")
Done = in_process.Done


def bench(instance: Path, *arguments: str, **environment: str) -> Done:
    """Run it in this process, with an instance folder of its own."""
    return in_process.run("bench", *arguments, environment={"LATCHKEY_INSTANCE_DIR": str(instance), **environment})


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance folder that keeps the data set from test to test."""
    require_program("wrk")
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def a_run(instance: Path) -> Done:
    """A run of every row, as a process."""
    command = [sys.executable, str(BENCH), *TINY, "--json", str(instance / "figures.json")]
    added = {"LATCHKEY_INSTANCE_DIR": str(instance)} | fork_server.shared()
    return subprocess.run(
        command, env=os.environ | added, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture(scope="module")
def figures(instance: Path, a_run: Done) -> Json:
    """The JSON of that run."""
    assert a_run.returncode == 0, a_run.stdout[-3000:] + a_run.stderr[-3000:]
    read: Json = json.loads((instance / "figures.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture
def _without_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the profiles of missed targets: each drives its row once more, and `a_run` has them."""
    monkeypatch.setattr(in_process.load("bench"), "profile", lambda *_: Profile((), "", "not wanted"))


def test_a_run_is_measured_without_an_error(figures: Json) -> None:
    rows = {row["row"]: row for row in figures["rows"] if row["subject"] == "latchkey"}
    assert set(rows) == ROWS
    assert figures["failed"] == 0 and not any(row["errors"] for row in figures["rows"])
    for row in rows.values():
        assert row["size"] == 200 and len(row["rounds"]) == 1
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["rounds"][0]["max_ms"]
        assert row["requests_per_second"] > 1 and 10 < row["resident_mb"] < 1000


def test_the_cost_of_a_request_is_the_servers_own_processor_time(figures: Json) -> None:
    for row in figures["rows"]:
        cores = row["requests_per_second"] * row["cpu_us"] / 1e6
        assert 0.02 < cores < 1.3, row["row"]  # one process on one core can spend no more than that


def test_it_is_compared_with_a_bare_flask_route_of_the_same_run(figures: Json) -> None:
    bare = next(row for row in figures["rows"] if row["subject"] == "bare-flask")
    for row in figures["rows"]:
        if row["subject"] == "latchkey":
            ratio = pytest.approx(bare["cpu_us"] / row["cpu_us"], rel=0.01, abs=0.0006)  # it has three decimals
            assert row["ratios"] == {"bare-flask": ratio}


def test_the_figures_name_the_settings_of_the_run(figures: Json) -> None:
    settings = figures["settings"]
    assert settings["database"] == "sqlite" and settings["workers"] == 1 and settings["connections"] == 16
    assert settings["log_level"] == "info" and settings["rate_limits"] == "off"
    assert figures["absent"] == {}


def test_the_table_has_a_line_for_each_row_and_the_picture_a_curve(instance: Path, a_run: Done, figures: Json) -> None:
    lines = [line.split(" | ") for line in a_run.stdout.splitlines() if line.startswith("| latchkey")]
    assert {line[1] for line in lines} == ROWS
    assert len({len(line) for line in lines}) == 1
    (picture,) = (instance / "bench" / "results").glob("*.svg")
    assert picture.read_text(encoding="utf-8").count("<polyline") == len(ROWS)


@pytest.mark.contract("the benchmark counts no wrong answer as a fast one, and judges each target by what it saw")
def test_each_target_is_judged_by_what_was_seen(a_run: Done, figures: Json) -> None:
    rows = {row["row"]: row for row in figures["rows"] if row["subject"] == "latchkey"}
    judged = {(one["row"], one["of"]): one for one in figures["targets"]}
    creation = judged["pat-creation", "requests/s"]
    assert creation["seen"] == pytest.approx(rows["pat-creation"]["requests_per_second"], rel=0.01)
    against = judged["introspect-pat", "× bare-flask"]
    assert against["seen"] == pytest.approx(rows["introspect-pat"]["ratios"]["bare-flask"], rel=0.01)
    for one in figures["targets"]:
        kept = one["seen"] <= one["wanted"] if one["at_most"] else one["seen"] >= one["wanted"]
        assert one["verdict"].startswith("met" if kept else "missed by ")
        assert f"| {one['verdict']}" in a_run.stdout


@pytest.mark.contract("the benchmark counts no wrong answer as a fast one, and judges each target by what it saw")
def test_a_missed_target_says_where_its_time_goes(instance: Path, a_run: Done, figures: Json) -> None:
    missed = {f"{one['row']} {one['size']}" for one in figures["targets"] if one["verdict"] != "met"}
    assert set(figures["profiles"]) == missed
    for row, rooms in figures["profiles"].items():
        assert f"; its time: {rooms} |" in a_run.stdout
        (stacks,) = (instance / "bench" / "results").glob(f"*.{row.replace(' ', '-')}.folded")
        text = stacks.read_text(encoding="utf-8")
        assert "granian" in text or "(app/" in text, rooms  # it is of our server, however few looks a busy machine left


def test_time_is_attributed_to_the_layer_that_a_stack_ends_in() -> None:
    stacks = [
        "view (app/web/pages.py:3);dumps (json/__init__.py:1) 30",
        "view (app/web/pages.py:3);execute (sqlalchemy/engine/base.py:9) 20",
        "view (app/web/pages.py:3);do_execute (sqlalchemy/engine/default.py:9) 45",
        "wait (threading.py:1) 5",
        "view (app/web/pages.py:3);parse (/opt/lib/python3/site-packages/webargs/core.py:9) 1",
    ]
    assert [(room, round(share, 2)) for room, share in shares(stacks)] == [
        ("the database", 0.45),
        ("Latchkey", 0.3),
        ("sqlalchemy", 0.2),
        ("Python", 0.05),
    ]


def test_secrets_stay_in_files_of_their_owner(instance: Path, a_run: Done, figures: Json) -> None:
    kept = list((instance / "bench" / "data" / "sqlite-200" / "secrets").iterdir())
    assert kept and all(file.stat().st_mode & 0o777 == 0o600 for file in kept)
    result = a_run.stdout + a_run.stderr + json.dumps(figures)
    assert not WHOLE_SECRET.search(result)


def test_nothing_runs_on_and_the_data_set_is_left_as_it_was_made(instance: Path, figures: Json) -> None:
    until(lambda: not still_running(str(instance)))
    assert not list((instance / "bench").glob("run-*"))
    assert tokens(instance, "count(*)") == 100


def tokens(instance: Path, what: str) -> int:
    """Ask the kept database about its personal access tokens."""
    with sqlite3.connect(instance / "bench" / "data" / "sqlite-200" / "instance" / "latchkey.db") as database:
        return int(database.execute(f"SELECT {what} FROM personal_access_token").fetchone()[0])  # noqa: S608 - ours


@pytest.mark.usefixtures("_without_profiles")
@pytest.mark.contract("the benchmark counts no wrong answer as a fast one, and judges each target by what it saw")
def test_a_row_whose_answers_are_wrong_fails_and_so_does_the_run(instance: Path, figures: Json, tmp_path: Path) -> None:
    shutil.copytree(instance / "bench" / "data", tmp_path / "bench" / "data")
    file = tmp_path / "bench" / "data" / "sqlite-200" / "instance" / "latchkey.db"
    with sqlite3.connect(file) as database:
        database.execute("UPDATE personal_access_token SET revoked_at = issued_at")
    rows = "introspect-pat,introspect-api-key,forward-auth,token-exchange"
    done = bench(tmp_path, *TINY, "--rows", rows, "--json", str(tmp_path / "figures.json"), **fork_server.shared())
    assert done.returncode == 1, done.stderr
    result = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    failed = {row["row"] for row in result["rows"] if row["errors"]}
    assert failed == {"introspect-pat", "forward-auth", "token-exchange"} and result["failed"] == 3
    for row in result["rows"]:
        assert row["row"] not in failed or row["errors"] == row["rounds"][0]["requests"]
        assert row["row"] not in failed or row["ratios"] == {}
    assert "introspect-pat FAILED" in done.stdout and "introspect-api-key FAILED" not in done.stdout


@pytest.mark.usefixtures("_without_profiles")
def test_a_concurrent_writer_keeps_its_rate_and_its_cost_is_reported(instance: Path, figures: Json) -> None:
    report = instance / "written.json"
    writing = ("--seconds", "1", "--rows", "introspect-m2m", "--writer", "10")
    done = bench(instance, *SMALL, *writing, "--json", str(report), **fork_server.shared())
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(report.read_text(encoding="utf-8"))
    rows = {row["row"]: row["rounds"][0] for row in result["rows"] if row["subject"] == "latchkey"}
    beside, alone = rows["introspect-m2m"], rows["introspect-m2m alone"]
    assert 0.5 <= beside["written_per_second"] <= 15 and alone["written_per_second"] == 0
    (price,) = [one for one in result["targets"] if one["of"] == "of its rate without the writer"]
    assert price["seen"] == pytest.approx(beside["requests_per_second"] / alone["requests_per_second"])


@pytest.mark.contract("the benchmark counts no wrong answer as a fast one, and judges each target by what it saw")
@pytest.mark.usefixtures("_without_profiles")
def test_another_checkout_is_measured_on_a_data_set_of_its_own(tmp_path: Path) -> None:
    """With its own migrations: it may not know the tables of this checkout."""
    require_program("wrk")
    against = ("--rows", "introspect-pat", "--against", str(ROOT), "--json", str(tmp_path / "figures.json"))
    done = bench(tmp_path, *TINY, *against, **fork_server.shared())
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["rows"]
    assert {"latchkey", "earlier"} <= {row["subject"] for row in found} and not any(row["errors"] for row in found)
    kept = {folder.parent.parent for folder in tmp_path.glob("bench/**/data/*/stamp.json")}
    assert len(kept) == 2 and any("earlier" in folder.parts for folder in kept)


def test_growth_is_judged_against_the_smallest_size() -> None:
    def measured(size: int, cpu_us: float) -> Measured:
        result = dict.fromkeys(Round.__dataclass_fields__, 1.0) | {"errors": 0, "why": "", "cpu_us": cpu_us}
        return Measured("latchkey", "introspect-pat", size, [Round(**result)])  # type: ignore[arg-type]

    rows = [measured(1_000, 100.0), measured(1_000_000, 111.0)]
    (grown,) = [one for one in targets(rows, lambda *_: None, "sqlite") if "at 1,000" in one.of]
    assert grown.size == 1_000_000 and grown.verdict == "missed by 1%"


@pytest.mark.contract("a soak complains of errors, slow minutes and growth")
def test_a_soak_is_driven_at_the_share_that_was_asked_for(instance: Path, figures: Json) -> None:
    report = instance / "soaked.json"
    soaking = ("--soak", "2", "--minute", "1", "--load", "25", "--rows", "introspect-pat", "--writer", "4")
    done = bench(instance, *TINY, *soaking, "--json", str(report), **fork_server.shared())
    assert done.returncode in (0, 1), done.stderr  # a busy machine may have a slow minute
    result = json.loads(report.read_text(encoding="utf-8"))
    assert len(result["minutes"]) == 2 and not any(minute["errors"] for minute in result["minutes"])
    for minute in result["minutes"]:
        assert 0.1 < minute["requests_per_second"] / result["highest"] < 0.8  # the generator rests in between
        assert 1 <= minute["written_per_second"] <= 8
    assert not [complaint for complaint in result["complaints"] if "p99" not in complaint]


@pytest.mark.contract("a soak complains of errors, slow minutes and growth")
def test_a_soak_reports_errors_slow_minutes_and_growth() -> None:
    def minute(**changed: float) -> Round:
        result = dict.fromkeys(Round.__dataclass_fields__, 1.0) | {"errors": 0, "why": "", "requests": 9} | changed
        return Round(**result)  # type: ignore[arg-type]

    def complaints(*minutes: Round) -> list[str]:
        return Soaked("row", 2.0, 1.0, minutes, {}).complaints()

    assert complaints(minute(), minute(p99_ms=1.9, resident_mb=1.04)) == []
    assert complaints(minute(), minute(p99_ms=2.1)) == ["minute 2: p99 2.10 ms is over 2 times the first minute's"]
    assert complaints(minute(resident_mb=100.0), minute(resident_mb=106.0)) == ["memory grew from 100 to 106 MB"]
    assert complaints(minute(), minute(errors=1, why="one was lost")) == ["minute 2: one was lost"]  # type: ignore[arg-type]


def test_a_missing_wrk_is_one_line_of_error(tmp_path: Path) -> None:
    done = bench(tmp_path, *TINY, PATH=str(tmp_path))
    assert done.returncode == 2 and done.stdout == ""
    assert "wrk" in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments", [("--size", "many"), ("--size", "0"), ("--rows", "introspect-pat,nothing"), ("--seconds", "0")]
)
def test_invalid_arguments_end_the_run_before_it_starts(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = bench(tmp_path, *arguments)
    assert done.returncode == 2 and arguments[0] in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.contract("the benchmark verifies JWTs in each way, and counts the seconds until a revoked one is refused")
def test_the_ways_to_verify_are_compared_and_each_refuses_a_revoked_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def soon(instance: Path, database_url: str) -> dict[str, str]:
        return dataset.environment(instance, database_url) | {"LATCHKEY_STATUS_LIST_TTL": "1"}

    monkeypatch.setattr(subjects, "environment", soon)
    monkeypatch.setitem(ways.OPTIONS[ways.CACHED], "max_age", 0.5)
    few = ("--size", "10", "--rounds", "1", "--seconds", "0.1", "--verify")
    done = bench(tmp_path, *few, "--json", str(tmp_path / "figures.json"), **fork_server.shared())
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    rows = {row["row"]: row for row in found["rows"]}
    assert set(rows) == {f"verify-{way}" for way in WAYS} and all(row["cpu_us"] > 0 for row in rows.values())
    assert rows["verify-introspection"]["requests"] > 10 > rows["verify-status-list"]["requests"] > 0
    seconds = {way: times[0] for way, times in found["seconds_to_refusal"].items()}
    assert 0 < seconds["verify-introspection"] < seconds["verify-status-list"] < 10 < seconds["verify-local"]
    assert all(f"| {name} | " in done.stdout for name in rows) and "locally, with the status list" in done.stdout


@pytest.mark.contract("the benchmark builds a status list, and judges its size")
def test_a_status_list_is_built_with_more_and_more_invalid_indexes(tmp_path: Path) -> None:
    few = ("--size", "10", "--status-lists", "2k", "--json", str(tmp_path / "figures.json"))
    done = bench(tmp_path, *few, **fork_server.shared())
    assert done.returncode == 0, done.stdout + done.stderr
    lists = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["lists"]
    assert [one["invalid"] for one in lists][:1] == [0] and len(lists) == 3
    assert lists[0]["bytes"] < lists[1]["bytes"] < lists[2]["bytes"]
    assert all(one["changed_cpu_ms"] > 0 for one in lists) and done.stdout.count("\n| ") == 4


def test_a_status_list_of_too_many_indexes_is_refused(tmp_path: Path) -> None:
    done = bench(tmp_path, "--status-lists", "1m")
    assert done.returncode == 2 and "at most 131072" in done.stderr
