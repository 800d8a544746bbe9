"""`latchkey secret-key`: what seals the signing keys and signs the browsers' cookies."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from app.actions.audit.actor import OPERATOR
from app.actions.sign_in.sessions import MAX_AGE
from app.cli.options import Duration
from app.cli.output import done, json_option
from app.cli.session import open_actions
from app.errors import BadSettings
from app.settings.kept_key import KeptKey
from app.settings.load import load_settings
from app.settings.settings import Settings

MONTH = int(MAX_AGE.total_seconds())  # when the last session that the old one signed has ended


@click.group("secret-key")
def secret_key() -> None:
    """SECRET_KEY: rotate, reseal."""


@secret_key.command()
@json_option
def reseal(as_json: bool) -> None:
    """Seal the signing keys under SECRET_KEY, so that none needs the keys before it any more."""
    settings = load_settings()
    _say(as_json, open_actions(settings).reseal(OPERATOR, settled=_forget(settings)))


@secret_key.command()
@click.option("--keep", type=Duration(), default=MONTH, help="How long the old one counts on (30d).")
@json_option
def rotate(keep: int, as_json: bool) -> None:
    """Make a new key in the instance folder and seal the signing keys under it; the old one counts for a while."""
    settings = load_settings()
    if not settings.keeps_its_key:
        raise BadSettings("SECRET_KEY is set, not kept in the instance folder: change it where it is set")

    def change() -> None:
        KeptKey(settings.instance_dir).replace(int(time.time()) + keep)  # kept in whole seconds

    sealed = open_actions(settings).reseal(OPERATOR, change, _forget(settings))
    _say(as_json, sealed, " Restart the server, for it to sign cookies anew.")


def _forget(settings: Settings) -> Callable[[], None] | None:
    """Give what drops the kept keys whose time is over."""
    return (lambda: KeptKey(settings.instance_dir).drop_expired(time.time())) if settings.keeps_its_key else None


def _say(as_json: bool, sealed: int, more: str = "") -> None:
    done(as_json, f"Signing keys sealed anew: {sealed}.{more}", sealed=sealed)
