"""A backup made beside a running server gives a new instance in which every credential still works."""

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner

from app.cli import main
from app.settings.kept_key import KeptKey
from tests.api import Admin, Client, User, expect, unique
from tests.cluster import program
from tests.databases import cluster
from tests.live import LiveServer
from tests.machine import lacking, require_program


def latchkey(instance: Path, *arguments: str | Path) -> Any:
    """Run a command on an instance with the default database."""
    ours = {"LATCHKEY_INSTANCE_DIR": str(instance), "LATCHKEY_DATABASE_URL": None, "LATCHKEY_SECRET_KEY": None}
    done = CliRunner().invoke(main, list(map(str, arguments)), env=ours)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def run_refused(instance: Path, *arguments: str | Path) -> str:
    done = latchkey(instance, *arguments)
    assert (done.exit_code, done.stdout) == (1, "") and done.stderr.count("\n") == 1, done.output
    return str(done.stderr)


@dataclass
class Held:
    """The live and the revoked credentials of a user and a client, one of each kind."""

    user: User
    client: Client
    live: list[str]
    dead: list[str]
    named: list[str] = field(default_factory=list)


def issue_credentials(admin: Admin) -> Held:
    scope = unique("thing") + ":read"
    resource = admin.resource(public=[scope])
    user = admin.user([admin.role("user", [scope])])
    client = admin.client([admin.role("machine", [scope])])

    def one_of_each() -> list[str]:
        pat, key = admin.pat(user, [scope])["token"], admin.api_key(resource)["key"]
        exchanged = admin.exchange(pat, "personal_access_token").json()["access_token"]
        return [pat, key, exchanged, admin.m2m(client)]

    live, dead = one_of_each(), one_of_each()
    for token in dead:
        admin.revoke(token, client)
    return Held(user, client, live, dead)


def still_works(server: LiveServer, held: Held) -> None:
    admin = Admin(server)
    assert [admin.active(token) for token in held.live] == [True] * len(held.live)
    assert [admin.active(token) for token in held.dead] == [False] * len(held.dead)
    expect(200, admin.get("/me", auth=held.user.basic))
    published = jwt.PyJWKSet.from_dict(admin.http.get("/.well-known/jwks.json").json())
    for token in (held.live[2], held.live[3], admin.m2m(held.client)):
        key = published[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=["ES256"], issuer=admin.issuer, options={"verify_aud": False})


def copy_server(server: LiveServer, instance: Path, **settings: str) -> LiveServer:
    """Return a server with another folder, at the same address and with the same first credentials."""
    shutil.copy(server.instance / "bootstrap.json", instance / "bootstrap.json")
    other = LiveServer(instance, server.settings | settings)
    other.port, other.url = server.port, server.url
    return other


