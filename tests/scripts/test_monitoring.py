"""The rules and the dashboard of scripts/deploy: Prometheus accepts both, and each metric and label exists."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from app.operations import metrics
from app.operations.paths import FORWARD_AUTH
from tests.architecture.checkout import ROOT
from tests.machine import require_program
from tests.operations.application import application, settings_in

DEPLOY = ROOT / "scripts" / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
RULES_TEST = DEPLOY / "prometheus-rules-test.yml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]
TESTS: list[dict[str, Any]] = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))["tests"]
PROMETHEUS = {"up"}  # its own metric
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds
SELECTOR = re.compile(r"\b(latchkey_\w+|up\b)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on|without|ignoring) \(([^)]*)\)")


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARD["panels"]
    return found


def queries() -> list[str]:
    """Return the expressions of the dashboard, with numbers and names instead of Grafana's variables."""
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [one.replace("$__rate_interval", "5m").replace("$instance", ".*") for one in found]


def expressions() -> list[str]:
    series = [one["series"] for test in TESTS for one in test["input_series"]]
    return [rule["expr"] for rule in ALERTS] + queries() + series


def exposed() -> dict[str, set[str]]:
    """Return the labels of each series that /metrics can have."""
    found: dict[str, set[str]] = {name: set() for name in PROMETHEUS}
    private: Any = REGISTRY
    for collector, names in private._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        found |= {name: labels | ({"le"} if name.endswith("_bucket") else set()) for name in names}
    return found


def selected(expression: str) -> Iterator[tuple[str, dict[str, str]]]:
    for name, inside in SELECTOR.findall(expression):
        yield name, dict(MATCHER.findall(inside))


def test_each_metric_and_label_of_both_exists() -> None:
    known, wrong = exposed(), []
    for expression in expressions():
        used = list(selected(expression))
        assert used, expression
        wrong += [name for name, labels in used if not labels.keys() <= known.get(name, set()) | OF_PROMETHEUS]
        wrong += [name for name, _ in used if name not in known]
        grouped = {label.strip() for inside in GROUPED.findall(expression) for label in inside.split(",")}
        wrong += sorted(grouped - OF_PROMETHEUS - set().union(*(known.get(name, set()) for name, _ in used)))
    assert wrong == []


def test_a_wrong_metric_or_label_would_be_found() -> None:
    known = exposed()
    [(name, labels)] = selected('sum(rate(latchkey_issued_total{nature="x"}[5m]))')
    assert name in known and not labels.keys() <= known[name]
    assert "latchkey_issued" not in {one for one, _ in selected("rate(latchkey_issued_totals[5m])")}
    assert known["latchkey_request_seconds_bucket"] == {"method", "route", "status", "le"}


def test_each_value_of_a_label_can_occur(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = {rule.rule for rule in application(settings_in(tmp_path, monkeypatch)).url_map.iter_rules()}
    assert FORWARD_AUTH in routes
    possible = {"check": set(metrics.CHECKS), "route": routes, "status": {f"{digit}xx" for digit in range(1, 6)}}
    named = [pair for one in expressions() for _, labels in selected(one) for pair in labels.items()]
    split = [(label, value) for label, values in named for value in values.split("|")]
    assert [(label, value) for label, value in split if label in possible and value not in possible[label]] == []
    assert {value for label, value in split if label == "check"} == set(metrics.CHECKS)


def test_a_panel_names_in_its_legend_what_it_groups_by() -> None:
    for panel in panels():
        for target in panel["targets"]:
            grouped = {label.strip() for inside in GROUPED.findall(target["expr"]) for label in inside.split(",")}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["title"] == "Latchkey" and DASHBOARD["schemaVersion"] >= 36 and "id" not in DASHBOARD
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24 and panel["title"] and panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_each_alert_says_what_it_is_and_is_tested_quiet_and_firing() -> None:
    quiet, firing = ({one["alertname"]: one["exp_alerts"] for one in test["alert_rule_test"]} for test in TESTS)
    names = [rule["alert"] for rule in ALERTS]
    assert sorted(names) == sorted(quiet) == sorted(firing) and len(set(names)) == len(names)
    assert not any(quiet.values()) and all(firing.values())
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("page", "ticket") and rule["annotations"].keys() == {
            "summary",
            "description",
        }


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [require_program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_prometheus_accepts_the_rules_and_they_fire_when_they_should() -> None:
    for checked in (promtool("check", "rules", RULES), promtool("test", "rules", RULES_TEST)):
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_accepts_each_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert (checked := promtool("check", "rules", file)).returncode == 0, checked.stderr
    rules.append({"record": "panel:wrong", "expr": "sum(rate(latchkey_issued_total))"})
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert promtool("check", "rules", file).returncode != 0
