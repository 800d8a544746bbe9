"""`latchkey scan` finds our secrets in files and in git's history, offline; it reports their status when asked to."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.crypto.opaque import Prefix, mint
from tests.api import Admin, expect, unique
from tests.contract.world import World, create_world
from tests.live import environment
from tests.machine import require_program

OFFLINE = {"LATCHKEY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}  # unreachable: a query would fail


def scan(*arguments: str | Path, env: dict[str, str] | None = None, input: bytes | None = None) -> Any:
    done = CliRunner().invoke(main, ["scan", *map(str, arguments)], env=env or OFFLINE, input=input)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def git(repository: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    require_program("git")
    git(tmp_path, "init", "-q", "-b", "main", "repository")
    return tmp_path / "repository"


def commit_file(repository: Path, name: str, text: str, message: str = "change") -> str:
    (repository / name).parent.mkdir(parents=True, exist_ok=True)
    (repository / name).write_text(text, encoding="utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "-q", "-m", message)
    return git(repository, "rev-parse", "HEAD")


@pytest.mark.asvs("13.3.1")
@pytest.mark.contract("leaked secrets are found in files, by format and check, offline")
@pytest.mark.parametrize("prefix", list(Prefix))
def test_each_kind_is_found_in_files_by_line_and_never_printed(tmp_path: Path, prefix: Prefix) -> None:
    secret = mint(prefix)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / ".env").write_text(f"A=1\n\nTOKEN={secret}\n", encoding="utf-8")
    done = scan(tmp_path)
    assert done.exit_code == 1 and secret not in done.output
    assert ".env:3: " in done.stdout and f"{prefix}…{secret[-4:]}" in done.stdout


def test_nothing_found_is_success(tmp_path: Path) -> None:
    near = mint(Prefix.PAT)
    (tmp_path / "notes").write_text(f"{near[:-1]} lk_pat_ {'x' * 45}", encoding="utf-8")
    done = scan(tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.contract("leaked secrets are found in everything that git ever held")
def test_what_was_deleted_is_found_in_the_past(repository: Path) -> None:
    secret = mint(Prefix.PAT)
    first = commit_file(repository, "conf/app.ini", f"one\ntoken = {secret}\n")
    commit_file(repository, "conf/app.ini", "one\n")
    git(repository, "gc", "-q")
    done = scan(repository)
    assert done.exit_code == 1 and secret not in done.output
    assert f"{first[:12]}:conf/app.ini:2: personal_access_token" in done.stdout
    assert scan(repository, "--no-history").exit_code == 0


@pytest.mark.contract("leaked secrets are found in everything that git ever held")
def test_other_branches_stashes_messages_and_dropped_commits_are_read(repository: Path) -> None:
    secrets = {name: mint(Prefix.API_KEY) for name in ("branch", "message", "dropped", "stash", "tag")}
    commit_file(repository, "a", "a")
    git(repository, "checkout", "-q", "-b", "other")
    commit_file(repository, "b", secrets["branch"], message=f"with {secrets['message']}")
    git(repository, "tag", "-a", "-m", secrets["tag"], "v1")
    git(repository, "checkout", "-q", "main")
    commit_file(repository, "c", secrets["dropped"])
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    (repository / "a").write_text(secrets["stash"], encoding="utf-8")
    git(repository, "stash", "-q")
    matches = json.loads(scan(repository, "--json").stdout)
    assert {f"{secret[:7]}…{secret[-4:]}" for secret in secrets.values()} == {one["hint"] for one in matches}


@pytest.mark.contract("leaked secrets are found in everything that git ever held")
def test_bare_repositories_and_work_trees_are_read_once(repository: Path, tmp_path: Path) -> None:
    commit_file(repository, "a", mint(Prefix.PAT))
    commit_file(repository, "a", "gone")
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare.git")
    git(repository, "worktree", "add", "-q", str(tmp_path / "second"), "-b", "second")
    assert len(json.loads(scan(tmp_path / "bare.git", "--json").stdout)) == 1
    assert len(json.loads(scan(tmp_path / "second", "--json").stdout)) == 1
    assert len(json.loads(scan(repository, tmp_path / "second", "--json").stdout)) == 1
    assert len(json.loads(scan(tmp_path, "--json").stdout)) == 2


def test_inside_a_hook_it_reads_what_it_was_pointed_at(repository: Path, tmp_path: Path) -> None:
    commit_file(repository, "a", mint(Prefix.PAT))
    commit_file(repository, "a", "gone")
    git(tmp_path, "init", "-q", "elsewhere")
    hooked = OFFLINE | {"GIT_DIR": str(tmp_path / "elsewhere" / ".git"), "GIT_INDEX_FILE": "/nowhere"}
    assert scan(repository, env=hooked).exit_code == 1
    for name in ("GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        assert scan(repository, env=OFFLINE | {name: str(tmp_path / "elsewhere" / ".git")}).exit_code == 1, name


@pytest.mark.contract("a scanned repository runs nothing and hides nothing")
def test_no_program_is_run_that_a_repository_names(repository: Path, tmp_path: Path) -> None:
    head = commit_file(repository, "a", mint(Prefix.PAT))
    commit = git(repository, "cat-file", "commit", head).partition("\n\n")
    signed = f"{commit[0]}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nx\n"
    (tmp_path / "signed").write_text(signed, encoding="ascii")
    git(
        repository, "update-ref", "HEAD", git(repository, "hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
    )
    program, ran = tmp_path / "program", tmp_path / "ran"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="ascii")
    program.chmod(0o755)
    git(repository, "config", "log.showSignature", "true")
    for name in ("gpg.program", "core.fsmonitor", "core.pager", "diff.external", "diff.evil.textconv", "core.editor"):
        git(repository, "config", name, str(program))
    (repository / ".gitattributes").write_text("* diff=evil\n", encoding="ascii")
    assert scan(repository).exit_code == 1
    assert not ran.exists()


@pytest.mark.contract("a scanned repository runs nothing and hides nothing")
@pytest.mark.parametrize("history", [(), ("--no-history",)])
def test_a_folder_that_merely_looks_like_gits_own_is_read(repository: Path, history: tuple[str, ...]) -> None:
    commit_file(repository, ".gitignore", "game/")
    for name in ("game/refs", "game/objects"):
        (repository / name).mkdir(parents=True)
    (repository / "game" / "HEAD").write_text("3", encoding="ascii")
    (repository / "game" / "objects" / "config").write_text(mint(Prefix.PAT), encoding="ascii")
    assert "game/objects/config" in scan(repository, *history).stdout


@pytest.mark.contract("a scanned repository runs nothing and hides nothing")
def test_a_damaged_repository_does_not_pass_for_the_one_around_it(repository: Path) -> None:
    commit_file(repository, ".gitignore", "sub/")
    git(repository, "init", "-q", "sub")
    commit_file(repository / "sub", "a", mint(Prefix.PAT))
    commit_file(repository / "sub", "a", "gone")
    assert scan(repository).exit_code == 1
    (repository / "sub" / ".git" / "HEAD").unlink()
    assert scan(repository).exit_code == 2


@pytest.mark.contract("leaked secrets are found in files, by format and check, offline")
def test_stdin_and_utf_16_and_binary(tmp_path: Path) -> None:
    secret = mint(Prefix.CLIENT_SECRET)
    assert scan("-", input=f"x\n{secret}".encode()).stdout.startswith("(stdin):2: client_secret")
    (tmp_path / "out.txt").write_text(secret, encoding="utf-16")
    (tmp_path / "core").write_bytes(bytes(range(256)) * 5000 + secret.encode() + b"\0\xff")
    assert len(json.loads(scan(tmp_path, "--json").stdout)) == 2


def test_links_are_not_followed_and_pipes_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(mint(Prefix.PAT), encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe")
    assert scan(tmp_path / "in").exit_code == 0


@pytest.mark.contract("a scan that could not read everything does not succeed")
def test_what_cannot_be_read_is_reported_and_is_not_a_success(tmp_path: Path) -> None:
    done = scan(tmp_path / "nowhere")
    assert done.exit_code == 2 and "nowhere" in done.stderr and "1 could not be read" in done.stderr
    (tmp_path / ".git").mkdir()
    assert scan(tmp_path).exit_code == 2


def test_a_file_name_is_escaped_and_its_secrets_are_shortened(tmp_path: Path) -> None:
    secret = mint(Prefix.PAT)
    (tmp_path / f"a\x1b[2J\n{secret}").write_text(secret, encoding="utf-8")
    for done in (scan(tmp_path), scan(tmp_path, "--json")):
        assert "\x1b" not in done.output and secret not in done.output and "lk_pat_…" in done.stdout


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.mark.contract("found secrets are checked to be live or dead, and revoked")
def test_check_looks_up_each_status_in_the_database_and_revokes(world: World, tmp_path: Path) -> None:
    live, dead, secret = world.issue("pat"), world.issue("api_key"), world.admin.client().client_secret
    world.admin.revoke(dead.token)
    strange = mint(Prefix.PAT)
    (tmp_path / "leak").write_text("\n".join([live.token, dead.token, secret, strange]), encoding="utf-8")
    own = {k: v for k, v in environment(world.admin.server.instance).items() if k.startswith("LATCHKEY_")}
    matches = json.loads(scan(tmp_path, "--check", "--json", env=own).stdout)
    assert [one["status"] for one in matches] == ["active", "revoked", "active", "unknown"] and matches[1]["reason"]
    assert len(json.loads(scan(tmp_path, "--check", "--live", "--json", env=own).stdout)) == 2
    assert scan(tmp_path, "--check", "--live", "--revoke", env=own).exit_code == 1
    assert not world.admin.active(live.token)
    assert scan(tmp_path, "--check", "--live", env=own).exit_code == 0
    assert scan(tmp_path, env=own).exit_code == 1


@pytest.mark.contract("found secrets are checked to be live or dead, and revoked")
def test_a_server_reports_each_status_and_revokes(world: World, tmp_path: Path) -> None:
    admin, held = world.admin, world.issue("api_key")
    token = admin.m2m(admin.client([admin.role("machine", ["tokens:read"])]))
    (tmp_path / "leak").write_text(held.token, encoding="utf-8")
    (tmp_path / "token").write_text(token, encoding="utf-8")
    asking = ("--server", admin.server.url, "--token-file", tmp_path / "token")
    done = scan(tmp_path / "leak", *asking)
    assert done.exit_code == 1 and "lk_key_" in done.stdout and " active" in done.stdout
    assert scan(tmp_path / "leak", *asking, "--revoke").exit_code == 1
    assert not admin.active(held.token)
    why = expect(200, admin.get(f"/api-keys/{held.id}")).json()["revoked_reason"]
    assert "leaked" in why
    (tmp_path / "token").write_text("wrong", encoding="utf-8")
    refused = scan(tmp_path / "leak", *asking)
    assert refused.exit_code == 1 and refused.stdout == "" and refused.stderr.startswith("latchkey: no usable response")


def test_live_and_revoke_need_a_database_or_a_server(tmp_path: Path) -> None:
    (tmp_path / unique("t")).write_text("x", encoding="utf-8")
    assert scan(tmp_path, "--revoke").exit_code == 2
    assert scan(tmp_path, "--server", "http://127.0.0.1:1").exit_code == 2


@contextmanager
def serve_body(body: bytes) -> Iterator[str]:
    """Yield the URL of a server that responds to every request with 200 and this body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def write_leak(folder: Path) -> Path:
    (folder / "leaked").write_text(mint(Prefix.PAT), encoding="utf-8")
    (folder / "token").write_text("a-token", encoding="utf-8")
    return folder / "leaked"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff", b"[" * 100_000, b'"status"'], ids=lambda b: b[:9])
def test_a_response_that_is_not_latchkeys_is_one_line_of_error(tmp_path: Path, body: bytes) -> None:
    with serve_body(body) as url:
        done = scan(write_leak(tmp_path), "--server", url, "--token-file", tmp_path / "token")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1) and "not Latchkey" in done.stderr


