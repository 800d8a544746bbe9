"""`latchkey scan`: find secrets of ours where none should be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import click

from app.cli.options import ANY_TEXT
from app.cli.output import json_option, printable, say, show
from app.cli.streams import tell
from app.crypto.opaque import SHAPE, hint
from app.errors import LatchkeyError
from app.maintenance.scan import Found, Scan
from app.settings.text_input import MAX_BYTES

FOUND, UNREAD = 1, 2  # exit codes
STDIN = "-"
PATIENCE = 30.0  # seconds for an answer of a server
AT_ONCE = 1000  # secrets in a report
Judge = Callable[[str], tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Line:
    """What is told of a find; the secret itself is never printed."""

    path: str
    line: int
    commit: str | None
    credential_type: str
    hint: str
    status: str | None = None
    reason: str | None = None


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--history/--no-history", default=True, help="Read the whole past of git repositories (on).")
@click.option("--check", is_flag=True, help="Tell live from dead, asking the database that these settings name.")
@click.option("--server", metavar="URL", help="Tell live from dead, asking this server.")
@click.option("--token-file", type=ANY_TEXT, help="Holds a token with the scope tokens:read, for --server.")
@click.option("--live", is_flag=True, help="With --check or --server: only what is live counts.")
@click.option("--revoke", is_flag=True, help="With --check or --server: revoke what is live, as leaked.")
@json_option
def scan(paths: Sequence[str], history: bool, live: bool, revoke: bool, as_json: bool, **asked: Any) -> None:
    """Find personal access tokens, API keys and client secrets by their format and check characters.

    PATH is a file, a folder, or - for stdin. Of a folder that is a git repository, everything that it ever held is
    read too, reachable or not. Works offline; what is compressed otherwise is not opened, and JWTs end by themselves.
    Exits with 1 when something is found, with 2 when something could not be read.
    """
    office = _office(**asked)
    if office is None and (live or revoke):
        raise click.UsageError("--live and --revoke need --check or --server")
    unread: list[str] = []
    found = list(_look(paths, history, unread))
    judge: Judge = cache(office.judge) if office else _unjudged
    lines = [_line(one, judge) for one in found]
    if office and revoke:
        office.revoke([one.seen.secret for one, line in zip(found, lines, strict=True) if line.status == "active"])
    counted = [line for line in lines if not live or line.status == "active"]
    _tell(counted, as_json)
    say(_sum(counted, unread))
    sys.exit(FOUND if counted else UNREAD if unread else 0)


@dataclass(frozen=True, slots=True)
class _Office:
    """Who knows the credentials: how to judge one, how to report those that leaked."""

    judge: Judge
    revoke: Callable[[Sequence[str]], None]


def _office(check: bool, server: str | None, token_file: Any) -> _Office | None:
    if check and server:
        raise click.UsageError("either --check or --server")
    if server and token_file is None:
        raise click.UsageError("--server needs --token-file, with a token of the scope tokens:read")
    if server:
        return _server(server.rstrip("/"), _token(token_file.read(MAX_BYTES).strip()))
    return _database() if check else None


def _token(held: str) -> str:
    if not (held.isascii() and held.isprintable()) or not held or " " in held:
        raise click.UsageError("--token-file holds no token")
    return held


def _database() -> _Office:
    from app.actions.audit.actor import OPERATOR
    from app.cli.session import open_actions

    actions = open_actions()

    def judge(secret: str) -> tuple[str, str | None]:
        known = actions.inspect(secret)
        return known.status, known.reason

    def revoke(secrets: Sequence[str]) -> None:
        actions.report_leak(OPERATOR, secrets)

    return _Office(judge, revoke)


def _server(url: str, token: str) -> _Office:
    import httpx

    try:
        http = httpx.Client(base_url=f"{url}/api/v1", timeout=PATIENCE)
    except (httpx.InvalidURL, ValueError):
        raise click.UsageError("--server is no URL") from None

    def post(path: str, body: object, **headers: str) -> httpx.Response:
        try:
            return http.post(path, json=body, headers=headers).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"no good answer from the server: {type(error).__name__}") from None

    def judge(secret: str) -> tuple[str, str | None]:
        answer = post("/credentials/inspect", {"credential": secret}, Authorization=f"Bearer {token}")
        try:
            known = answer.json()
            status, reason = known["status"], known["reason"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Unreachable("no good answer from the server: it is not Latchkey's") from None
        return printable(str(status)), None if reason is None else printable(str(reason))

    def revoke(secrets: Sequence[str]) -> None:
        for start in range(0, len(secrets), AT_ONCE):
            post("/credentials/revoke", {"credentials": secrets[start : start + AT_ONCE]})

    return _Office(judge, revoke)


class Unreachable(LatchkeyError):
    """A server that was to be asked did not answer as ours does."""


def _look(paths: Sequence[str], history: bool, unread: list[str]) -> Iterator[Found]:
    def closed(path: str, why: str) -> None:
        unread.append(path)
        say(f"latchkey: {_printable(path)}: {why}")

    looking = Scan(closed, history=history)
    for path in paths:
        if path == STDIN and sys.stdin is None:
            closed("(stdin)", "it is closed")
        elif path == STDIN:
            yield from looking.stream(sys.stdin.buffer, "(stdin)")
        else:
            yield from looking(path)


def _unjudged(secret: str) -> tuple[None, None]:
    return None, None


def _line(found: Found, judge: Judge) -> Line:
    seen = found.seen
    return Line(found.path, seen.line, found.commit, seen.kind, seen.hint, *judge(seen.secret))


def _tell(lines: Sequence[Line], as_json: bool) -> None:
    if as_json:
        show([_fields(line) for line in lines])
        return
    for line in lines:
        place = f"{line.commit[:12]}:{line.path}" if line.commit else line.path
        status = f" {line.status}" if line.status else ""
        why = f" ({line.reason})" if line.reason else ""
        tell(f"{_printable(place)}:{line.line}: {line.credential_type} {line.hint}{status}{why}")


def _fields(line: Line) -> dict[str, object]:
    return asdict(line) | {"path": _printable(line.path)}


def _printable(path: str) -> str:
    """Write a path so that it neither speaks to the terminal nor tells a secret."""
    return printable(SHAPE.sub(lambda secret: hint(secret[0]), path))


def _sum(lines: Sequence[Line], unread: Sequence[str]) -> str:
    places = f"found {len(lines)}" if lines else "found nothing"
    return places + (f", {len(unread)} could not be read" if unread else "")