@contextlib.contextmanager
def create_tokens(admin: Admin, user: User, scope: str) -> Iterator[None]:
    """Create tokens until stopped; raise an error when one is refused."""
    going, failed = threading.Event(), []

    def write() -> None:
        with contextlib.closing(Admin(admin.server).http):
            while not going.is_set():
                try:
                    admin.pat(user, [scope])
                except AssertionError as error:
                    failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    yield
    going.set()
    thread.join()
    assert failed == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server on SQLite, even when the tests run on PostgreSQL: the command copies the database file."""
    folder = tmp_path_factory.mktemp("backup") / "instance"
    live = LiveServer(folder, {"database_url": f"sqlite:///{folder / 'latchkey.db'}"}).start()
    yield live
    live.kill()


@pytest.fixture(scope="module")
def busy_backup(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Held]:
    """A backup that was made while the server was busy, and the credentials at that time."""
    admin = Admin(server)
    held = issue_credentials(admin)
    scope = unique("busy") + ":read"
    admin.resource(permissions=[scope])
    file = tmp_path_factory.mktemp("kept") / "backup"
    with create_tokens(admin, admin.user([admin.role("user", [scope])]), scope):
        done = latchkey(server.instance, "backup", file)
    assert done.exit_code == 0, done.output
    return file, held


@pytest.mark.contract("a backup gives a new instance in which every credential works")
def test_every_credential_works_in_a_new_instance(
    server: LiveServer, busy_backup: tuple[Path, Held], tmp_path: Path
) -> None:
    file, held = busy_backup
    done = latchkey(tmp_path / "new", "restore", file)
    assert done.exit_code == 0 and "revoked since is active again" in done.stderr
    server.stop()
    other = copy_server(server, tmp_path / "new", database_url=f"sqlite:///{tmp_path / 'new' / 'latchkey.db'}").start()
    try:
        still_works(other, held)
    finally:
        other.kill()
        server.start()


@pytest.mark.asvs("14.2.4")
@pytest.mark.contract("a backup contains no credential, and only its owner can read it")
def test_it_is_its_owners_alone_and_never_over_another(busy_backup: tuple[Path, Held], server: LiveServer) -> None:
    file, _ = busy_backup
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert "already exists" in run_refused(server.instance, "backup", file)
    assert file.read_bytes() == before and [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.asvs("14.2.4")
@pytest.mark.contract("a backup contains no credential, and only its owner can read it")
def test_no_secret_of_anybody_is_in_it(busy_backup: tuple[Path, Held]) -> None:
    file, held = busy_backup
    with zipfile.ZipFile(file) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist())
    secrets = [*held.live[:2], *held.dead[:2], held.client.client_secret, held.user.password]
    assert not [one for one in secrets if one.encode() in whole]


@pytest.mark.contract("a backup contains no credential, and only its owner can read it")
def test_a_restored_file_is_its_owners_alone(busy_backup: tuple[Path, Held], tmp_path: Path) -> None:
    latchkey(tmp_path / "new", "restore", busy_backup[0])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == {"latchkey.db": 0o600, "secret_key": 0o600}


def test_a_restore_never_overwrites_anything(busy_backup: tuple[Path, Held], tmp_path: Path) -> None:
    instance = tmp_path / "new"
    latchkey(instance, "restore", busy_backup[0])
    before = {path.name: path.read_bytes() for path in instance.iterdir()}
    assert "already exists" in run_refused(instance, "restore", busy_backup[0])
    (instance / "latchkey.db").unlink()
    (instance / "secret_key").write_text("k" * 64, encoding="ascii")
    assert "another SECRET_KEY" in run_refused(instance, "restore", busy_backup[0])
    assert [path.name for path in instance.iterdir()] == ["secret_key"] and len(before) == 2


def test_a_backup_without_the_secret_key_is_restored_only_beside_that_key(server: LiveServer, tmp_path: Path) -> None:
    file, instance = tmp_path / "backup", tmp_path / "new"
    assert latchkey(server.instance, "backup", file, "--without-secret-key").exit_code == 0
    key = (server.instance / "secret_key").read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["latchkey.db", "manifest.json"]
    assert "SECRET_KEY" in run_refused(instance, "restore", file)
    (instance / "secret_key").write_bytes(key)
    assert latchkey(instance, "restore", file).exit_code == 0


def write_changed(file: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write an archive like a backup, with some members changed."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, held in members.items():
            archive.writestr(name, held)
    return target


def _replace_key(members: dict[str, bytes]) -> None:
    members["secret_key"] = b"x" * 64


def _overwrite_page(members: dict[str, bytes]) -> None:
    whole = bytearray(members["latchkey.db"])
    whole[8192:12288] = os.urandom(4096)
    members["latchkey.db"] = bytes(whole)


def _add_outside_member(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["../escaped"] = b"x"
    manifest["members"]["../escaped"] = "0" * 64
    members["manifest.json"] = json.dumps(manifest).encode()


def _remove_database(members: dict[str, bytes]) -> None:
    del members["latchkey.db"]


def _set_newer_format(members: dict[str, bytes]) -> None:
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | {"format": 2}).encode()


def _nest_manifest(members: dict[str, bytes]) -> None:
    members["manifest.json"] = b"[" * 100_000


def _change_manifest(**more: object) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | more).encode()

    return change


@pytest.mark.parametrize(
    "more",
    [
        {"members": ["latchkey.db", "secret_key"]},
        {"members": "latchkey.db"},
        {"issuer": "\x1b]0;owned\x07"},
        {"issuer": "\x9b31m"},
        {"issuer": None},
        {"made_at": "\x1b[31m"},
        {"made_at": {"a": 1}},
    ],
    ids=str,
)
def test_a_note_of_another_form_is_refused_and_not_shown(
    busy_backup: tuple[Path, Held], tmp_path: Path, more: dict[str, object]
) -> None:
    said = run_refused(
        tmp_path / "new", "restore", write_changed(busy_backup[0], tmp_path / "spoilt", _change_manifest(**more))
    )
    assert said.strip().isprintable() and list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_member_that_cannot_be_unpacked_is_refused(
    busy_backup: tuple[Path, Held], tmp_path: Path, packing: int
) -> None:
    with zipfile.ZipFile(busy_backup[0]) as archive, zipfile.ZipFile(tmp_path / "other", "w", packing) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
        begins = other.getinfo("latchkey.db").header_offset + 30 + len("latchkey.db")
    whole = bytearray((tmp_path / "other").read_bytes())
    whole[begins : begins + 64] = bytes(64)
    (tmp_path / "other").write_bytes(whole)
    run_refused(tmp_path / "new", "restore", tmp_path / "other")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.contract("a changed, cut or foreign backup is refused and leaves nothing")
@pytest.mark.parametrize(
    "change",
    [_replace_key, _overwrite_page, _add_outside_member, _remove_database, _set_newer_format, _nest_manifest],
    ids=lambda c: c.__name__,
)
def test_a_changed_backup_is_refused_and_leaves_nothing(
    busy_backup: tuple[Path, Held], tmp_path: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    run_refused(tmp_path / "new", "restore", write_changed(busy_backup[0], tmp_path / "spoilt", change))
    assert list((tmp_path / "new").iterdir()) == [] and not (tmp_path / "escaped").exists()


@pytest.mark.contract("a changed, cut or foreign backup is refused and leaves nothing")
def test_a_cut_or_foreign_file_is_refused(busy_backup: tuple[Path, Held], tmp_path: Path) -> None:
    whole = busy_backup[0].read_bytes()
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 1
    for n, held in enumerate([whole[:-100], whole[: len(whole) // 2], bytes(middle), b"", b"hello", b"PK\x03\x04"]):
        (tmp_path / str(n)).write_bytes(held)
        run_refused(tmp_path / "new", "restore", tmp_path / str(n))
    run_refused(tmp_path / "new", "restore", tmp_path / "nowhere")
    assert list((tmp_path / "new").iterdir()) == []


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system."""
    require_program("mount")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    with disk(tmp_path / "small", "200k") as folder:
        yield folder