def test_a_response_is_escaped_for_the_terminal(tmp_path: Path) -> None:
    with serve_body(json.dumps({"status": "active\x1b[31m", "reason": "\x9b"}).encode()) as url:
        done = scan(write_leak(tmp_path), "--server", url, "--token-file", tmp_path / "token")
    assert done.exit_code == 1 and "active\\x1b[31m" in done.stdout and done.stdout.strip().isprintable()


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999", "ftp://x", "x", "http://\x00"])
def test_an_invalid_server_url_is_an_error(tmp_path: Path, url: str) -> None:
    done = scan(write_leak(tmp_path), "--server", url, "--token-file", tmp_path / "token")
    assert done.exit_code in (1, 2) and done.stdout == "" and "server" in done.stderr, done.output


@pytest.mark.parametrize("held", [b"a\xe9b", "aéb".encode(), b"ab\ncd", b"a b", b""])
def test_a_token_file_without_a_token_is_an_error(tmp_path: Path, held: bytes) -> None:
    secrets = write_leak(tmp_path)
    (tmp_path / "token").write_bytes(held)
    done = scan(secrets, "--server", "http://127.0.0.1:1", "--token-file", tmp_path / "token")
    assert done.exit_code == 2 and "--token-file holds no token" in done.stderr


def test_a_closed_stdin_is_reported_as_unreadable() -> None:
    command = [sys.executable, "-c", "from app.cli import main; main()", "scan", "-"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr, done.stderr
