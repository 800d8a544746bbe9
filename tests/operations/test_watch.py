"""The metrics of what fails silently: a failed check, and a signing key that is due."""

from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from app.clock import system_clock
from app.database.store import Store
from app.migrations.run import upgrade
from app.operations import metrics
from app.operations.health import Health, check_health
from app.operations.watch import Watch


def failed() -> set[str]:
    """Return the checks that the metrics call failed."""
    return {name for name in metrics.CHECKS if REGISTRY.get_sample_value("latchkey_check_failed", {"check": name})}


def due() -> float | None:
    return REGISTRY.get_sample_value("latchkey_signing_key_due_timestamp_seconds")


def _down() -> datetime:
    raise OperationalError("SELECT 1", {}, Exception("gone"))


def test_each_check_is_1_while_it_fails_and_0_again() -> None:
    found = [Health({"database": "failed", "migrations": "failed"}), Health({"database": "ok", "writes": "failed"})]
    watch = Watch(lambda: found.pop(0) if found else Health({"database": "ok"}), lambda: None)
    watch.check()
    assert failed() == {"database", "migrations"}
    watch.check()
    assert failed() == {"writes"}
    watch.check()
    assert failed() == set()


def test_a_signing_key_is_due_at_an_instant_or_by_hand_and_a_lost_database_changes_nothing() -> None:
    at = system_clock()
    for due_at, shown in ((lambda: at, at.timestamp()), (_down, at.timestamp()), (lambda: None, 0)):
        Watch(lambda: Health({}), due_at).check()
        assert due() == shown


def test_a_database_that_is_gone_fails_its_check(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'latchkey.db'}"
    upgrade(url)
    store = Store(create_engine(url))
    Watch(lambda: check_health(store, None), lambda: None).check()
    assert failed() == set()
    store.dispose()
    (tmp_path / "latchkey.db").unlink()
    Watch(lambda: check_health(store, None), lambda: None).check()
    assert failed() & {"database", "migrations"}
    store.dispose()


def test_every_check_of_readyz_has_its_metric(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'latchkey.db'}"
    upgrade(url)
    store = Store(create_engine(url))
    monkeypatch.setattr("app.operations.health.write_failure", lambda _: "no answer")
    monkeypatch.setattr("app.operations.health.write_obstacle", lambda _: "read-only")
    assert check_health(store, object()).checks.keys() == set(metrics.CHECKS)
    store.dispose()