def test_the_database_may_be_on_another_disk_than_the_key(
    busy_backup: tuple[Path, Held], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with disk(tmp_path / "other", "20m") as other:
        monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(tmp_path / "new"))
        monkeypatch.setenv("LATCHKEY_DATABASE_URL", f"sqlite:///{other / 'latchkey.db'}")
        monkeypatch.delenv("LATCHKEY_SECRET_KEY", raising=False)
        done = CliRunner().invoke(main, ["restore", str(busy_backup[0])])
        assert done.exit_code == 0, done.output
        key = tmp_path / "new" / "secret_key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret_key"]
        assert [path.name for path in other.iterdir()] == ["latchkey.db"]
        assert CliRunner().invoke(main, ["backup", str(tmp_path / "again")]).exit_code == 0, "the key opens it"


@pytest.mark.contract("a changed, cut or foreign backup is refused and leaves nothing")
def test_a_full_disk_leaves_no_half_file(busy_backup: tuple[Path, Held], server: LiveServer, small_disk: Path) -> None:
    assert "cannot be written" in run_refused(server.instance, "backup", small_disk / "backup")
    assert list(small_disk.iterdir()) == []
    run_refused(small_disk / "new", "restore", busy_backup[0])
    assert list((small_disk / "new").iterdir()) == []


def test_a_damaged_database_is_not_backed_up_as_if_it_were_whole(server: LiveServer, tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    instance.mkdir()
    with (
        contextlib.closing(sqlite3.connect(server.instance / "latchkey.db")) as running,
        contextlib.closing(sqlite3.connect(instance / "latchkey.db")) as copy,
    ):
        running.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    shutil.copy(server.instance / "secret_key", instance)
    with open(instance / "latchkey.db", "r+b") as file:
        os.pwrite(file.fileno(), os.urandom(4096 * 4), 4096 * 4)
    run_refused(instance, "backup", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.mark.contract("a backup gives a new instance in which every credential works")
def test_a_dump_of_postgresql_gives_the_same(fresh_server: Callable[..., LiveServer], tmp_path: Path) -> None:
    dump, restore = program("pg_dump"), program("pg_restore")
    if not (dump and restore and program("initdb")):
        lacking("PostgreSQL's programs are not installed")
    cluster().create("dumped")
    server = fresh_server(database_url=cluster().url("dumped"))
    held = issue_credentials(Admin(server))
    subprocess.run([dump, "--format=custom", f"--file={tmp_path / 'dump'}", cluster().url("dumped")], check=True)
    server.stop()
    cluster().create("restored")
    target = cluster().url("restored")
    subprocess.run([restore, "--no-owner", f"--dbname={target}", str(tmp_path / "dump")], check=True)
    (tmp_path / "new").mkdir()
    shutil.copy(server.instance / "secret_key", tmp_path / "new" / "secret_key")
    other = copy_server(server, tmp_path / "new", database_url=target).start()
    try:
        still_works(other, held)
    finally:
        other.kill()
        cluster().drop("restored")
        cluster().drop("dumped")


def test_a_backup_made_while_the_secret_key_changes_opens_with_the_key_it_holds(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "backup"
    assert latchkey(old, "init").exit_code == 0
    KeptKey(old).replace(time.time() + 60)  # the new key has not sealed anything yet
    assert latchkey(old, "backup", file).exit_code == 0
    assert latchkey(new, "restore", file).exit_code == 0
    assert not KeptKey(new).previous_path.exists()
    assert latchkey(new, "init").exit_code == 0 and KeptKey(new).read_or_make() == KeptKey(old).read_or_make()
