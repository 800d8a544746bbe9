"""The status lists of a restored backup: of what was issued after the backup, it knows nothing."""

from pathlib import Path

from app.maintenance.backup import back_up, restore
from tests.actions.status.published import is_invalid, position_of
from tests.core import Core, start_core


def go_back(core: Core, file: Path) -> Core:
    """Return a core on a restored backup, with the clock of the one that goes on."""
    folder = file.with_name("restored")
    folder.mkdir()
    settings = core.actions.settings.model_copy(
        update={"instance_dir": folder, "database_url": f"sqlite:///{folder / 'latchkey.db'}"}
    )
    restore(settings, file)
    restored = start_core(folder)
    restored.clock.now = core.clock.now
    restored._rows.update(core._rows)
    return restored


def test_what_was_issued_after_the_backup_is_refused_and_no_index_of_it_is_used_again(
    core: Core, tmp_path: Path
) -> None:
    core.client("gate", "worker")
    before = core.m2m("robot", "orders:read")
    back_up(core.actions.settings, tmp_path / "file", core.clock())
    lost = core.m2m("robot", "orders:write")
    core.clock.advance(days=1)
    of_lost_list = core.m2m("robot", "orders:write")
    core.clock.advance(days=-1)
    restored = go_back(core, tmp_path / "file")
    assert not is_invalid(restored, before) and is_invalid(restored, lost)
    core.clock.advance(minutes=1)
    after = [restored.m2m("gate", scope) for scope in ("orders:read", "orders:write")]
    assert not any(is_invalid(restored, one) for one in after)
    restored.clock.advance(days=1)
    after.append(restored.m2m("gate", "orders:read"))
    assert not {position_of(one)[0] for one in after} & {position_of(one)[0] for one in (before, lost, of_lost_list)}
    restored.store.dispose()


def test_a_list_that_is_restored_twice_refuses_no_less(core: Core, tmp_path: Path) -> None:
    before = core.m2m("robot", "orders:read")
    back_up(core.actions.settings, tmp_path / "file", core.clock())
    lost = core.m2m("robot", "orders:write")
    first = go_back(core, tmp_path / "file")
    (tmp_path / "again").mkdir()
    back_up(first.actions.settings, tmp_path / "again" / "file", core.clock())
    second = go_back(first, tmp_path / "again" / "file")
    assert is_invalid(second, lost) and not is_invalid(second, before)
    for one in (first, second):
        one.store.dispose()


def test_a_backup_without_a_list_is_restored_and_its_first_list_has_a_new_number(core: Core, tmp_path: Path) -> None:
    back_up(core.actions.settings, tmp_path / "file", core.clock())
    lost = core.m2m("robot", "orders:read")
    restored = go_back(core, tmp_path / "file")
    assert position_of(restored.m2m("robot", "orders:read"))[0] != position_of(lost)[0]
    restored.store.dispose()
