"""The fixtures every test may use: a live server a process, further ones on demand, and an administrator's client."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from app.actions.sign_in import passwords
from app.database import engines, locks
from tests import cheap_hashes, compiled_rules, compiled_statements, compiled_templates
from tests.api import Admin, administrator
from tests.databases import chosen, drop_databases, module_of, per_database, why_not
from tests.live import LiveServer

pytest_plugins = [
    "tests.both_databases",
    "tests.started",
    "tests.compliance",
    "tests.asvs",
    "tests.chromium",
    "tests.contract.servers",
]

UMASK = os.umask(0o022)  # read by setting it
os.umask(UMASK)
LONG_FOLDERS = ("scripts", "clients", "resource_servers", "test_readme", "durability", "faults", "comparison")
LONG = tuple(f"tests/{one}" for one in LONG_FOLDERS)

StartServer = Callable[..., LiveServer]


@pytest.fixture
def further_kinds() -> None:
    """Return further kinds of credential for a core: none, unless a folder of tests adds some."""


@pytest.fixture(scope="session")
def _administrators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Admin]]:
    with per_database(lambda: administrator(tmp_path_factory.mktemp("server"))) as of_database:
        yield of_database


@pytest.fixture(scope="module")
def server(_administrators: Callable[[], Admin]) -> LiveServer:
    """The server that most tests share, one a test process: give what you make names of your own (`unique`)."""
    return _administrators().server


@pytest.fixture(scope="module")
def admin(_administrators: Callable[[], Admin]) -> Admin:
    """The administrator's client of the shared server."""
    return _administrators()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start a server of one's own: fresh_server(workers=2, rate_limits="on", pat_max_lifetime="60")."""
    started: list[LiveServer] = []

    def start(*, workers: int = 1, migrated: bool = True, **settings: str) -> LiveServer:
        live = LiveServer(tmp_path / f"instance{len(started)}", settings, workers, migrated)
        started.append(live)
        return live.start()

    yield start
    for live in started:
        live.kill()


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an instance without any setting."""
    for name in os.environ:
        if name.upper().startswith("LATCHKEY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session", autouse=True)
def _patient_writers() -> Iterator[None]:
    """Make every writer of this process wait: on a slow machine the seventh and later are refused after a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "CROWDED_TIMEOUT", engines.BUSY_TIMEOUT_MS / 1000)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash at the full cost, in this process."""
    for name, real in cheap_hashes.REAL.items():
        monkeypatch.setattr(passwords, name, real)


@pytest.fixture(autouse=True)
def _no_database_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Forget what a test kept in its own folder, once all else that it set up is down."""
    yield
    if own := request.node.funcargs.get("tmp_path"):
        drop_databases(own)


def pytest_configure() -> None:
    """Refuse a run that could not be on the databases that it was asked for; make applications cheap."""
    if reason := why_not():
        raise pytest.UsageError(reason)
    cheap_hashes.use()
    compiled_rules.share()
    compiled_statements.share()
    compiled_templates.share()
    gc.set_threshold(100_000, 50, 100)  # collection makes a million objects that stay


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Restore the umask: a command that an earlier test ran in this process made its files the owner's alone."""
    os.umask(UMASK)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the long files over three quarters: begun last they go on alone, begun together they stand still."""
    files = list(dict.fromkeys(module_of(item.nodeid) for item in items))
    long = [file for one in LONG for file in files if file.startswith(one)]
    short = [file for file in files if file not in set(long)]
    turns = {file: n * len(short) * 3 // 4 // max(1, len(long)) - 0.5 for n, file in enumerate(long)}
    turns |= {file: n for n, file in enumerate(short)}
    items.sort(key=lambda item: turns[module_of(item.nodeid)])


def pytest_collection_finish() -> None:
    """Exempt what was collected from garbage collection: each one would visit all of it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Schedule the tests of a file together, and the tests on PostgreSQL apart from them."""
    return ByModule(config, log)


class ByModule(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out modules."""

    def _split_scope(self, nodeid: str) -> str:
        return module_of(nodeid)


def pytest_report_header() -> str:
    return f"database: {chosen()}"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a freshly minted secret by its prefix: every test process must collect the same names."""
    return val[:6] if isinstance(val, str) and val.startswith("lk_") and len(val) == 45 else None
