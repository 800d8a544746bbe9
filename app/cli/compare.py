"""`latchkey compare`: the kinds of credential side by side, measured on this server."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
import httpx

from app import create_app
from app.cli.actions import open_actions
from app.cli.output import json_option, print_json
from app.cli.standard_streams import print_line, print_note
from app.cli.start_message import local_url
from app.comparison.latest import keep as save_report
from app.comparison.measure import refuse_impossible
from app.comparison.phrases import IN_PROCESS, OVER_HTTP
from app.comparison.probes import compare as probe
from app.comparison.probes import in_process
from app.comparison.report import Report
from app.comparison.stated import COLUMNS
from app.settings.load import load_existing_settings
from app.settings.settings import Settings
from app.web.compare.page import render_file

TIMEOUT = 15.0  # seconds for a response
KIND = click.Choice(list(COLUMNS))
HTML = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@json_option
@click.option("--html", type=HTML, help="Also write an HTML page to this file.")
@click.option("--kind", "kinds", multiple=True, type=KIND, help="Compare only this kind. Can be repeated.")
def compare(as_json: bool, html: Path | None, kinds: tuple[str, ...]) -> None:
    """Use each kind for real and show how they differ; exit 1 when a result contradicts the contract."""
    settings = load_existing_settings()
    report = _run_probes(settings, kinds)
    if not kinds:
        _save(settings, report)
    if html is not None:
        html.write_text(render_file(report), encoding="utf-8")
        print_note(f"Written to {html}")
    if as_json:
        print_json(report.as_json())
    else:
        print_line(report.as_text(_text_width()))
    for contradiction in report.contradictions:
        print_note(f"contradicts the contract: {contradiction}")
    sys.exit(1 if report.contradictions else 0)


def _text_width() -> int:
    """Return the width of the terminal within the limits of a readable line; 80 for a pipe."""
    if not (sys.stdout and sys.stdout.isatty()):
        return 80
    return min(max(shutil.get_terminal_size().columns, 50), 100)


def _save(settings: Settings, report: Report) -> None:
    try:
        save_report(settings, report)
    except OSError:
        print_note(f"not saved for the page /compare: {settings.instance_dir} cannot be written")


def _run_probes(settings: Settings, kinds: tuple[str, ...]) -> Report:
    from rich.console import Console

    refuse_impossible(settings)
    actions = open_actions(settings)
    client, via = connect(settings)
    with client, Console(stderr=True).status("Comparing …") as status:  # shown on a terminal only
        return probe(actions, client, via, lambda what: status.update(f"{what} …"), kinds)


def connect(settings: Settings) -> tuple[httpx.Client, str]:
    """Return a client of the running server, else of one in this process, and which of the two.

    The server is looked for where `serve` listens with these settings, then at the issuer, as `latchkey doctor` does.
    """
    here = local_url(settings)
    for url in dict.fromkeys((here, settings.issuer)):
        if _is_served(settings.issuer, url):
            return httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False), OVER_HTTP
    print_note(f"No server responds at {settings.issuer}: comparing in this process")
    return in_process(create_app(settings.model_copy(update={"log_level": "error"})), here), IN_PROCESS


def _is_served(issuer: str, url: str) -> bool:
    """Return whether the server at this URL is the issuer."""
    try:
        metadata = httpx.get(f"{url}/.well-known/oauth-authorization-server", timeout=2, trust_env=False)
        return bool(metadata.json()["issuer"] == issuer)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return False
