"""`latchkey audit verify` and `export`: exit 0 and the last event of the chain, or exit 1 and the broken event."""

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.actions.audit.chain import append
from app.crypto.opaque import Prefix, hint, mint
from tests.cli.test_objects import Cli
from tests.cli.test_serve import run
from tests.databases import Database, database_in


@pytest.fixture
def database(set_up: Path, tmp_path: Path) -> Database:
    """A copy of an instance with a few events in its audit log."""
    shutil.copytree(set_up, tmp_path, dirs_exist_ok=True)
    database_in(set_up).copy_to(tmp_path)
    return database_in(tmp_path)


@pytest.fixture
def cli(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(database.folder, monkeypatch)


@pytest.mark.contract("the audit commands exit by their result, the API shows the hashes")
def test_an_unbroken_chain_is_exit_0_and_names_its_head(cli: Cli) -> None:
    result = cli.json("audit", "verify")
    assert result["intact"] is True and result["breaks"] == [] and result["events"] >= 3
    head = f"{result['last']['id']}:{result['last']['hash']}"
    assert cli.good("audit", "verify") == f"{result['events']} events, from 1 on, head {head}\n"
    cli.good("role", "create", "--name", "new", "--type", "user")
    assert cli.json("audit", "verify", "--expect", head)["events"] == result["events"] + 1
    other = f"{result['last']['id']}:{'0' * 64}"
    for both in ((head, other), (other, head)):
        assert cli("audit", "verify", *(part for one in both for part in ("--expect", one))).exit_code == 1


@pytest.mark.asvs("16.4.2")
@pytest.mark.contract("the audit commands exit by their result, the API shows the hashes")
def test_a_broken_chain_is_exit_1_and_names_the_event(cli: Cli, database: Database) -> None:
    head = cli.good("audit", "verify").split()[-1]
    database.execute("UPDATE audit_event SET actor = 'nobody' WHERE id = 2")
    done = cli("audit", "verify")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "event 2: changed: its hash does not match its fields"
    database.execute("UPDATE audit_head SET hash = 'x'")
    done = cli("audit", "verify", "--json", "--expect", f"{head[:-1]}{'1' if head[-1] == '0' else '0'}")
    result = json.loads(done.stdout)
    assert done.exit_code == 1 and not result["intact"]
    assert [found["what"] for found in result["breaks"]] == ["changed", "expected", "head"]
    assert "the head: head: " in cli("audit", "verify").stdout


@pytest.mark.contract("an export verifies without the database, in pieces too")
def test_an_export_is_verified_where_there_is_no_set_up(cli: Cli, database: Database, tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    assert cli.good("audit", "export", "--file", str(file)) == ""
    lines = file.read_text().splitlines()
    assert cli.good("audit", "export").splitlines() == lines
    head = cli.good("audit", "verify").split()[-1]
    cli.good("role", "create", "--name", "new", "--type", "user")
    more = cli.good("audit", "export", "--after", head.split(":")[0])
    assert json.loads(more)["previous_hash"] == json.loads(lines[-1])["hash"]
    nowhere = run(tmp_path / "nowhere", "audit", "verify", "--file", str(file), "--expect", head)
    assert (nowhere.returncode, nowhere.stderr) == (0, "") and nowhere.stdout.endswith(f"head {head}\n")
    whole = "\n".join(lines) + "\n" + more
    assert cli.good("audit", "verify", "--file", "-", input=whole).startswith(f"{len(lines) + 1} events")
    done = cli("audit", "verify", "--file", "-", input=whole.replace('"role"', '"rule"'))
    assert done.exit_code == 1 and "changed" in done.stdout


def test_an_export_of_a_period_holds_only_its_events(cli: Cli) -> None:
    assert cli.good("audit", "export", "--until", "2020-01-01") == cli.good("audit", "export", "--since", "2999-01-01")
    assert cli.good("audit", "export", "--since", "2020-01-01") == cli.good("audit", "export") != ""


@pytest.mark.parametrize("noted", ["", "1", "1:x", "1:" + "a" * 63, "-1:" + "a" * 64, "١:" + "a" * 64])
def test_an_invalid_place_in_the_chain_is_refused(cli: Cli, noted: str) -> None:
    done = cli("audit", "verify", "--expect", noted)
    assert done.exit_code == 2 and "not a place in the chain" in done.stderr


@pytest.mark.contract("an export verifies without the database, in pieces too")
def test_no_line_of_an_export_holds_a_secret(cli: Cli, database: Database) -> None:
    cli.good("resource", "create", "--identifier", "https://orders.example", "--name", "Orders")
    secret = cli.good("api-key", "create", "--name", "k", "--resource", "https://orders.example").strip()
    exported = cli.good("audit", "export")
    kept = json.loads((database.folder / "bootstrap.json").read_text())
    assert "api_key.create" in exported
    for hidden in (secret, kept["client_secret"], kept["admin_password"]):
        assert hidden not in exported


def test_an_export_goes_to_a_file_or_leaves_everything_as_it_was(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, pipe = tmp_path / "place", tmp_path / "pipe"
    (place / "folder").mkdir(parents=True)
    os.mkfifo(pipe)
    for file in (place / "folder", pipe, place / "none" / "file"):
        refused = cli("audit", "export", "--file", str(file))
        assert refused.exit_code == 2 and refused.stderr
    assert pipe.is_fifo() and [path.name for path in place.iterdir()] == ["folder"]
    (place / "before").write_text("as it was")
    (place / "before").chmod(0o640)

    def breaks(*_: object) -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.cli.audit.export", breaks)
        for name in ("before", "new"):
            assert cli("audit", "export", "--file", str(place / name)).exit_code == 2
    assert sorted(path.name for path in place.iterdir()) == ["before", "folder"]
    assert (place / "before").read_text() == "as it was"
    (place / "link").symlink_to("before")
    cli.good("audit", "export", "--file", str(place / "link"))
    assert (place / "link").is_symlink() and (place / "before").read_text() == cli.good("audit", "export")
    assert stat.S_IMODE((place / "before").stat().st_mode) == 0o640


def test_secrets_in_old_events_are_found_by_doctor_and_taken_out_by_redact(cli: Cli, database: Database) -> None:
    secret = mint(Prefix.CLIENT_SECRET)
    happened = {"at": datetime.now(UTC), "actor_type": "anonymous", "actor": "anonymous", "actor_name": ""}
    happened |= {"action": "authentication.fail", "target_type": "client", "target": secret, "details": {}}
    with database.engine().begin() as connection:  # like a version that stored any value as a client_id
        append(connection, [happened | {"address": None, "request_id": None}])
    head = cli.good("audit", "verify").split()[-1]
    doctor = cli("doctor")
    assert doctor.exit_code == 1 and "latchkey audit redact" in doctor.stdout and secret not in doctor.stdout
    done = cli("audit", "redact")
    assert done.exit_code == 0 and done.stdout.startswith("1 events redacted") and hint(secret) in done.stderr
    key = re.search(r"signed with ([0-9a-f]{64})", done.stderr)
    assert key and secret not in cli.good("audit", "export")
    result = cli.json("audit", "verify", "--expect", head)
    assert (
        result["intact"] and result["redactions"][0]["key"] == key[1] and len(result["redactions"][0]["changed"]) == 1
    )
    assert f"cli redacted 1 events ({head.split(':')[0]}), signed with {key[1]}" in cli.good("audit", "verify")
    assert cli.json("audit", "redact") == {"events": [], "hints": [], "key": None, "tampered": []}
    export = database.folder / "export.jsonl"
    cli.good("audit", "export", "--file", str(export))
    assert cli("audit", "verify", "--file", str(export)).exit_code == 1
    assert cli("audit", "verify", "--file", str(export), "--redaction-key", key[1]).exit_code == 0
    assert cli("audit", "verify", "--redaction-key", "x").exit_code == 2


def test_prune_counts_and_deletes_only_with_yes_and_what_is_left_verifies(cli: Cli, database: Database) -> None:
    before = cli.json("audit", "verify")["events"]
    now = datetime.now(UTC).isoformat()
    assert (
        cli.good("audit", "prune", "--before", now) == f"{before} events would be deleted: use --yes to delete them\n"
    )
    assert cli.json("audit", "verify")["events"] == before
    assert cli.json("audit", "prune", "--before", now, "--yes") == {"events": before, "deleted": True}
    result = cli.json("audit", "verify")
    assert result["intact"] and result["events"] == 1 and result["checkpoint"]["through"] == before
    assert f"cli deleted the events up to {before}:" in cli.good("audit", "verify")
    assert "audit retention" in cli.good("doctor") and "MB; rows: audit_event 1" in cli.good("doctor")
    future = cli("audit", "prune", "--before", "2999-01-01T00:00:00Z")
    assert future.exit_code == 2 and "--before is in the future" in future.stderr
    database.execute("DELETE FROM audit_event")
    assert cli("audit", "verify").exit_code == 1


@pytest.mark.parametrize("first", ["prune", "backup"])
def test_a_restored_instance_verifies_what_it_has(
    set_up: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A backup is as old as it is: with the checkpoint, or with the events that were deleted afterwards."""
    source, target, backup = tmp_path / "source", tmp_path / "target", tmp_path / "backup"
    shutil.copytree(set_up, source)
    target.mkdir()
    cli = Cli(source, monkeypatch)
    steps = {
        "prune": ("audit", "prune", "--yes", "--before", datetime.now(UTC).isoformat()),
        "backup": ("backup", str(backup)),
    }
    events = int(cli.json("audit", "verify")["events"])
    for step in sorted(steps, key=first.__ne__):
        cli.good(*steps[step])
    restored = Cli(target, monkeypatch)
    restored.good("restore", str(backup))
    result = restored.json("audit", "verify")
    assert result["intact"] and result["events"] == (1 if first == "prune" else events)
    restored.good("audit", "prune", "--yes", "--before", datetime.now(UTC).isoformat())
    assert restored.json("audit", "verify")["events"] in (1, 2)
