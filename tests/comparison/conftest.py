"""A separate application in this process, on the real clock, since local verification reads the system's time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app import create_app
from app.comparison.probes import compare, in_process
from app.comparison.report import Report
from app.compose import Actions
from app.database.types import Base
from app.http.application import Latchkey
from app.settings.load import load_settings
from tests.cli.test_serve import run
from tests.live import environment
from tests.web.pseudo_locale import use_pseudo_locale

STATUS = {"status_list", "status_entry", "status_subject", "status_change"}  # of a JWT, until its list ends
KEPT = {
    "replaced_secret",
    "audit_event",
    "usage_hour",
    "usage_day",
    "reused_credential",
    "spent_limit",
    "revoked_token",
    *STATUS,
}  # tables whose rows remain: of a revoked JWT, until exp


@dataclass
class Compared:
    """An application, its comparison, and the number of rows in each table."""

    app: Latchkey

    @property
    def actions(self) -> Actions:
        return self.app.actions

    def run(self, *columns: str) -> Report:
        with in_process(self.app.wsgi_app, self.actions.settings.issuer) as client:
            return compare(self.actions, client, "in one process", lambda _what: None, columns)

    def rows(self) -> dict[str, int]:
        tables = [table for name, table in Base.metadata.tables.items() if name not in KEPT]
        with self.actions.store.connection() as connection:
            return {t.name: connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """The application that the tests of a module share."""
    folder = tmp_path_factory.mktemp("compared") / "instance"
    assert run(folder, "init").returncode == 0
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment(folder).items():
            patched.setenv(name, value)
        app = create_app(load_settings().model_copy(update={"log_level": "error"}))
    yield Compared(app)
    app.actions.usage.stop()
    app.actions.store.dispose()


@pytest.fixture(scope="module")
def report(compared: Compared) -> Report:
    """The comparison of a server that satisfies its contract."""
    return compared.run()


@pytest.fixture
def command(compared: Compared, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set the environment of commands to the same instance, and return its folder."""
    folder = compared.actions.settings.instance_dir
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def pseudo_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each text of the catalogs in brackets, in every language but English."""
    use_pseudo_locale(monkeypatch)
