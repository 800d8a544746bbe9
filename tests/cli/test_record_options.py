"""A command's options are made from a record: names, types, defaults, required fields, and flags that clear one."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from app.actions.directory.changes import UNSET, Unset
from app.cli.options import Duration
from app.cli.record_options import Option, options_of
from app.credentials.kind import RateLimit


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A record inside another one."""

    expires_in: int | None = None
    never: bool = False


@dataclass(frozen=True, slots=True)
class NewThing:
    """A record of a new object."""

    name: str
    lifetime: Lifetime
    type: Literal["large", "small"] = "small"
    ttl: int = 60
    scopes: tuple[str, ...] | None = None
    rate_limit: RateLimit | None = None
    enabled: bool = True
    hidden: str = "hidden"


@dataclass(frozen=True, slots=True)
class ThingChanges:
    """A record of changes."""

    email: str | Unset | None = UNSET
    note: str | Unset = UNSET
    expires_at: datetime | Unset | None = UNSET
    roles: tuple[str, ...] | Unset = UNSET
    public: bool | Unset = UNSET


def read(record: type, *arguments: str, **described: Option | str | None) -> Any:
    """Run a command with these options; return the record that it receives."""
    received = []

    @click.command()
    @options_of(record, **described)
    @click.option("--json", "as_json", is_flag=True)
    def command(thing: object, as_json: bool) -> None:
        received.append(thing)

    done = CliRunner().invoke(command, arguments)
    return received[0] if received else done.output


def test_fields_that_are_not_given_keep_their_defaults() -> None:
    assert read(NewThing, "--name", "a") == NewThing("a", Lifetime())
    assert read(ThingChanges) == ThingChanges()


def test_each_field_is_read_by_its_type() -> None:
    given = ["--name", "a", "--type", "large", "--ttl", "1m", "--scope", "b c", "--scope", "d", "--rate-limit", "9/1m"]
    described = {"ttl": Option(type=Duration()), "enabled": Option(flags="--disabled"), "hidden": None}
    expected = NewThing("a", Lifetime(5, True), "large", 60, ("b", "c", "d"), RateLimit(9, 60), enabled=False)
    assert read(NewThing, *given, "--disabled", "--expires-in", "5", "--never", **described) == expected


def test_a_change_holds_only_what_is_given() -> None:
    public, moment = Option(flags="--public/--not-public"), datetime(2030, 1, 31, tzinfo=UTC)
    assert read(ThingChanges, "--not-public", "--role", "a", public=public) == ThingChanges(public=False, roles=("a",))
    given = ["--expires-at", "2030-01-31", "--public"]
    assert read(ThingChanges, *given, public=public) == ThingChanges(expires_at=moment, public=True)


def test_a_flag_clears_a_field_and_so_does_an_empty_text_where_null_is_allowed() -> None:
    described = {"expires_at": Option(clear="--never"), "roles": Option(clear="--no-roles")}
    assert read(ThingChanges, "--never", "--no-roles", **described) == ThingChanges(expires_at=None, roles=())
    assert read(ThingChanges, "--email", "", "--note", "") == ThingChanges(email=None, note="")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--name'"),
        (["--name", "a", "--type", "huge"], "'huge' is not one of 'large', 'small'"),
        (["--name", "a", "--rate-limit", "9"], "'9' is not a valid rate: use 100/60 or 100/1m"),
        (["--name", "a", "--hidden", "b"], "No such option"),
    ],
)
def test_what_the_record_does_not_allow_is_a_usage_error(arguments: list[str], message: str) -> None:
    assert message in read(NewThing, *arguments, hidden=None)


def test_the_help_shows_a_default_and_the_description() -> None:
    text = read(NewThing, "--help", name="What it is called.", ttl="Seconds.")
    assert "What it is called.  [required]" in text and "Seconds.  [default: 60]" in text


def test_a_description_of_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(TypeError, match="NewThing has no size"):
        options_of(NewThing, size="How large.")
