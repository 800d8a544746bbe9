"""What SQLite alone has: its file and pragmas, and one write lock that each transaction takes first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select, text

from app.database.store import Store
from app.database.types import Base
from app.errors import BadSettings
from app.migrations import run
from app.models import Resource
from tests.database.test_store import in_threads, resource


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'latchkey.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    made = Store(create_engine(url))
    Base.metadata.create_all(made.engine)
    yield made
    made.dispose()


def test_it_is_durable_and_strict(store: Store) -> None:
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15_000}
    with store.transaction() as session:
        assert {name: session.scalar(text(f"PRAGMA {name}")) for name in expected} == expected
    with store.connection() as connection:
        assert {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in expected} == expected


def test_a_transaction_sees_all_that_was_committed_before_it(store: Store) -> None:
    def write(number: int) -> None:
        for i in range(10):
            with store.transaction() as session:
                count = session.scalar(select(func.count()).select_from(Resource))
                session.add(resource(f"r{number}-{i}-{count}"))

    assert in_threads(8, write) == []
    with store.reading() as session:
        counts = [int(name.rpartition("-")[2]) for name in session.scalars(select(Resource.name))]
    assert sorted(counts) == list(range(80))


def test_an_invalid_database_file_is_refused_in_one_line(url: str, tmp_path: Path) -> None:
    (tmp_path / "latchkey.db").write_bytes(b"not a database, by any means" * 100)
    with pytest.raises(BadSettings, match="cannot be used") as refusal:
        run.upgrade(url)
    assert "\n" not in str(refusal.value)
