"""The help of the program: the line of a group in the table of commands is the line in its own help."""

import subprocess
import sys

import click
import pytest

from app.cli.command import COMMANDS, LazyGroup

ROOT = LazyGroup("latchkey")
GROUPS = [
    (name, command)
    for name in COMMANDS
    if isinstance(command := ROOT.get_command(click.Context(ROOT), name), click.Group)
]


@pytest.mark.parametrize(("name", "group"), GROUPS, ids=dict(GROUPS))
def test_the_table_of_commands_has_the_first_line_of_each_groups_help(name: str, group: click.Group) -> None:
    line = COMMANDS[name][1]
    assert line == (group.help or "").splitlines()[0]
    assert [one for one in group.commands if one not in line] == []


def test_help_and_completion_load_no_database_library() -> None:
    """Check that a person who presses Tab waits for the imports of the command line alone."""
    loaded = "import sys, app.cli; print(*{'sqlalchemy', 'pydantic', 'flask'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"
