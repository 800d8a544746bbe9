"""The note of a redaction: the audit event that says which events were changed, and is signed by the server.

A redacted event keeps its hash, and so its place in the chain, though its fields do not give that hash any more. The
note holds what they give now. A verifier accepts this difference for these very events, and no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.crypto.note_keys import NoteKeys, is_signed

ACTION = "audit.redact"
VERSION = "latchkey-audit-redaction-1"
Changed = tuple[int, str, str]  # an event's id, the hash that it keeps, and the hash of what its fields are now


@dataclass(frozen=True, slots=True)
class Redaction:
    """A note whose signature is good: the event that holds it, who redacted, what, and the head of the chain before."""

    event: int
    actor: str
    key: str
    head: str
    changed: tuple[Changed, ...]


def write_note(keys: NoteKeys, head: str, changed: Sequence[Changed]) -> dict[str, object]:
    """Return the details of the event."""
    key, signature = keys.sign(_signed_bytes(head, changed))
    return {"count": len(changed), "events": changed, "head": head, "key": key, "signature": signature}


def read_note(row: Mapping[str, Any]) -> Redaction | None:
    """Return the redaction that a row notes; None for any other row, and for a note that its key did not sign."""
    said = row["details"]
    if row["action"] != ACTION or not isinstance(said, dict):
        return None
    try:
        changed = tuple((int(id), str(kept), str(now)) for id, kept, now in said["events"])
        found = Redaction(int(row["id"]), str(row["actor"]), str(said["key"]), str(said["head"]), changed)
        signature = str(said["signature"])
    except (KeyError, TypeError, ValueError):
        return None  # somebody else wrote it
    return found if is_signed(_signed_bytes(found.head, changed), found.key, signature) else None


def _signed_bytes(head: str, changed: Sequence[Changed]) -> bytes:
    return json.dumps([VERSION, head, changed], separators=(",", ":")).encode("ascii")
