"""The group of commands, loaded one by one as they are asked for, and the one place where a refusal becomes a line."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, NoReturn

import click
from sqlalchemy.exc import DBAPIError

from app.cli.streams import give_up, prepare_streams, say
from app.errors import BadSettings, LatchkeyError

COMMANDS = {  # where each one is, and what --help says of it without loading it
    "serve": ("app.cli.serve:serve", "Set up what is missing and serve until Ctrl-C."),
    "init": ("app.cli.init:init", "Set up the database, the signing keys and the first credentials."),
    "demo": ("app.cli.demo:demo", "Set up an example organisation and print its secrets."),
    "compare": ("app.cli.compare:compare", "Hold the kinds of credential side by side, measured on this server."),
    "user": ("app.cli.users:user", "Users: create, list, show, update, set-password, delete."),
    "role": ("app.cli.roles:role", "Roles: create, list, show, update, delete."),
    "resource": (
        "app.cli.resources:resource",
        "API resources: create, list, show, update, delete; permission add, update, delete.",
    ),
    "client": (
        "app.cli.clients:client",
        "Clients: create, list, show, update, delete; secret create, list, revoke; federated add, list, remove.",
    ),
    "pat": ("app.cli.pats:pat", "Personal access tokens: create, list, show, update, regenerate, revoke."),
    "api-key": ("app.cli.api_keys:api_key", "API keys: create, list, show, update, rotate, revoke."),
    "signing-key": ("app.cli.signing_keys:signing_key", "Signing keys: list, rotate, revoke."),
    "secret-key": ("app.cli.secret_keys:secret_key", "SECRET_KEY: rotate, reseal."),
    "audit": ("app.cli.audit:audit", "Audit events: list, verify, export, redact."),
    "scan": ("app.cli.scan:scan", "Find leaked credentials in files and in git's history."),
    "backup": ("app.cli.backup:backup", "Write database and secret key into one file, while the server runs."),
    "restore": ("app.cli.backup:restore", "Put a backup into a new instance."),
    "doctor": ("app.cli.doctor:doctor", "Say what is wrong with this set-up and how to mend it."),
}


class Lazy(click.Group):
    """Load a command only when it is asked for: none needs what the others stand on."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, where click would load them all."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn every refusal into one line on stderr: exit 2 for a setting or a file, 1 for the rest."""
        try:
            return super().invoke(ctx)
        except (LatchkeyError, UnicodeEncodeError, DBAPIError, OSError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:  # nobody reads on: click ends in silence
                raise
            _refuse(error)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Write out what is left, so that a full disk is told here and not by a traceback, or never."""
        prepare_streams()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout:
                    sys.stdout.flush()
        except OSError as error:
            _refuse(error)


def _refuse(error: Exception) -> NoReturn:
    """Say why on stderr, and end."""
    say(f"latchkey: {' '.join(_why(error).split())}")
    if isinstance(error, OSError):
        give_up(sys.stdout)
    sys.exit(2 if isinstance(error, BadSettings | OSError) else 1)  # to some 1 is an answer: found, broken


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "an argument is not in the terminal's encoding"
    if isinstance(error, DBAPIError):
        return f"the database cannot be used: {error.orig}"
    return str(error)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("latchkey"), prog_name="latchkey")
def latchkey() -> None:
    """Personal access tokens, API keys and machine-to-machine tokens from one server.

    Settings are read from LATCHKEY_… in the environment and from instance/latchkey.toml.
    """
    os.umask(0o077)  # the database and the secrets beside it are the owner's alone
