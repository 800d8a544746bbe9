"""The first start makes a server usable or nothing at all, wherever it is killed; later starts complete it."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from app.clock import system_clock
from app.crypto.opaque import digest
from app.errors import BadSettings
from app.maintenance import bootstrap
from app.maintenance.bootstrap import PERMISSIONS, BootstrapFile, FirstCredentials
from app.models import AuditEvent, Client, Permission, Resource, Role
from tests import fork_server
from tests.databases import database_in
from tests.maintenance import starting
from tests.maintenance.starting import start

pytestmark = pytest.mark.both_databases


def url_in(folder: Path) -> str:
    return database_in(folder).url


def bootstrap_file(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "bootstrap.json").read_text())
    return found


def works(folder: Path) -> bool:
    """Return whether the file's client secret is the one in the database."""
    digests = database_in(folder).execute("SELECT digest FROM client_secret")
    return digests == [(digest(bootstrap_file(folder)["client_secret"]),)]


def test_the_first_start_makes_our_api_a_resource_and_somebody_who_manages(tmp_path: Path) -> None:
    first, store = start(tmp_path)
    assert first
    with store.reading() as session:
        [own] = session.scalars(select(Resource))
        assert (own.built_in, own.identifier) == (True, "http://127.0.0.1:8080/api/v1")
        assert {permission.name for permission in own.permissions} == set(PERMISSIONS)
        assert not any(permission.public for permission in own.permissions)
        roles = {(role.name, role.type, role.permissions[0].name) for role in session.scalars(select(Role))}
        assert roles == {("administrator", "user", "manage"), ("machine-administrator", "machine", "manage")}
        actions = set(session.scalars(select(AuditEvent.action)))
        assert actions == {"resource.create", "role.create", "user.create", "client.create"}


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    start(tmp_path)
    before = bootstrap_file(tmp_path)
    again, _ = start(tmp_path, bootstrap_client_secret="another secret now")
    assert (again, bootstrap_file(tmp_path)) == (False, before)
    assert works(tmp_path)


@pytest.mark.asvs("13.3.2")
def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    start(tmp_path)
    assert stat.S_IMODE((tmp_path / "bootstrap.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("where", ["BootstrapFile:settle", "Bootstrap:_create", "BootstrapFile:write_pending"])
def test_killed_in_the_middle_it_is_completed_by_the_next_start(tmp_path: Path, where: str) -> None:
    arguments, printed = [str(tmp_path), where, url_in(tmp_path)], tmp_path / "printed"
    killed = fork_server.start(arguments, os.environ, printed, printed, starting.__name__)
    assert killed.wait(60) == -signal.SIGKILL
    assert not (tmp_path / "bootstrap.json").exists()
    start(tmp_path)
    assert works(tmp_path)
    assert not (tmp_path / "bootstrap.pending").exists()


def test_a_file_that_was_taken_away_is_not_made_up(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "bootstrap.json").unlink()
    start(tmp_path)
    assert not (tmp_path / "bootstrap.json").exists()


def test_a_pending_file_of_something_else_is_dropped(tmp_path: Path) -> None:
    start(tmp_path)
    before = bootstrap_file(tmp_path)
    BootstrapFile(tmp_path / "bootstrap.json").write_pending(FirstCredentials("i", "a", "p", "c", "s"))
    start(tmp_path)
    assert bootstrap_file(tmp_path) == before
    assert not (tmp_path / "bootstrap.pending").exists()


def test_the_identifier_and_the_file_follow_the_issuer(tmp_path: Path) -> None:
    start(tmp_path)
    _, store = start(tmp_path, issuer="https://login.example/auth")
    assert bootstrap_file(tmp_path)["issuer"] == "https://login.example/auth"
    with store.reading() as session:
        assert session.scalar(select(Resource.identifier)) == "https://login.example/auth/api/v1"
        assert session.scalar(select(AuditEvent.action).where(AuditEvent.action == "resource.update"))


def test_what_newer_code_brings_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path)
    monkeypatch.setattr(bootstrap, "PERMISSIONS", PERMISSIONS | {"webhooks:read": "see webhooks"})
    _, store = start(tmp_path)
    with store.reading() as session:
        assert session.scalar(select(Permission.id).where(Permission.name == "webhooks:read"))


def test_a_permission_that_is_in_the_way_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, store = start(tmp_path)
    with store.transaction() as session:
        session.add(Resource(id="r", identifier="https://x.example", name="x", created_at=system_clock()))
        session.flush()
        session.add(Permission(id="p", resource_id="r", name="webhooks:read"))
    monkeypatch.setattr(bootstrap, "PERMISSIONS", PERMISSIONS | {"webhooks:read": "see webhooks"})
    with pytest.raises(BadSettings, match="permission of the management API"):
        start(tmp_path)


def test_the_hint_of_a_chosen_secret_shows_nothing_of_it(tmp_path: Path) -> None:
    _, store = start(tmp_path, bootstrap_client_secret="twelve chars", bootstrap_client_id="first")
    with store.reading() as session:
        client = session.scalars(select(Client)).one()
        assert (client.client_id, client.secrets[0].hint) == ("first", "…")


@pytest.mark.asvs("14.2.4")
def test_what_has_expired_is_swept(tmp_path: Path) -> None:
    _, store = start(tmp_path)
    database = database_in(tmp_path)
    revoked = "INSERT INTO revoked_token (jti, expires_at, revoked_at) VALUES ('gone', 1, 1), ('stays', :late, 1)"
    database.execute(revoked, late=10**18)
    database.execute("INSERT INTO used_assertion VALUES ('c', 'd', 1)")
    database.execute("INSERT INTO used_proof VALUES ('d', 1)")
    database.execute("INSERT INTO spent_limit VALUES ('k', 1, 1)")
    start(tmp_path)
    assert database.execute("SELECT jti FROM revoked_token") == [("stays",)]
    assert database.execute("SELECT count(*) FROM used_assertion") == [(0,)]
    assert database.execute("SELECT count(*) FROM used_proof") == [(0,)]
    assert database.execute("SELECT count(*) FROM spent_limit") == [(0,)]
    store.dispose()


def test_no_secret_is_in_a_repr() -> None:
    shown = repr(FirstCredentials("i", "a", "the password", "c", "the secret"))
    assert "the password" not in shown
    assert "the secret" not in shown
    assert os.linesep not in shown
