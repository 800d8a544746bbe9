"""A restored backup sends again what waited when it was made, under the same ids, and nothing that was sent before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser
from app.actions.limits.storage import DatabaseLimiter
from app.compose import join
from app.database.store import Store
from app.database.types import Base
from app.maintenance.backup import back_up, restore
from app.settings.settings import Settings
from tests.actions.notices.conftest import Hooks
from tests.core import ISSUER, Core, MutableClock
from tests.databases import SqliteDatabase
from tests.receiver import Receiver


def open_core(folder: Path, clock: MutableClock) -> Core:
    """Open the instance of a folder, on SQLite in every run: the backup is of its file."""
    database = SqliteDatabase(folder)
    settings = Settings(instance_dir=folder, issuer=ISSUER, secret_key="k" * 40, database_url=database.url)
    store = Store(create_engine(settings.database_url))
    return Core(join(settings, store, clock, DatabaseLimiter(store, clock)), clock, database)


@pytest.fixture
def original(tmp_path: Path, receiver: Receiver) -> Iterator[Hooks]:
    """An instance with a webhook."""
    (tmp_path / "original").mkdir()
    core = open_core(tmp_path / "original", MutableClock())
    Base.metadata.create_all(core.store.engine)
    with core.store.transaction() as session:
        core.actions.signing_keys.ensure(session, core.clock())
    yield Hooks(core, receiver)
    core.store.dispose()


@pytest.mark.contract("a restored backup sends what waited again under the same ids, and nothing that was sent")
def test_what_waited_is_sent_again_under_its_id_and_what_was_sent_is_not(original: Hooks, tmp_path: Path) -> None:
    core, receiver = original.core, original.receiver
    original.add("user.create")
    core.actions.users.create(OPERATOR, NewUser("sent"))
    original.deliver()
    core.actions.users.create(OPERATOR, NewUser("waited"))
    back_up(core.actions.settings, tmp_path / "backup", core.clock())
    original.deliver()
    settings = core.actions.settings.model_copy(
        update={"instance_dir": tmp_path / "new", "database_url": f"sqlite:///{tmp_path / 'new' / 'latchkey.db'}"}
    )
    restore(settings, tmp_path / "backup")
    restored = Hooks(open_core(tmp_path / "new", core.clock), receiver)
    restored.deliver()
    first, second, again = receiver.sent
    assert first.headers["webhook-id"] != second.headers["webhook-id"] == again.headers["webhook-id"]
    assert second.body == again.body and second.headers["webhook-signature"] == again.headers["webhook-signature"]
    restored.core.store.dispose()
