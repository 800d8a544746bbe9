"""`latchkey scan`: find our secrets in files and git repositories."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import click

from app.cli.options import ANY_TEXT
from app.cli.output import escape_unprintable, json_option, print_json
from app.cli.standard_streams import print_line, print_note
from app.crypto.opaque import SHAPE, hint
from app.errors import LatchkeyError
from app.maintenance.scan import Found, Scan
from app.settings.text_input import MAX_BYTES

FOUND, UNREADABLE = 1, 2  # exit codes
STDIN = "-"
TIMEOUT = 30.0  # seconds for a response of the server
BATCH = 1000  # secrets in a report
Inspect = Callable[[str], tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Match:
    """What is printed of a secret that was found; never the secret itself."""

    path: str
    line: int
    commit: str | None
    credential_type: str
    hint: str
    status: str | None = None
    reason: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the secret was looked up and works."""
        return self.status == "active"


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--history/--no-history", default=True, help="Read the whole history of git repositories (on).")
@click.option("--check", is_flag=True, help="Look up the status of each in the configured database.")
@click.option("--server", metavar="URL", help="Look up the status of each on this server.")
@click.option("--token-file", type=ANY_TEXT, help="File with a token of the scope tokens:read, for --server.")
@click.option("--live", is_flag=True, help="With --check or --server: report only active ones.")
@click.option("--revoke", is_flag=True, help="With --check or --server: revoke the active ones as leaked.")
@json_option
def scan(paths: Sequence[str], history: bool, live: bool, revoke: bool, as_json: bool, **source: Any) -> None:
    """Find personal access tokens, API keys and client secrets by their format and check characters.

    PATH is a file, a folder, or - for stdin. In a git repository, every object is read too, reachable or not.
    Works offline. Does not open other compressed files and does not look for JWTs, which expire by themselves.
    Exits with 1 when something is found, with 2 when something could not be read.
    """
    registry = _choose_registry(**source)
    if registry is None and (live or revoke):
        raise click.UsageError("--live and --revoke need --check or --server")
    unreadable: list[str] = []
    found = list(_search(paths, history, unreadable))
    inspect: Inspect = cache(registry.inspect) if registry else _skip_inspection
    matches = [_describe(item, inspect) for item in found]
    if registry and revoke:
        registry.revoke([item.seen.secret for item, match in zip(found, matches, strict=True) if match.is_active])
    reported = [match for match in matches if match.is_active or not live]
    _print_matches(reported, as_json)
    print_note(_summarize(reported, unreadable))
    sys.exit(FOUND if reported else UNREADABLE if unreadable else 0)


@dataclass(frozen=True, slots=True)
class _Registry:
    """Where credentials are looked up (status and reason) and reported as leaked."""

    inspect: Inspect
    revoke: Callable[[Sequence[str]], None]


def _choose_registry(check: bool, server: str | None, token_file: Any) -> _Registry | None:
    if check and server:
        raise click.UsageError("--check and --server exclude each other")
    if server and token_file is None:
        raise click.UsageError("--server needs --token-file, with a token of the scope tokens:read")
    if server:
        return _open_server(server.rstrip("/"), _check_token(token_file.read(MAX_BYTES).strip()))
    return _open_database() if check else None


def _check_token(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or not text or " " in text:
        raise click.UsageError("--token-file holds no token: it must be one line of ASCII without spaces")
    return text


def _open_database() -> _Registry:
    from app.actions.audit.actor import OPERATOR
    from app.cli.actions import open_actions

    actions = open_actions()

    def inspect(secret: str) -> tuple[str, str | None]:
        result = actions.inspect(secret)
        return result.status, result.reason

    def revoke(secrets: Sequence[str]) -> None:
        actions.report_leak(OPERATOR, secrets)

    return _Registry(inspect, revoke)


def _open_server(url: str, token: str) -> _Registry:
    import httpx

    try:
        http = httpx.Client(base_url=f"{url}/api/v1", timeout=TIMEOUT)
    except (httpx.InvalidURL, ValueError):
        raise click.UsageError("--server is not a valid URL") from None

    def post(path: str, body: object, **headers: str) -> httpx.Response:
        try:
            return http.post(path, json=body, headers=headers).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"no usable response from the server: {type(error).__name__}") from None

    def inspect(secret: str) -> tuple[str, str | None]:
        response = post("/credentials/inspect", {"credential": secret}, Authorization=f"Bearer {token}")
        try:
            result = response.json()
            status, reason = result["status"], result["reason"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unreachable("no usable response from the server: it is not Latchkey") from None
        return escape_unprintable(str(status)), None if reason is None else escape_unprintable(str(reason))

    def revoke(secrets: Sequence[str]) -> None:
        for start in range(0, len(secrets), BATCH):
            post("/credentials/revoke", {"credentials": secrets[start : start + BATCH]})

    return _Registry(inspect, revoke)


class Unreachable(LatchkeyError):
    """The server did not respond, or not as Latchkey does."""


def _search(paths: Sequence[str], history: bool, unreadable: list[str]) -> Iterator[Found]:
    def skip(path: str, reason: str) -> None:
        unreadable.append(path)
        print_note(f"latchkey: {_display_path(path)}: {reason}")

    search = Scan(skip, history=history)
    for path in paths:
        if path == STDIN and sys.stdin is None:
            skip("(stdin)", "it is closed")
        elif path == STDIN:
            yield from search.stream(sys.stdin.buffer, "(stdin)")
        else:
            yield from search(path)


def _skip_inspection(secret: str) -> tuple[None, None]:
    return None, None


def _describe(found: Found, inspect: Inspect) -> Match:
    seen = found.seen
    return Match(found.path, seen.line, found.commit, seen.kind, seen.hint, *inspect(seen.secret))


def _print_matches(matches: Sequence[Match], as_json: bool) -> None:
    if as_json:
        print_json([asdict(match) | {"path": _display_path(match.path)} for match in matches])
        return
    for match in matches:
        place = f"{match.commit[:12]}:{match.path}" if match.commit else match.path
        status = f" {match.status}" if match.status else ""
        reason = f" ({match.reason})" if match.reason else ""
        print_line(f"{_display_path(place)}:{match.line}: {match.credential_type} {match.hint}{status}{reason}")


def _display_path(path: str) -> str:
    """Escape control characters in a path and shorten secrets in it."""
    return escape_unprintable(SHAPE.sub(lambda secret: hint(secret[0]), path))


def _summarize(matches: Sequence[Match], unreadable: Sequence[str]) -> str:
    result = f"found {len(matches)}" if matches else "found nothing"
    return result + (f", {len(unreadable)} could not be read" if unreadable else "")
