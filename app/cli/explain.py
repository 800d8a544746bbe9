"""`latchkey explain`: why is a credential refused?"""

from __future__ import annotations

import sys

import click

from app.access.scopes import MalformedScope, Scopes
from app.cli.completion import RESOURCES
from app.cli.output import json_option, print_json
from app.cli.standard_streams import print_line
from app.settings.text_input import decode_utf8, read_stream

ACCEPTED = "It is accepted."


@click.command()
@click.option("--resource", shell_complete=RESOURCES, default="", help="Identifier of the API at which it was refused.")
@click.option("--scope", default="", help="Scopes that were needed, separated by spaces.")
@json_option
def explain(resource: str, scope: str, as_json: bool) -> None:
    """Explain why a credential is refused, and what would mend it.

    Reads the credential from stdin, never from an argument, which others could read. It is not stored.
    """
    from app.actions.tokens.refusals import Presented
    from app.cli.actions import open_actions
    from app.crypto.pasted_token import strip_scheme

    token = strip_scheme(_read_stdin())
    if not token:
        raise click.UsageError("stdin is empty: pipe the credential into this command")
    found = open_actions().explain_refusal(Presented(token, resource, _parse_scopes(scope)))
    reason, text = (found.reason.value, found.text) if found else (None, ACCEPTED)
    if as_json:
        credential_id = found.credential.id if found and found.credential else None
        print_json({"accepted": found is None, "reason": reason, "text": text, "credential_id": credential_id})
    else:
        print_line(f"{reason}: {text}" if reason else text)


def _read_stdin() -> str:
    if sys.stdin is None:
        return ""
    try:
        return decode_utf8(read_stream(sys.stdin.buffer))
    except ValueError as error:
        raise click.UsageError(f"stdin {error}") from None


def _parse_scopes(text: str) -> Scopes:
    try:
        return Scopes.parse(text)
    except MalformedScope:
        raise click.UsageError("--scope is malformed: separate scopes by single spaces") from None
