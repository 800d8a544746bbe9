"""`latchkey compare`: hold the kinds side by side, measured on this server."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import httpx

from app import create_app
from app.cli.greeting import local_url
from app.cli.output import json_option, say, show
from app.cli.session import open_actions
from app.cli.streams import tell
from app.comparison.latest import keep
from app.comparison.probes import compare as probe
from app.comparison.probes import in_process
from app.comparison.report import Report
from app.comparison.stated import COLUMNS
from app.settings.load import load_settings
from app.settings.settings import Settings
from app.web.compare.page import render_file

PATIENCE = 15.0  # seconds for an answer
HTML = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@json_option
@click.option("--html", type=HTML, help="Write a page to this file too.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(COLUMNS)), help="Only this. Can be repeated.")
def compare(as_json: bool, html: Path | None, kinds: tuple[str, ...]) -> None:
    """Use each kind for real and show how they differ; ends with 1 when one contradicts the contract."""
    settings = load_settings()
    report = _probed(settings, kinds)
    if not kinds:
        _keep(settings, report)
    if html is not None:
        html.write_text(render_file(report), encoding="utf-8")
        say(f"Written to {html}")
    if as_json:
        show(report.as_json())
    else:
        tell(report.as_text())
    for contradiction in report.contradictions:
        say(f"contradicts the contract: {contradiction}")
    sys.exit(1 if report.contradictions else 0)


def _keep(settings: Settings, report: Report) -> None:
    try:
        keep(settings, report)
    except OSError:
        say(f"not kept for the page /compare: {settings.instance_dir} cannot be written")


def _probed(settings: Settings, kinds: tuple[str, ...]) -> Report:
    from rich.console import Console

    actions = open_actions(settings)
    client, via = reached(settings)
    with client, Console(stderr=True).status("Comparing …") as shown:  # a pipe shows nothing
        return probe(actions, client, via, lambda what: shown.update(f"{what} …"), kinds)


def reached(settings: Settings) -> tuple[httpx.Client, str]:
    """Reach the running server, else one in this process; tells how."""
    url = local_url(settings)
    try:
        metadata = httpx.get(f"{url}/.well-known/oauth-authorization-server", timeout=2, trust_env=False)
        if metadata.json()["issuer"] == settings.issuer:
            return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False), "over HTTP"
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        say("No server runs here: comparing in this process")
    return in_process(create_app(settings.model_copy(update={"log_level": "error"})), url), "in one process"
