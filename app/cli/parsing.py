"""Commands and groups that name everything that is missing at once, and suggest the command that was meant."""

from __future__ import annotations

from collections.abc import Iterator

import click


class Command(click.Command):
    """A command that names all missing options and arguments, where click names the first."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; raise UsageError for what is missing."""
        given = list(args)  # click empties it
        try:
            return super().parse_args(ctx, args)
        except click.MissingParameter:
            missing = list(self._find_missing(ctx, given))
            if len(missing) < 2:
                raise
            raise click.UsageError(f"Missing {_join(missing)}.", ctx) from None

    def _find_missing(self, ctx: click.Context, args: list[str]) -> Iterator[str]:
        values, _, _ = self.make_parser(ctx).parse_args(args)
        for param in self.get_params(ctx):
            if param.required and param.value_is_missing(param.consume_value(ctx, values)[0]):
                yield _describe(param, ctx)


class Group(click.Group):
    """A group of such commands and groups."""

    command_class = Command
    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest similar ones for an unknown name, where click knows only loaded commands."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from None


def _describe(param: click.Parameter, ctx: click.Context) -> str:
    choices = f" ({', '.join(map(str, param.type.choices))})" if isinstance(param.type, click.Choice) else ""
    return f"{param.param_type_name} {param.get_error_hint(ctx)}{choices}"


def _join(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
