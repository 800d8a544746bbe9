"""The checkpoint: an audit event, signed by the server, that states up to where older events were deleted.

The signature covers the hash of the last deleted event and the hash of the event before the checkpoint. So it proves
that the first event that is left follows what was deleted, and that nothing between the two was replaced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.crypto.note_keys import NoteKeys, is_signed

ACTION = "audit.prune"
VERSION = "latchkey-audit-checkpoint-1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint with a valid signature: its event, the actor, the key, and the last deleted event with its hash."""

    event: int
    actor: str
    key: str
    through: int
    hash: str


def write_checkpoint(keys: NoteKeys, previous_hash: str, through: int, last_hash: str) -> dict[str, object]:
    """Return the details of a checkpoint's event, which follows the event of `previous_hash`."""
    key, signature = keys.sign(_signed_bytes(previous_hash, through, last_hash))
    return {"through": through, "hash": last_hash, "key": key, "signature": signature}


def read_checkpoint(row: Mapping[str, Any]) -> Checkpoint | None:
    """Return the checkpoint of an event; None for any other event, and for one with an invalid signature."""
    details = row["details"]
    if row["action"] != ACTION or not isinstance(details, dict):
        return None
    try:
        through, last_hash = int(details["through"]), str(details["hash"])
        found = Checkpoint(int(row["id"]), str(row["actor"]), str(details["key"]), through, last_hash)
        signature = str(details["signature"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None  # not written by us
    signed = _signed_bytes(str(row["previous_hash"]), through, last_hash)
    return found if is_signed(signed, found.key, signature) else None


def _signed_bytes(previous_hash: str, through: int, last_hash: str) -> bytes:
    return json.dumps([VERSION, previous_hash, through, last_hash], separators=(",", ":")).encode()
