"""`latchkey audit`: who did what."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TextIO

import click

from app.actions.audit.actor import OPERATOR
from app.actions.audit.read import AuditFilter, Span, export
from app.actions.audit.verify import Place, Verdict, VerifyAudit, verify_export
from app.cli.options import ANY_TEXT, Instant
from app.cli.output import json_option, say, show, show_all
from app.cli.session import PAGE, open_actions
from app.cli.streams import tell
from app.models import AuditEvent

WRITE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
COLUMNS = ("at", "actor", "actor_name", "action", "target", "address", "details")


@click.group()
def audit() -> None:
    """Audit events: list, verify, export, redact."""


@audit.command("list")
@click.option("--actor", help="Id of who did it.")
@click.option("--action", help="As in api_key.create.")
@click.option("--target", help="Id of what it was done to.")
@click.option("--since", type=Instant(), help="Not before this time.")
@click.option("--until", type=Instant(), help="Before this time.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@json_option
def list_(
    actor: str | None,
    action: str | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the events, newest first."""
    wanted = AuditFilter(actor=actor, action=action, target=target, since=since, until=until)
    show_all(as_json, [_fields(event) for event in _newest(wanted, limit)], COLUMNS)


class Noted(click.ParamType[Place]):
    """An event's id and its hash, as `audit verify` prints them."""

    name = "ID:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Read it."""
        shape = re.fullmatch(r"([0-9]{1,19}):([0-9a-f]{64})", str(value))
        if shape is None:
            self.fail(f"{value!r} is no place in the chain: `latchkey audit verify` prints one", param, ctx)
        return Place(int(shape[1]), shape[2])


class NoteKey(click.ParamType[str]):
    """The public key of a server's notes, as `audit redact` and `audit verify` print it."""

    name = "KEY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it."""
        if re.fullmatch(r"[0-9a-f]{64}", str(value)) is None:
            self.fail(f"{value!r} is not a key: give 64 hexadecimal digits, as `audit redact` prints them", param, ctx)
        return str(value)


@audit.command()
@click.option(
    "--expect", "expected", type=Noted(), multiple=True, help="Noted before: must still be there. Repeatable."
)
@click.option("--file", "exported", type=ANY_TEXT, help="Verify this export instead, without the database; - is stdin.")
@click.option("--redaction-key", "keys", type=NoteKey(), multiple=True, help="Whose notes of a redaction count, too.")
@json_option
def verify(expected: tuple[Place, ...], exported: TextIO | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Follow the chain of the events; exit 1 when one was changed, removed or inserted."""
    verdict = _verified(exported, expected, frozenset(keys))
    if as_json:
        show({"intact": verdict.intact, **asdict(verdict)})
    else:
        _tell(verdict)
    sys.exit(0 if verdict.intact else 1)


@audit.command("export")
@click.option("--after", type=click.IntRange(0, 2**63 - 1), help="Only what follows the event of this id.")
@click.option("--since", type=Instant(), help="From the first event that is not before this time.")
@click.option("--until", type=Instant(), help="To the last event that is before this time.")
@click.option("--file", "written", type=WRITE, default="-", help="Write it here, not to stdout.")
@click.option("--json", is_flag=True, expose_value=False, help="As it always does.")
def export_(after: int | None, since: datetime | None, until: datetime | None, written: Path) -> None:
    """Write the events as JSON lines, oldest first; `audit verify --file` verifies them anywhere."""
    with _appearing(written) as file:
        for line in export(open_actions().store, Span(after, since, until)):
            file.write(f"{line}\n")


@audit.command()
@json_option
def redact(as_json: bool) -> None:
    """Take secrets and JWTs out of the events that hold them, and leave a signed note that says which."""
    done = open_actions().redact_audit(OPERATOR)
    if as_json:
        show(asdict(done))
        return
    click.echo(f"{len(done.events)} events redacted" + (f": {', '.join(map(str, done.events))}" if done.events else ""))
    for hint in done.hints:
        say(f"revoke it if it still lives, whoever read the events has it: {hint}")
    for event in done.tampered:
        say(f"event {event} was redacted, but its fields did not give its hash before: `latchkey audit verify`")
    if done.key:
        say(f"signed with {done.key}: note it for `latchkey audit verify --redaction-key`")


def _verified(exported: TextIO | None, expected: tuple[Place, ...], keys: frozenset[str]) -> Verdict:
    if exported:
        return verify_export(exported, *expected, trusted=keys)
    actions = open_actions()
    return VerifyAudit(actions.store, keys | actions.note_keys.trusted())(*expected)


@contextlib.contextmanager
def _appearing(path: Path) -> Iterator[IO[str]]:
    """Give what to write to: stdout, or a file that takes the place of another once it is whole, or never."""
    if str(path) == "-" and sys.stdout is None:
        raise click.UsageError("stdout is closed: name a --file")
    if str(path) == "-":
        with click.open_file("-", "w", encoding="utf-8") as file:
            yield file
        return
    target = path.resolve()
    if target.exists() and not target.is_file():  # a device must not become a file
        raise click.UsageError(f"--file {path} is no file")
    pending, name = tempfile.mkstemp(prefix=".latchkey-", dir=target.parent)
    try:
        with open(pending, "w", encoding="utf-8") as file:
            if target.exists():
                os.fchmod(pending, stat.S_IMODE(target.stat().st_mode))
            yield file
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def _tell(verdict: Verdict) -> None:
    for found in verdict.breaks:
        where = "the head" if found.event is None else f"event {found.event}"
        tell(f"{where}: {found.what}: {found.said}")
    for note in verdict.redactions:
        ids = ", ".join(str(id) for id, _, _ in note.changed)
        tell(f"event {note.event}: {note.actor} redacted {len(note.changed)} events ({ids}), signed with {note.key}")
    whole = f"{verdict.events} events, " + (f"from {verdict.first} on, " if verdict.events else "")
    tell(f"{whole}head {verdict.last}")


def _newest(wanted: AuditFilter, limit: int) -> list[AuditEvent]:
    audit = open_actions().audit
    events, cursor = audit.page(wanted, min(limit, PAGE), None)
    while cursor is not None and len(events) < limit:
        more, cursor = audit.page(wanted, min(limit - len(events), PAGE), cursor)
        events += more
    return events


def _fields(event: AuditEvent) -> dict[str, object]:
    return {column.key: getattr(event, column.key) for column in AuditEvent.__mapper__.column_attrs}
