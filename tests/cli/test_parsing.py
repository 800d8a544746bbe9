"""What is missing is named all at once, a mistyped command gets a suggestion, and a duration needs its unit."""

import click
import pytest
from click.testing import CliRunner

from app.cli import main
from app.cli.options import Duration


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 2
    return done.stderr


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("pat create", ["'--user'", "'--name'", "'--scope'"]),
        ("role create", ["'--name'", "'--type' (user, machine)"]),
        ("resource permission add", ["'RESOURCE'", "'NAME'"]),
        ("client secret create --name x", ["'CLIENT'"]),
    ],
)
def test_all_that_is_missing_is_named_at_once(command: str, named: list[str]) -> None:
    said = refused(*command.split())
    assert "Missing " in said and all(name in said for name in named)


@pytest.mark.parametrize(
    ("command", "meant"), [("rolee", "role"), ("user creat", "create"), ("client secrt", "secret")]
)
def test_a_mistyped_command_gets_a_suggestion(command: str, meant: str) -> None:
    assert f"Did you mean '{meant}'?" in refused(*command.split())


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("0", 0)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["5", "05", "5y", "d", "-1d", "1.5h", "٣d", ""])
def test_a_number_without_a_unit_is_not_a_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="use 30d, 12h, 90m or 45s"):
        Duration().convert(text, None, None)


def test_a_field_of_seconds_takes_seconds() -> None:
    assert Duration(seconds=True).convert("600", None, None) == Duration(seconds=True).convert("10m", None, None)


@pytest.mark.parametrize(
    "command",
    [
        "pat create --user a --name b --scope c --expires-in 5",
        "api-key rotate ID --overlap 5",
        "secret-key rotate --keep 5",
    ],
)
def test_each_option_of_a_duration_refuses_a_bare_number(command: str) -> None:
    assert "'5' is not a valid duration" in refused(*command.split())
