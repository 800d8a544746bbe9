"""`latchkey doctor`: find the problems of an installation, and say how to fix them."""

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
from app.actions.mail.smtp import MailDelayed, SendMail, our_name
from app.cli.output import json_option, print_json
from app.cli.standard_streams import print_line
from app.crypto.certificate_header import FORMS
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.errors import BadSettings
from app.http.client_certificate import header_name
from app.maintenance.doctor import Finding, check_missing_files, run_checks
from app.operations.health import CERTIFICATE_PROBE, FORGED, PROBE
from app.settings.load import settings_as_given
from app.settings.settings import Settings

TIMEOUT = 3  # seconds for a response of the server
MAIL_TIMEOUT = 10.0  # seconds for the mail server
MAX_SKEW = 30  # seconds that two clocks may differ
MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check this installation and say how to fix what is wrong; exit 1 when something is."""
    findings = _collect_findings()
    well = all(finding.verdict != "problem" for finding in findings)
    if as_json:
        print_json({"well": well, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print_line(f"{MARKS[finding.verdict]}  {finding.check}: {finding.found}")
            if finding.mend:
                print_line(f"         → {finding.mend}")
    sys.exit(0 if well else 1)


def _collect_findings() -> list[Finding]:
    try:
        settings, missing = _read_settings()
    except BadSettings as error:
        return [Finding("settings", "problem", str(error), "change it in the environment or in latchkey.toml")]
    findings = [Finding("settings", "ok", f"valid; the instance is {settings.instance_dir}")]
    findings += missing or _check_database(settings)
    return findings + _check_redis(settings) + _check_mail(settings) + _check_server(settings)


def _read_settings() -> tuple[Settings, list[Finding]]:
    """Return the settings, and which files of the instance are missing; none of them is made."""
    settings = settings_as_given()
    missing = check_missing_files(settings)
    if missing or settings.secret_key.get_secret_value():
        return settings, missing
    return settings.with_kept_key(make=False), []


def _check_database(settings: Settings) -> list[Finding]:
    store = Store(create_engine(settings.database_url))
    try:
        return run_checks(settings, store, SigningKeys(settings.sealing_keys))
    finally:
        store.dispose()


def _check_redis(settings: Settings) -> list[Finding]:
    if not settings.redis_url:
        return []
    failure = write_failure(open_storage(settings.redis_url))
    if failure is None:
        return [Finding("Redis", "ok", "accepts writes")]
    mend = "check that it runs and accepts writes, and that REDIS_URL is right; until then limits are kept in memory"
    return [Finding("Redis", "problem", failure, mend)]


def _check_mail(settings: Settings) -> list[Finding]:
    """Connect to the mail server and authenticate, and send nothing."""
    server = settings.smtp_server
    if server is None:
        return [Finding("mail", "ok", "none is sent: SMTP_URL is not set")]
    try:
        SendMail(server, our_name(settings.issuer), patience=MAIL_TIMEOUT).check()
    except MailDelayed as error:
        mend = "check SMTP_URL, and that the mail server runs; notices wait in the outbox for three days"
        return [Finding("mail", "problem", str(error), mend)]
    return [
        Finding("mail", "ok", f"{server.host} accepts the connection; `latchkey mail test ADDRESS` sends a message")
    ]


def _check_server(settings: Settings) -> list[Finding]:
    """Request the server at the issuer, as clients do; a server that does not run is only a warning."""
    url = f"{settings.issuer}/readyz"
    try:
        with _open(Request(url)) as response:  # noqa: S310 - http or https
            clock = _check_clock(response.headers.get("Date"))
        proxy = _check_underscores(settings) + _check_certificates(settings) if settings.trusted_proxies else []
        return [Finding("server", "ok", f"responds at {settings.issuer}"), clock, *proxy]
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        mend = "start it with `latchkey serve`; if it runs, check that ISSUER leads to it"
        return [Finding("server", "warning", f"no usable response at {url}: {reason}", mend)]


def _open(request: Request) -> Any:
    return build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT)


def _check_underscores(settings: Settings) -> list[Finding]:
    """Check that the proxy drops headers with underscores: WSGI reads X_Forwarded_For as X-Forwarded-For (PEP 3333)."""
    if PROBE not in _probe_headers(settings, {PROBE.replace("-", "_"): "1"}):
        return []
    found = "forwards header names with an underscore: X_Forwarded_For is read as its X-Forwarded-For"
    return [Finding("proxy", "problem", found, "make it drop them, as the recipes in scripts/gateways do")]


def _check_certificates(settings: Settings) -> list[Finding]:
    """Check that the proxy removes a caller's own client certificate header, in both spellings."""
    name = header_name(settings)
    spellings = {name, name.replace("-", "_")} if name else set()
    arrived = [each for each in sorted(spellings) if CERTIFICATE_PROBE in _probe_headers(settings, {each: FORGED})]
    if not arrived:
        return []
    proxy = settings.client_certificate_proxy
    mend = FORMS[proxy].safe_when if proxy else f"make it set or remove {name} on every request"
    found = f"the proxy forwards a caller's own {' and '.join(arrived)}: anybody can name the certificate of any client"
    return [Finding("client certificates", "problem", found, mend)]


def _probe_headers(settings: Settings, headers: dict[str, str]) -> Container[str]:
    """Return the headers of the response to a probe; none when the proxy refuses the probe, which is fine too."""
    try:
        with _open(Request(f"{settings.issuer}/healthz", headers=headers)) as response:  # noqa: S310 - http or https
            names: Container[str] = response.headers
            return names
    except HTTPError:
        return ()


def _check_clock(date: str | None) -> Finding:
    try:
        skew = abs((datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds())
    except ValueError:
        return Finding("clock", "warning", "the server's response has no Date header")
    if skew > MAX_SKEW:
        return Finding("clock", "problem", f"differs from the server's by {skew:.0f} s", "synchronize both by NTP")
    return Finding("clock", "ok", f"within {max(1, round(skew))} s of the server's")
