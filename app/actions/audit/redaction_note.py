"""The redaction note: an audit event, signed by the server, that lists the events which a redaction changed.

A redacted event keeps its hash, and so its place in the chain, although its fields no longer give that hash. The note
contains the hash that they give now. A verifier accepts this difference for the listed events only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.crypto.note_keys import NoteKeys, is_signed

ACTION = "audit.redact"
VERSION = "latchkey-audit-redaction-1"
Changed = tuple[int, str, str]  # an event's id, the hash that it keeps, and the hash of its fields now


@dataclass(frozen=True, slots=True)
class Redaction:
    """A note with a valid signature: its event, the actor, the key, the earlier head of the chain, and the changes."""

    event: int
    actor: str
    key: str
    head: str
    changed: tuple[Changed, ...]


def write_note(keys: NoteKeys, head: str, changed: Sequence[Changed]) -> dict[str, object]:
    """Return the details of the note's event."""
    key, signature = keys.sign(_signed_bytes(head, changed))
    return {"count": len(changed), "events": changed, "head": head, "key": key, "signature": signature}


def read_note(row: Mapping[str, Any]) -> Redaction | None:
    """Return the redaction of a note's row; None for any other row, and for a note with an invalid signature."""
    details = row["details"]
    if row["action"] != ACTION or not isinstance(details, dict):
        return None
    try:
        changed = tuple((int(event), str(kept), str(now)) for event, kept, now in details["events"])
        found = Redaction(int(row["id"]), str(row["actor"]), str(details["key"]), str(details["head"]), changed)
        signature = str(details["signature"])
    except (KeyError, TypeError, ValueError):
        return None  # not written by us
    return found if is_signed(_signed_bytes(found.head, changed), found.key, signature) else None


def _signed_bytes(head: str, changed: Sequence[Changed]) -> bytes:
    return json.dumps([VERSION, head, changed], separators=(",", ":")).encode("ascii")
