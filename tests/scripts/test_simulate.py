"""The plan follows from the costs: more load needs more nodes, and a busy core means a long wait."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.checkout import ROOT
from tests.scripts import in_process

PROGRAM = ROOT / "scripts" / "simulate"
FEW = 2_000  # requests, where no figure is looked at


@pytest.fixture(scope="module")
def model() -> Any:
    return in_process.load("simulate")


def run(*arguments: str) -> in_process.Done:
    return in_process.run("simulate", *arguments)


@pytest.fixture(scope="module")
def printed() -> str:
    """What the program prints with the costs that it assumes."""
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("| 1")]


def test_the_table_has_a_row_for_each_load_and_share(printed: str) -> None:
    rows = rows_of(printed)
    assert len(rows) == 9 and all(row.count("|") == 8 for row in rows)
    assert "Assumed: " in printed


def test_a_request_alone_takes_its_own_time(model: Any) -> None:
    costs = model.Costs(introspection=0.001, look=0.002, wire=0.003)
    assert model.simulate_p99(1, costs, 4, 1) == pytest.approx(0.003 + 0.002, rel=0.2)


def test_a_core_that_is_full_makes_them_wait(model: Any) -> None:
    costs = model.Costs(introspection=0.001)
    calm, full = (model.simulate_p99(rate, costs, 8, 1) for rate in (300, 1_200))
    assert calm < 0.01 < 0.5 < full


def test_a_database_that_is_full_makes_them_wait_on_every_node(model: Any) -> None:
    costs = model.Costs(look=0.001)
    assert model.simulate_p99(4_000, costs, 8, 10) < 0.01 < 0.5 < model.simulate_p99(4_000, costs, 2, 10)


def test_it_takes_more_nodes_for_more_and_fewer_when_resource_servers_verify(model: Any, printed: str) -> None:
    nodes = [int(row.split(" | ")[2].replace(",", "")) for row in rows_of(printed)]
    shares = len(model.SHARES)
    plans = [nodes[at : at + shares] for at in range(0, len(nodes), shares)]  # a line for each load
    assert len(plans) == len(model.LOADS)
    assert all(row == sorted(row, reverse=True) for row in plans)
    assert all(list(column) == sorted(column) for column in zip(*plans, strict=True))
    assert plans[2][0] >= 60  # a million times 60 µs


@pytest.mark.contract("how many nodes it takes is simulated with measured costs")
def test_every_plan_meets_its_target_below_its_maximum(model: Any) -> None:
    costs = model.Costs(introspection=0.0002, look=0.0003)
    for load in model.LOADS[:2]:
        plan = model.plan(load, 0.0, costs)
        assert plan.p99 <= model.PROMISE
        assert load * costs.introspection / plan.nodes <= model.CEILING
        assert load * costs.look / plan.database_cores <= model.CEILING


@pytest.mark.contract("how many nodes it takes is simulated with measured costs")
def test_the_simulation_reads_measured_costs(tmp_path: Path, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REQUESTS", FEW)
    rows = [
        {"subject": "latchkey", "row": "introspect-pat", "cpu_us": 80.0, "database_cpu_us": 70.0},
        {"subject": "latchkey", "row": "client-credentials", "cpu_us": 150.0, "database_cpu_us": 0.0},
        {"subject": "bare-flask", "row": "introspect-pat", "cpu_us": 1.0, "database_cpu_us": 1.0},
    ]
    (tmp_path / "costs.json").write_text(json.dumps({"rows": rows}))
    done = run("--costs", str(tmp_path / "costs.json"))
    assert "80 µs of a node and 70 µs of the database an introspection, 150 µs a token" in done.stdout


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": []}'])
def test_an_invalid_measurement_is_one_line_of_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "costs.json").write_text(text)
    done = run("--costs", str(tmp_path / "costs.json"))
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stdout == ""
