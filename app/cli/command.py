"""The group of commands, each loaded when it is called, and the one place where an error becomes a line on stderr."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

import click
from click.shell_completion import CompletionItem

from app.cli.parsing import Group
from app.cli.standard_streams import discard_unwritten, prepare_streams, print_note
from app.errors import BadSettings, LatchkeyError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError

COMMANDS = {  # the object of each, and its line in --help
    "serve": ("app.cli.serve:serve", "Set up what is missing and serve until Ctrl-C."),
    "init": ("app.cli.init:init", "Set up the database, the signing keys and the first credentials."),
    "demo": ("app.cli.demo:demo", "Set up an example organisation and print its secrets."),
    "compare": ("app.cli.compare:compare", "Compare the kinds of credential, measured on this server."),
    "user": (
        "app.cli.users:user",
        "Users: create, list, show, update, invite, reset-password, set-password, reset-factors, delete, identity.",
    ),
    "role": ("app.cli.roles:role", "Roles: create, list, show, update, delete."),
    "resource": (
        "app.cli.resources:resource",
        "API resources: create, list, show, update, delete; permission add, update, delete.",
    ),
    "client": (
        "app.cli.clients:client",
        "Clients: create, list, show, update, delete; secret create, list, revoke; federated add, list, remove.",
    ),
    "grant": ("app.cli.grants:grant", "Grants of apps, by which they act for users: list, show, revoke."),
    "pat": ("app.cli.pats:pat", "Personal access tokens: create, list, show, update, regenerate, revoke."),
    "api-key": ("app.cli.api_keys:api_key", "API keys: create, list, show, update, rotate, revoke."),
    "usage": ("app.cli.usage:usage", "Count the uses and refusals of a token, key, client or grant."),
    "signing-key": ("app.cli.signing_keys:signing_key", "Signing keys: list, rotate, revoke."),
    "secret-key": ("app.cli.secret_keys:secret_key", "SECRET_KEY: rotate, reseal."),
    "audit": ("app.cli.audit:audit", "Audit events: list, verify, export, redact, prune."),
    "webhook": (
        "app.cli.webhooks:webhook",
        "Webhooks: create, list, show, update, rotate-secret, test, deliveries, delete.",
    ),
    "identity-provider": (
        "app.cli.identity_providers:identity_provider",
        "Identity providers: create, list, show, update, delete.",
    ),
    "mail": ("app.cli.mail:mail", "Mail: send a test message."),
    "scan": ("app.cli.scan:scan", "Find leaked credentials in files and in git's history."),
    "explain": ("app.cli.explain:explain", "Explain why a credential is refused, and what would mend it."),
    "backup": ("app.cli.backup:backup", "Write the database and the SECRET_KEY into one file, while the server runs."),
    "restore": ("app.cli.backup:restore", "Restore a backup into a new instance."),
    "doctor": ("app.cli.doctor:doctor", "Check this installation and say how to fix what is wrong."),
}


class LazyGroup(Group):
    """Load a command only when it is called, so that none waits for the imports of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; return None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete from the table; click would load all commands."""
        return [CompletionItem(name, help=help) for name, (_, help) in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table; click would load them all."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Turn every error into one line on stderr: exit 2 for a setting or a file, 1 for the rest."""
        try:
            return super().invoke(ctx)
        except (LatchkeyError, UnicodeEncodeError, OSError) as error:
            if getattr(error, "errno", None) == errno.EPIPE:  # stdout has no reader: click exits silently
                raise
            _exit_with(error)
        except Exception as error:
            if not _is_of_database(error):
                raise
            _exit_with(error)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Flush stdout, so that a full disk is reported here and not by a traceback, or never."""
        prepare_streams()
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout:
                    sys.stdout.flush()
        except OSError as error:
            _exit_with(error)


def _exit_with(error: Exception) -> NoReturn:
    """Print the error on stderr and exit."""
    print_note(f"latchkey: {' '.join(_describe(error).split())}")
    if isinstance(error, OSError):
        discard_unwritten(sys.stdout)
    sys.exit(2 if isinstance(error, BadSettings | OSError) else 1)  # 1 is also a result of scan and audit verify


def _describe(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "an argument is not in the terminal's encoding"
    if _is_of_database(error):
        return f"the database cannot be used: {error.orig}"
    return str(error)


def _is_of_database(error: Exception) -> TypeGuard[DBAPIError]:
    from sqlalchemy.exc import DBAPIError  # a fifth of a second, for which --help and a completion need not wait

    return isinstance(error, DBAPIError)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("latchkey"), prog_name="latchkey")
def latchkey() -> None:
    """Personal access tokens, API keys and machine-to-machine tokens from one server.

    Settings are read from LATCHKEY_… in the environment and from instance/latchkey.toml.
    """
    os.umask(0o077)  # only the owner may read the database and the secrets beside it
