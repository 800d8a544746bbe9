"""`latchkey mail`: find out whether this server can send mail."""

from __future__ import annotations

import click

from app.actions.mail.compose import Reader
from app.actions.mail.smtp import MailDelayed, MailRefused
from app.cli.actions import open_actions
from app.cli.output import json_option, print_done
from app.cli.parsing import Group
from app.errors import BadSettings, LatchkeyError
from app.settings.languages import LANGUAGES


@click.group(cls=Group)
def mail() -> None:
    """Mail: send a test message."""


@mail.command()
@click.argument("address")
@click.option("--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], help="The language of the message.")
@json_option
def test(address: str, language: str, as_json: bool) -> None:
    """Send a test message to an address, at once."""
    actions = open_actions()
    delivery = actions.mail_delivery
    if delivery is None:
        raise BadSettings("no mail server is set: set SMTP_URL")
    try:
        delivery.send_test(Reader(address, address, language=language))
    except (MailDelayed, MailRefused) as error:
        raise LatchkeyError(f"the message was not sent: {error}") from None
    print_done(as_json, f"The test message for {address} was accepted by the mail server.")
