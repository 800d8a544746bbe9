"""A shell completes names from the database; without one it completes nothing, and makes no file."""

from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from app.cli import main
from tests.cli.test_serve import run


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion") / "instance"
    assert run(folder, "demo").returncode == 0
    return folder


def completed(monkeypatch: pytest.MonkeyPatch, instance: Path, line: str) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(instance))
    context = main.make_context("latchkey", [], resilient_parsing=True)
    found = BashComplete(context.command, {}, "latchkey", "_LATCHKEY_COMPLETE").get_completions(words[:-1], words[-1])
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("use", ["user"]),
        ("user cre", ["create"]),
        ("user show a", ["admin", "alice"]),
        ("pat create --user al", ["alice"]),
        ("role delete book", ["bookseller"]),
        ("user update alice --role acc", ["accountant"]),
        ("client create --role ware", ["warehouse"]),
        ("api-key create --resource https://st", ["https://stock.bookshop.example"]),
        ("pat create --scope stock:", ["stock:read", "stock:write"]),
        ("resource permission update https://x stock:r", ["stock:read"]),
        ("role show %", []),
    ],
)
def test_names_are_completed(monkeypatch: pytest.MonkeyPatch, instance: Path, line: str, names: list[str]) -> None:
    assert completed(monkeypatch, instance, line) == names


def test_ids_of_live_credentials_are_completed(monkeypatch: pytest.MonkeyPatch, instance: Path) -> None:
    assert len(completed(monkeypatch, instance, "pat revoke pat_")) == 1
    assert len(completed(monkeypatch, instance, "api-key rotate key_")) == 1
    assert len(completed(monkeypatch, instance, "client secret create client_")) == 5


def test_without_a_database_nothing_is_completed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert completed(monkeypatch, tmp_path / "none", "user show a") == []
    assert not (tmp_path / "none").exists()
