"""Secrets in old audit events are found and removed; a signed note explains only that change."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.actions.audit.actor import OPERATOR
from app.actions.audit.chain import PENDING
from app.actions.audit.read import Span, export
from app.actions.audit.record import SEVERAL, record
from app.actions.audit.redact import MAX_PER_NOTE, RedactAudit
from app.actions.audit.redaction_note import ACTION, write_note
from app.actions.audit.verify import UNTRUSTED, Place, Verdict, VerifyAudit, verify_export
from app.crypto.note_keys import NoteKeys
from app.crypto.opaque import Prefix, hint, mint
from app.crypto.pseudonym import Pseudonyms
from app.database.types import new_id
from app.maintenance.doctor import _audit_trail
from app.models import AuditEvent
from tests.core import Core

pytestmark = pytest.mark.both_databases

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb2JvdCJ9.c2lnbmF0dXJlc2lnbmF0dXJl"


def write(core: Core, target: str, action: str = "client.update", **details: object) -> int:
    """Write an event as the version before did, which kept whatever it was given."""
    with core.store.transaction() as session:
        record(session, OPERATOR, action, "client", "-", core.clock())
        session.info[PENDING][-1] |= {"target": target, "details": details}
    with core.store.reading() as session:
        return int(session.scalars(select(AuditEvent.id).order_by(AuditEvent.id.desc())).first() or 0)


def verdict(core: Core, *expected: Place) -> Verdict:
    return VerifyAudit(core.store, core.actions.note_keys.trusted())(*expected)


def row(core: Core, id: int) -> AuditEvent:
    with core.store.reading() as session:
        return session.get_one(AuditEvent, id)


def change(core: Core, id: int, **values: Any) -> None:
    with core.store.transaction() as session:
        session.execute(update(AuditEvent).where(AuditEvent.id == id).values(**values))


@pytest.fixture
def secrets(empty_core: Core) -> tuple[str, ...]:
    """Events 1 to 6, of which 2 to 5 hold secrets; each secret once."""
    pat, key, sec = (mint(prefix) for prefix in (Prefix.PAT, Prefix.API_KEY, Prefix.CLIENT_SECRET))
    write(empty_core, "robot")
    write(empty_core, sec)
    write(empty_core, f"Bearer {pat}", by="x")
    write(empty_core, "robot", name=f"my {key}", listed=["a", {key: 1}])
    write(empty_core, (JWT + "A" * 200)[:200])
    write(empty_core, "robot")
    return pat, key, sec, JWT


@pytest.mark.contract("unknown names are not stored, because they may contain secrets")
def test_secrets_are_found_and_taken_out_of_every_text(empty_core: Core, secrets: tuple[str, ...]) -> None:
    core = empty_core
    assert core.actions.redact_audit.find() == [2, 3, 4, 5]
    done = core.actions.redact_audit(OPERATOR)
    assert done.events == (2, 3, 4, 5) and done.tampered == ()
    assert {hint(secret) for secret in secrets[:3]} <= set(done.hints)
    kept = core.database.dump()
    for secret in secrets:
        assert secret.encode() not in kept and secret[10:36].encode() not in kept
    pat, key, sec, _ = secrets
    assert row(core, 2).target == hint(sec) and row(core, 3).target == f"Bearer {hint(pat)}"
    assert row(core, 4).details == {"name": f"my {hint(key)}", "listed": ["a", {hint(key): 1}]}
    assert row(core, 1).target == row(core, 6).target == "robot"


def test_the_chain_holds_and_every_place_noted_before_is_still_there(
    empty_core: Core, secrets: tuple[str, ...]
) -> None:
    core = empty_core
    before, old = verdict(core), [Place(row(core, id).id, row(core, id).hash or "") for id in range(1, 7)]
    assert before.intact
    core.actions.redact_audit(OPERATOR)
    after = verdict(core, *old, before.last)
    assert after.intact and after.events == before.events + 1
    [note] = after.redactions
    assert (note.event, note.actor, note.head) == (7, "cli", str(before.last))
    assert [id for id, _, _ in note.changed] == [2, 3, 4, 5]
    assert row(core, 7).action == ACTION and row(core, 7).details["count"] == 4
    write(core, "robot")
    assert verdict(core, after.last).intact


def test_once_more_changes_nothing(empty_core: Core, secrets: tuple[str, ...]) -> None:
    empty_core.actions.redact_audit(OPERATOR)
    before = empty_core.database.dump()
    assert empty_core.actions.redact_audit(OPERATOR).events == () and empty_core.actions.redact_audit.find() == []
    assert empty_core.database.dump() == before


def test_of_two_at_the_same_moment_one_leaves_a_note(
    empty_core: Core, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = empty_core.actions.redact_audit.find()
    empty_core.actions.redact_audit(OPERATOR)
    monkeypatch.setattr(RedactAudit, "find", lambda _: seen)  # looked before the other had committed
    assert empty_core.actions.redact_audit(OPERATOR).events == ()
    assert len(empty_core.trace(ACTION)) == 1


def test_without_a_secret_there_is_no_note(empty_core: Core) -> None:
    write(empty_core, "lk_pat_rotation", name=f"{hint(mint(Prefix.PAT))} eyJ lk_pat_short")
    assert empty_core.actions.redact_audit.find() == []
    assert empty_core.actions.redact_audit(OPERATOR).events == () and len(empty_core.trace()) == 1


@pytest.mark.parametrize("id", [1, 2, 4, 7])
def test_any_other_change_is_still_found(empty_core: Core, secrets: tuple[str, ...], id: int) -> None:
    empty_core.actions.redact_audit(OPERATOR)
    assert verdict(empty_core).intact
    change(empty_core, id, actor="somebody else")
    found = verdict(empty_core)
    assert not found.intact and (id, "changed") in [(broken.event, broken.what) for broken in found.breaks]


def test_a_note_that_the_server_did_not_sign_accounts_for_nothing(empty_core: Core, secrets: tuple[str, ...]) -> None:
    thief = RedactAudit(empty_core.store, NoteKeys(lambda: ["a thief's key of enough characters!!"]), empty_core.clock)
    done = thief(OPERATOR)
    found = verdict(empty_core)
    assert [(b.event, b.what) for b in found.breaks] == [(id, "changed") for id in (2, 3, 4, 5)]
    assert found.breaks[0].said == UNTRUSTED.format(7, done.key) and found.redactions == ()
    assert VerifyAudit(empty_core.store, frozenset({str(done.key)}))().intact


def test_a_note_with_another_signature_accounts_for_nothing(empty_core: Core, secrets: tuple[str, ...]) -> None:
    changed, keys = [(2, str(row(empty_core, 2).hash), "0" * 64)], empty_core.actions.note_keys
    note = write_note(keys, "6:x", changed) | {"events": [(3, str(row(empty_core, 3).hash), "0" * 64)]}
    for details in (note, note | {"signature": "00"}, note | {"key": "zz"}, {"events": 1}, {}):
        with empty_core.store.transaction() as session:
            record(session, OPERATOR, ACTION, "audit_event", "2", empty_core.clock(), **details)
    change(empty_core, 3, target="nothing")
    assert [found.event for found in verdict(empty_core).breaks] == [3] and verdict(empty_core).redactions == ()


def test_a_redaction_covers_up_no_change_made_before_it(empty_core: Core, secrets: tuple[str, ...]) -> None:
    change(empty_core, 3, actor="somebody else")
    done = empty_core.actions.redact_audit(OPERATOR)
    assert done.events == (2, 4, 5) and done.tampered == (3,)
    assert secrets[0].encode() not in empty_core.database.dump()
    assert [found.event for found in verdict(empty_core).breaks] == [3]


def test_an_event_can_be_redacted_again(
    empty_core: Core, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.actions.audit import redact as redact_audit

    empty_core.actions.redact_audit(OPERATOR)
    monkeypatch.setattr(redact_audit, "redact_value", lambda value: "gone" if value == "robot" else value)
    monkeypatch.setattr(redact_audit, "_SUSPECT", AuditEvent.id < 5)
    assert empty_core.actions.redact_audit(OPERATOR).events == (1, 4)
    found = verdict(empty_core)
    assert found.intact and [note.event for note in found.redactions] == [7, 8]


def test_an_export_with_redactions_is_verified_with_the_key(empty_core: Core, secrets: tuple[str, ...]) -> None:
    key = str(empty_core.actions.redact_audit(OPERATOR).key)
    lines = list(export(empty_core.store, Span()))
    assert not any(secret in line for line in lines for secret in secrets)
    assert verify_export(lines, trusted=frozenset({key})).intact
    alone = verify_export(lines)
    assert not alone.intact and key in alone.breaks[0].said
    cut = verify_export(lines[:-1], trusted=frozenset({key}))
    assert [found.event for found in cut.breaks] == [2, 3, 4, 5]  # the note is not in it
    changed = [lines[0].replace("robot", "robut"), *lines[1:]]
    assert [found.event for found in verify_export(changed, trusted=frozenset({key})).breaks] == [1]
    assert json.loads(lines[-1])["details"]["key"] == key


def test_many_events_are_noted_in_pieces(empty_core: Core) -> None:
    with empty_core.store.transaction() as session:
        for _ in range(MAX_PER_NOTE + 1):
            record(session, OPERATOR, "authentication.fail", "client", "-", empty_core.clock())
            session.info[PENDING][-1] |= {"target": mint(Prefix.PAT)}
    assert len(empty_core.actions.redact_audit(OPERATOR).events) == MAX_PER_NOTE + 1
    found = verdict(empty_core)
    assert found.intact and [len(note.changed) for note in found.redactions] == [MAX_PER_NOTE, 1]


def test_doctor_finds_what_is_there_and_says_what_to_do(empty_core: Core, secrets: tuple[str, ...]) -> None:
    def finding() -> tuple[str, str]:
        found = _audit_trail(empty_core.actions.settings, empty_core.store, empty_core.actions.signing_keys)
        assert not any(secret in found.found for secret in secrets)
        return found.verdict, found.mend

    assert finding()[0] == "problem" and "latchkey audit redact" in finding()[1]
    empty_core.actions.redact_audit(OPERATOR)
    assert finding() == ("ok", "")


def test_a_name_that_holds_a_secret_already_is_redacted_as_it_is_recorded(empty_core: Core) -> None:
    secret = mint(Prefix.CLIENT_SECRET)
    with empty_core.store.transaction() as session:
        record(session, OPERATOR, "client.delete", "client", secret, empty_core.clock(), name=secret, roles=[secret])
    [event] = empty_core.trace("client.delete")
    assert (event.target, event.details) == (hint(secret), {"name": hint(secret), "roles": [hint(secret)]})
    assert verdict(empty_core).intact and event.at - empty_core.clock() == timedelta()


TYPED = [
    "Sommer-2024",
    "a chosen bootstrap secret",
    "unknown-mind",
    "unknown-3-xyz",
    "client_of-mine",
    "severally",
    "-",
]


@pytest.mark.parametrize("action", ["authentication.fail", "authentication.limited"])
def test_any_text_that_was_sent_as_the_name_of_no_client_is_taken_out(empty_core: Core, action: str) -> None:
    ids = [write(empty_core, text, action) for text in TYPED]
    assert empty_core.actions.redact_audit.find() == ids
    done = empty_core.actions.redact_audit(OPERATOR)
    assert done.events == tuple(ids) and done.hints == ("[redacted]",)
    assert {row(empty_core, id).target for id in ids} == {"[redacted]"}
    assert not [text for text in TYPED[:2] if text.encode() in empty_core.database.dump()]
    assert verdict(empty_core).intact and empty_core.actions.redact_audit.find() == []
    assert empty_core.actions.redact_audit(OPERATOR).events == ()


def test_generated_targets_of_failures_are_kept(empty_core: Core) -> None:
    empty_core.client("chosen-name")
    marks = Pseudonyms(lambda: ["k" * 40])
    for target in (
        "chosen-name",
        new_id("client"),
        marks.pseudonym_of("robot", "192.0.2.1"),
        SEVERAL,
        "",
        hint(mint(Prefix.PAT)),
    ):
        write(empty_core, target, "authentication.fail")
    write(empty_core, "gone-by-now", "client.delete")
    assert empty_core.actions.redact_audit.find() == []


def test_a_secret_of_ours_sent_as_a_name_keeps_its_hint(empty_core: Core) -> None:
    secret = mint(Prefix.CLIENT_SECRET)
    id = write(empty_core, secret, "authentication.fail")
    assert empty_core.actions.redact_audit(OPERATOR).hints == (hint(secret),)
    assert row(empty_core, id).target == hint(secret) and empty_core.actions.redact_audit.find() == []
