"""Database URLs: several hosts, psycopg's options, and databases that keep no UTF-8."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from app.actions.audit.verify import VerifyAudit
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.errors import BadSettings
from app.maintenance.doctor import run_checks
from app.migrations.run import upgrade
from app.settings.database_url import describe_url, normalize_url, with_pooler
from app.settings.load import load_settings
from app.settings.settings import Settings
from tests.cli.test_serve import run
from tests.cluster import OWNER, Cluster, program
from tests.databases import cluster as shared_cluster
from tests.live import LiveServer
from tests.machine import lacking

HOSTS = "postgresql://u:p%40@h1:1,h2:2/db?target_session_attrs=read-write"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    program("initdb") or lacking("PostgreSQL server")
    return shared_cluster()


@pytest.fixture
def multihost(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database at the second of two hosts, of which the first refuses."""
    name = f"hosts_{abs(hash(request.node.name)) % 10**8}"
    cluster.create(name)
    yield f"postgresql://{OWNER}@127.0.0.1:1,{quote(str(cluster.folder), safe='')}:5432/{name}"
    cluster.drop(name)


def arguments(url: str) -> dict[str, object]:
    """Return what SQLAlchemy hands to the driver."""
    engine = create_engine(normalize_url(url))
    return dict(engine.dialect.create_connect_args(engine.url)[1])


@pytest.mark.parametrize("port", ["0", "65536", "99999", "123456789"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secretword@h:{}/db",
        "postgresql://u:secretword@h1:1,h2:{}/db",
        "postgresql://u:secretword@h1:{},h2/db",
        "postgresql://u:secretword@[::1]:{}/db",
        "postgresql://u:secretword@/db?host=h&port={}",
        "postgresql://u:secretword@/db?host=h1,h2&port=1,{}",
        "postgresql://u:secretword@/db?host=h1:1&host=h2:{}",
    ],
)
def test_a_port_that_no_server_has_is_refused(url: str, port: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|is) ") as refused:
        normalize_url(url.format(port))
    assert "secretword" not in str(refused.value)
    for good in ("1", "65535"):
        assert normalize_url(url.format(good))


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (HOSTS, "h1,h2", "1,2"),
        ("postgres://u:p%40@h1,h2:2/db", "h1,h2", ",2"),
        ("postgresql+psycopg://u:p%40@[::1]:5,[::2]:6/db", "::1,::2", "5,6"),
        ("postgresql://u:p%40@/db?host=h1:1&host=h2:2", "h1,h2", "1,2"),
        ("postgresql://u:p%40@/db?host=h1,h2&port=1,2", "h1,h2", "1,2"),
        ("postgresql://u:p%40@h1:1/db", "h1", 1),
    ],
)
def test_several_hosts_reach_the_driver_as_they_were_written(url: str, host: str, port: str | int) -> None:
    given = arguments(url)
    assert (given["host"], given["port"], given["user"], given["password"]) == (host, port, "u", "p@")
    assert normalize_url(normalize_url(url)) == normalize_url(url)


def test_options_of_several_hosts_are_kept() -> None:
    given = arguments(HOSTS + "&prepare_threshold=7&sslmode=verify-full")
    assert (given["target_session_attrs"], given["sslmode"]) == ("read-write", "verify-full")
    assert given["prepare_threshold"] == "7"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@h:x/db",
        "postgresql://u:hush@h1:1,h2:x/db",
        "postgresql://u:hush@h1:1,h2:2/db?colour=hush",
        "postgresql://u:hush@h/db?autocommit=1",
        "postgresql://u:hush@h/db?row_factory=hush",
        "postgresql://u:hush@h/db?prepare_threshold=hush",
        "postgresql://u:hush@h/db?prepare_threshold=-1",
        "mysql://u:hush@h/db",
        "sqlite://",
        "hush",
    ],
)
def test_a_url_that_cannot_work_is_refused_in_one_line_without_its_text(url: str) -> None:
    with pytest.raises(BadSettings, match="DATABASE_URL") as refusal:
        load_settings(database_url=url)
    assert "hush" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_the_pooler_travels_with_the_url() -> None:
    settings = Settings(secret_key="k" * 40, database_url="postgresql://h/db", database_pooler="Transaction")
    assert make_url(settings.database_url).query == {"latchkey_pooler": "transaction"}
    assert normalize_url(settings.database_url) == settings.database_url
    assert with_pooler("sqlite:////x.db", "transaction") == "sqlite:////x.db"


