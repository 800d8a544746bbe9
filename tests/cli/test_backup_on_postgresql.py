"""On PostgreSQL backup and restore fail, and name PostgreSQL's own programs."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main


def test_on_postgresql_its_own_programs_do_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATCHKEY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(tmp_path))
    for command in ("backup", "restore"):
        done = CliRunner().invoke(main, [command, str(tmp_path / "file")])
        assert done.exit_code == 1 and "pg_dump" in done.stderr and done.stderr.count("\n") == 1
