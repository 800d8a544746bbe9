"""`latchkey audit`: the audit log."""

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
from app.cli.actions import PAGE, open_actions
from app.cli.options import ANY_TEXT, Instant
from app.cli.output import json_option, print_json, print_records
from app.cli.parsing import Group
from app.cli.standard_streams import print_line, print_note
from app.models import AuditEvent

WRITE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
COLUMNS = ("at", "actor", "actor_name", "action", "target", "address", "details")


@click.group(cls=Group)
def audit() -> None:
    """Audit events: list, verify, export, redact, prune."""


@audit.command("list")
@click.option("--actor", help="Id of the user or client that acted.")
@click.option("--action", help="Such as api_key.create.")
@click.option("--target", help="Id of the object that was acted on.")
@click.option("--since", type=Instant(), help="At or after this time.")
@click.option("--until", type=Instant(), help="Before this time.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
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
    filter_ = AuditFilter(actor=actor, action=action, target=target, since=since, until=until)
    print_records(as_json, [_fields(event) for event in _latest_events(filter_, limit)], COLUMNS)


class ChainPlace(click.ParamType[Place]):
    """The id and the hash of an event, as `audit verify` prints them."""

    name = "ID:HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Parse the place."""
        shape = re.fullmatch(r"([0-9]{1,19}):([0-9a-f]{64})", str(value))
        if shape is None:
            self.fail(f"{value!r} is not a place in the chain: use ID:HASH, as `audit verify` prints it", param, ctx)
        return Place(int(shape[1]), shape[2])


class RedactionKey(click.ParamType[str]):
    """The public key that signs notes of redaction, as `audit redact` and `audit verify` print it."""

    name = "KEY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check its form."""
        if re.fullmatch(r"[0-9a-f]{64}", str(value)) is None:
            self.fail(f"{value!r} is not a valid key: use the 64 hexadecimal digits of `audit redact`", param, ctx)
        return str(value)


@audit.command()
@click.option(
    "--expect", "expected", type=ChainPlace(), multiple=True, help="An event that must exist. Can be repeated."
)
@click.option("--file", "exported", type=ANY_TEXT, help="Verify this export, without the database; - is stdin.")
@click.option("--redaction-key", "keys", type=RedactionKey(), multiple=True, help="A further key to accept.")
@json_option
def verify(expected: tuple[Place, ...], exported: TextIO | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Verify the chain of events; exit 1 when one was changed, removed or inserted."""
    verdict = _verify(exported, expected, frozenset(keys))
    if as_json:
        print_json({"intact": verdict.intact, **asdict(verdict)})
    else:
        _print_verdict(verdict)
    sys.exit(0 if verdict.intact else 1)


@audit.command("export")
@click.option("--after", type=click.IntRange(0, 2**63 - 1), help="Only events after the one with this id.")
@click.option("--since", type=Instant(), help="Start at the first event at or after this time.")
@click.option("--until", type=Instant(), help="Stop at the last event before this time.")
@click.option("--file", "written", type=WRITE, default="-", help="Write to this file instead of stdout.")
@click.option("--json", is_flag=True, expose_value=False, help="Accepted for uniformity: the output is always JSON.")
def export_(after: int | None, since: datetime | None, until: datetime | None, written: Path) -> None:
    """Write the events as JSON lines, oldest first; verify them anywhere with `audit verify --file`."""
    with _open_output(written) as file:
        for line in export(open_actions().store, Span(after, since, until)):
            file.write(f"{line}\n")


@audit.command()
@json_option
def redact(as_json: bool) -> None:
    """Remove secrets and JWTs from the events that hold them; a signed note lists these events."""
    redaction = open_actions().redact_audit(OPERATOR)
    if as_json:
        print_json(asdict(redaction))
        return
    ids = ", ".join(map(str, redaction.events))
    click.echo(f"{len(redaction.events)} events redacted" + (f": {ids}" if ids else ""))
    for hint in redaction.hints:
        print_note(f"revoke it if it is still active, anyone who read the events may have it: {hint}")
    for event in redaction.tampered:
        print_note(f"event {event} was redacted, but its hash did not match before: run `latchkey audit verify`")
    if redaction.key:
        print_note(f"signed with {redaction.key}: keep it for `latchkey audit verify --redaction-key`")


@audit.command()
@click.option("--before", type=Instant(), required=True, help="Delete the events before this time.")
@click.option("--yes", is_flag=True, help="Delete them; without it, only count them.")
@json_option
def prune(before: datetime, yes: bool, as_json: bool) -> None:
    """Delete old events; a signed checkpoint lets `audit verify` prove what is left."""
    actions = open_actions()
    if before > actions.clock():
        raise click.UsageError("--before is in the future: use a time in the past")
    events = actions.prune_audit(OPERATOR, before) if yes else actions.prune_audit.count(before)
    if as_json:
        print_json({"events": events, "deleted": yes})
    else:
        click.echo(f"{events} events deleted" if yes else f"{events} events would be deleted: use --yes to delete them")


def _verify(exported: TextIO | None, expected: tuple[Place, ...], keys: frozenset[str]) -> Verdict:
    if exported:
        return verify_export(exported, *expected, trusted=keys)
    actions = open_actions()
    return VerifyAudit(actions.store, keys | actions.note_keys.trusted())(*expected)


@contextlib.contextmanager
def _open_output(path: Path) -> Iterator[IO[str]]:
    """Open stdout, or a temporary file that replaces `path` only when it was written completely."""
    if str(path) == "-" and sys.stdout is None:
        raise click.UsageError("stdout is closed: name a --file")
    if str(path) == "-":
        with click.open_file("-", "w", encoding="utf-8") as file:
            yield file
        return
    target = path.resolve()
    if target.exists() and not target.is_file():  # do not replace a device by a file
        raise click.UsageError(f"--file {path} is not a regular file")
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


def _print_verdict(verdict: Verdict) -> None:
    for found in verdict.breaks:
        where = "the head" if found.event is None else f"event {found.event}"
        print_line(f"{where}: {found.what}: {found.said}")
    for note in verdict.redactions:
        ids = ", ".join(str(id) for id, _, _ in note.changed)
        redacted = f"redacted {len(note.changed)} events ({ids})"
        print_line(f"event {note.event}: {note.actor} {redacted}, signed with {note.key}")
    if cut := verdict.checkpoint:
        print_line(
            f"event {cut.event}: {cut.actor} deleted the events up to {cut.through}:{cut.hash}, signed with {cut.key}"
        )
    whole = f"{verdict.events} events, " + (f"from {verdict.first} on, " if verdict.events else "")
    print_line(f"{whole}head {verdict.last}")


def _latest_events(filter_: AuditFilter, limit: int) -> list[AuditEvent]:
    audit = open_actions().audit
    events, cursor = audit.page(filter_, min(limit, PAGE), None)
    while cursor is not None and len(events) < limit:
        more, cursor = audit.page(filter_, min(limit - len(events), PAGE), cursor)
        events += more
    return events


def _fields(event: AuditEvent) -> dict[str, object]:
    return {column.key: getattr(event, column.key) for column in AuditEvent.__mapper__.column_attrs}