def test_an_error_message_shows_hosts_and_no_password() -> None:
    shown = describe_url(make_url("postgresql+psycopg://u:hush@/db?host=h1,h2&port=1,2&password=hush&sslpassword=hush"))
    assert "hush" not in shown and "h1" in shown and "u:***@" in shown


@pytest.mark.parametrize(("threshold", "prepared"), [("0", True), ("100", False), ("none", False)])
def test_prepare_threshold_is_obeyed(cluster: Cluster, multihost: str, threshold: str, prepared: bool) -> None:
    store = Store(create_engine(normalize_url(f"{multihost}?prepare_threshold={threshold}")))
    driver = store.driver_connection()
    driver.execute("SELECT 1")
    seen = driver.execute("SELECT count(*) > 0 FROM pg_prepared_statements", prepare=False).fetchone()
    assert seen == (prepared,)
    store.dispose()


@pytest.mark.contract("nodes behind a pooler, on several hosts, on a database in UTF-8 alone")
def test_a_server_and_its_commands_work_on_the_one_of_several_hosts_that_writes(multihost: str, tmp_path: Path) -> None:
    url = f"{multihost}?target_session_attrs=read-write&prepare_threshold=none"
    live = LiveServer(tmp_path / "instance", {"database_url": url}).start()
    try:
        assert live.http.get("/readyz").status_code == 200
        said = json.loads(run(live.instance, "doctor", "--json", database_url=url).stdout)
        assert [found["verdict"] for found in said["findings"] if found["check"] in ("database", "pooler")] == [
            "ok"
        ] * 2
        store = Store(create_engine(normalize_url(url)))
        assert VerifyAudit(store)().intact
        store.dispose()
        refused = run(live.instance, "backup", str(tmp_path / "b.zip"), database_url=url)
        assert refused.returncode == 1 and "pg_dump" in refused.stderr and "Traceback" not in refused.stderr
    finally:
        live.stop()


@pytest.mark.contract("nodes behind a pooler, on several hosts, on a database in UTF-8 alone")
@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_in_one_line_by_start_and_doctor(
    cluster: Cluster, tmp_path: Path, encoding: str
) -> None:
    settings = Settings(instance_dir=tmp_path, secret_key="k" * 40, database_url=in_encoding(cluster, encoding))
    with pytest.raises(BadSettings, match=f"its encoding is {encoding}: create it with ENCODING 'UTF8'") as refusal:
        upgrade(settings.database_url)
    assert "\n" not in str(refusal.value)
    store = Store(create_engine(settings.database_url))
    [found] = [
        one for one in run_checks(settings, store, SigningKeys(settings.sealing_keys)) if one.check == "database"
    ]
    assert found.verdict == "problem" and f"its encoding is {encoding}" in found.found


def test_a_start_on_a_database_without_an_encoding_prints_that_line_alone(cluster: Cluster, tmp_path: Path) -> None:
    done = run(tmp_path / "instance", "serve", database_url=in_encoding(cluster, "SQL_ASCII", "served"))
    [line] = done.stderr.splitlines()
    assert done.returncode != 0 and "its encoding is SQL_ASCII" in line


def in_encoding(cluster: Cluster, encoding: str, name: str = "kept") -> str:
    """Make a database in this encoding and return its URL."""
    name = f"{name}_{encoding}".lower()
    made = f"CREATE DATABASE {name} OWNER {OWNER} ENCODING '{encoding}' TEMPLATE template0"
    cluster.execute(f"{made} LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'")
    return cluster.url(name)


@pytest.mark.parametrize(
    "option", ["?client_encoding=LATIN1", "?client_encoding=SQL_ASCII", "?options=-cclient_encoding%3Dlatin1"]
)
def test_the_encoding_of_a_connection_is_utf8_whatever_else_says(
    cluster: Cluster, multihost: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    store = Store(create_engine(normalize_url(multihost + option)))
    with store.transaction() as session:
        assert session.scalar(text("SHOW client_encoding")) == "UTF8"
        assert session.scalar(text("SELECT 'Zoë 山田'")) == "Zoë 山田"
    store.dispose()
