"""`latchkey doctor`: what is wrong with a set-up, and how to mend it."""

from __future__ import annotations

import sys
from collections.abc import Container
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import click
from sqlalchemy import create_engine

from app.actions.limits.redis_probe import open_storage, write_failure
from app.cli.output import json_option, show
from app.cli.streams import tell
from app.crypto.certificate_header import FORMS
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.errors import BadSettings
from app.http.client_certificate import header_name
from app.maintenance.doctor import Finding, run_checks
from app.operations.health import CERTIFICATE_PROBE, FORGED, PROBE
from app.settings.load import load_settings
from app.settings.settings import Settings

PATIENCE = 3  # seconds for the server to answer
MOST_SKEW = 30  # seconds that two clocks may differ
MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Say what is wrong with this set-up and how to mend it; exit 1 when something is."""
    findings = _examine()
    well = all(finding.verdict != "problem" for finding in findings)
    if as_json:
        show({"well": well, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            tell(f"{MARKS[finding.verdict]}  {finding.check}: {finding.found}")
            if finding.mend:
                tell(f"         → {finding.mend}")
    sys.exit(0 if well else 1)


def _examine() -> list[Finding]:
    try:
        settings = load_settings()
    except BadSettings as error:
        return [Finding("settings", "problem", str(error), "change it in the environment or in latchkey.toml")]
    findings = [Finding("settings", "ok", f"read; the instance is {settings.instance_dir}")]
    store = Store(create_engine(settings.database_url))
    try:
        findings += run_checks(settings, store, SigningKeys(settings.sealing_keys))
    finally:
        store.dispose()
    return findings + _redis(settings) + _server(settings)


def _redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        return []
    failure = write_failure(open_storage(settings.redis_url))
    if failure is None:
        return [Finding("Redis", "ok", "counts")]
    mend = "see that it runs and takes writes, and that REDIS_URL is right; until then limits are kept in memory"
    return [Finding("Redis", "problem", failure, mend)]


def _server(settings: Settings) -> list[Finding]:
    """Ask the server, where clients would find it; that none runs is worth a word, not an alarm."""
    url = f"{settings.issuer}/readyz"
    try:
        with _asked(Request(url)) as answer:  # noqa: S310 - http or https
            found = [Finding("server", "ok", f"answers at {settings.issuer}"), _clock(answer.headers.get("Date"))]
        return found + (_underscores(settings) + _certificates(settings) if settings.trusted_proxies else [])
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        mend = "start it with `latchkey serve`; if it runs, see that ISSUER leads to it"
        return [Finding("server", "warning", f"no good answer at {url}: {reason}", mend)]


def _asked(request: Request) -> Any:
    return build_opener(ProxyHandler({})).open(request, timeout=PATIENCE)


def _underscores(settings: Settings) -> list[Finding]:
    """Ask through the proxy, if one is before the server: to WSGI, X_Forwarded_For is X-Forwarded-For (PEP 3333)."""
    if PROBE not in _answered(settings, {PROBE.replace("-", "_"): "1"}):
        return []
    said = "hands on header names with an underscore: X_Forwarded_For passes for its X-Forwarded-For"
    return [Finding("proxy", "problem", said, "let it drop them, as the recipes in scripts/gateways do")]


def _certificates(settings: Settings) -> list[Finding]:
    """Send the header of client certificates through the proxy, in both spellings: no caller's own may arrive."""
    name = header_name(settings)
    spellings = {name, name.replace("-", "_")} if name else set()
    arrived = [spelt for spelt in sorted(spellings) if CERTIFICATE_PROBE in _answered(settings, {spelt: FORGED})]
    if not arrived:
        return []
    proxy = settings.client_certificate_proxy
    mend = FORMS[proxy].safe_when if proxy else f"let it set or remove {name} on every request"
    said = f"hands on a caller's own {' and '.join(arrived)}: anybody can name the certificate of any client"
    return [Finding("client certificates", "problem", f"the proxy {said}", mend)]


def _answered(settings: Settings, headers: dict[str, str]) -> Container[str]:
    """Return the headers of the answer to a probe; none when the proxy refuses the probe, which is well too."""
    try:
        with _asked(Request(f"{settings.issuer}/healthz", headers=headers)) as answer:  # noqa: S310 - http or https
            found: Container[str] = answer.headers
            return found
    except HTTPError:
        return ()


def _clock(date: str | None) -> Finding:
    try:
        skew = abs((datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds())
    except ValueError:
        return Finding("clock", "warning", "the server's answer names no time")
    if skew > MOST_SKEW:
        return Finding("clock", "problem", f"differs from the server's by {skew:.0f} s", "set both by NTP")
    return Finding("clock", "ok", f"within {max(1, round(skew))} s of the server's")
