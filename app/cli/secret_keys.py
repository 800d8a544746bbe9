"""`latchkey secret-key`: the SECRET_KEY, which seals the signing keys and signs browsers' cookies."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from app.actions.audit.actor import OPERATOR
from app.actions.sign_in.sessions import MAX_AGE
from app.cli.actions import open_actions
from app.cli.options import Duration
from app.cli.output import json_option, print_done
from app.cli.parsing import Group
from app.errors import BadSettings
from app.settings.kept_key import KeptKey
from app.settings.load import load_existing_settings
from app.settings.settings import Settings

MONTH = int(MAX_AGE.total_seconds())  # seconds; until then a session may exist that the old key signed


@click.group("secret-key", cls=Group)
def secret_key() -> None:
    """SECRET_KEY: rotate, reseal."""


@secret_key.command()
@json_option
def reseal(as_json: bool) -> None:
    """Seal the signing keys under SECRET_KEY, so that older keys are no longer needed."""
    settings = load_existing_settings()
    _report(as_json, open_actions(settings).reseal(OPERATOR, settled=_forget_expired(settings)))


@secret_key.command()
@click.option(
    "--keep", type=Duration(), default=MONTH, help="How long the old key stays valid (30d); 0 ends it at once."
)
@json_option
def rotate(keep: int, as_json: bool) -> None:
    """Generate a new key in the instance folder and reseal the signing keys; the old key stays valid for a while."""
    settings = load_existing_settings()
    if not settings.keeps_its_key:
        raise BadSettings("SECRET_KEY is a setting, not a file in the instance folder: change it where it is set")

    def change() -> None:
        KeptKey(settings.instance_dir).replace(int(time.time()) + keep)  # stored in whole seconds

    sealed = open_actions(settings).reseal(OPERATOR, change, _forget_expired(settings))
    _report(as_json, sealed, " Restart the server, so that it signs cookies with the new key.")


def _forget_expired(settings: Settings) -> Callable[[], None] | None:
    """Return a function that deletes the kept keys that have expired."""
    return (lambda: KeptKey(settings.instance_dir).drop_expired(time.time())) if settings.keeps_its_key else None


def _report(as_json: bool, sealed: int, more: str = "") -> None:
    print_done(as_json, f"Signing keys resealed: {sealed}.{more}", sealed=sealed)
