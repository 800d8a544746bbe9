"""`latchkey compare`: hold the kinds side by side, measured on this server."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import httpx

from app.cli.greeting import local_url
from app.cli.output import json_option, say, show
from app.cli.session import open_actions
from app.comparison.page import as_html
from app.comparison.probes import compare as probe
from app.comparison.stated import COLUMNS
from app.settings import Settings, load_settings

PATIENCE = 15.0  # seconds for an answer


@click.command()
@json_option
@click.option(
    "--html", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write a page to this file."
)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(COLUMNS)), help="Only this. Can be repeated.")
def compare(as_json: bool, html: Path | None, kinds: tuple[str, ...]) -> None:
    """Use each kind for real and show how they differ; ends with 1 when one contradicts the contract."""
    settings = load_settings()
    actions = open_actions(settings)
    with reached(settings) as client:
        report = probe(actions, client, lambda what: say(f"… {what}"))
    if html is not None:
        html.write_text(as_html(report, dict(COLUMNS)), encoding="utf-8")
        say(f"Written to {html}")
    if as_json:
        show(report.as_json())
    else:
        click.echo(report.as_text(kinds))
    for contradiction in report.contradictions:
        say(f"contradicts the contract: {contradiction}")
    sys.exit(1 if report.contradictions else 0)


def reached(settings: Settings) -> httpx.Client:
    """Reach the running server, else one in this process; says which."""
    url = local_url(settings)
    try:
        metadata = httpx.get(f"{url}/.well-known/oauth-authorization-server", timeout=2, trust_env=False)
        if metadata.json()["issuer"] == settings.issuer:
            say(f"Comparing on the server at {url}")
            return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
    except (httpx.HTTPError, ValueError, KeyError):
        pass
    from app import create_app

    say("No server runs here: comparing in this process")
    quiet = settings.model_copy(update={"log_level": "error"})
    return httpx.Client(base_url=url, transport=httpx.WSGITransport(app=create_app(quiet)))
