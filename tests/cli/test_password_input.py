"""A piped password is read like any external text: without its line end and without a traceback."""

import subprocess
from pathlib import Path

import pytest

from app.crypto.opaque import Prefix, mint
from tests.cli.forked import Done, Run, run_forked, run_with_input
from tests.live import COMMAND, environment

SET_PASSWORD = ("user", "set-password", "admin")


@pytest.fixture(scope="module")
def instance(set_up: Path) -> Path:
    """The one instance: a test leaves nothing but a password."""
    return set_up


def run_piped(instance: Path, raw: bytes, *command: str) -> Done:
    """Run a command with these bytes on stdin, in ASCII; return its exit code, stdout and stderr."""
    return run_with_input([*(command or SET_PASSWORD)], raw, environment(instance), "ascii")


def test_a_real_pipe_is_read(instance: Path) -> None:
    line = [str(COMMAND), *SET_PASSWORD]
    env = environment(instance) | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(line, env=env, input=b"x\xff", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"latchkey: password: is not UTF-8 text\n")


@pytest.mark.parametrize("raw", ["a long pass phrase", "a long pass phrase\r\n", "\ufeffa löng pass phrase\n"])
def test_a_line_end_and_a_byte_order_mark_are_not_part_of_the_password(instance: Path, raw: str) -> None:
    code, _, err = run_piped(instance, raw.encode())
    assert code == 0, err
    from app.cli.actions import open_actions

    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment(instance).items():
            if name.startswith("LATCHKEY_"):
                patched.setenv(name, value)
        known = open_actions().authenticate_user
        assert known("admin", raw.strip("\ufeff\r\n"), None, None) is not None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "stdin is empty"),
        (b"\r\n", "stdin is empty"),
        (b"a long pass phrase\xff", "is not UTF-8 text"),
        (b"a long pass phrase\nand more", "has a control character (U+000A, its character 19): remove it"),
        (b"a long\0pass phrase", "has a control character (U+0000, its character 7): remove it"),
        (b"x" * (1024 * 1024 + 1), "is longer than 1048576 bytes"),
    ],
)
def test_a_password_that_is_not_plain_text_is_refused_in_one_line(instance: Path, raw: bytes, said: str) -> None:
    code, _, err = run_piped(instance, raw)
    assert (code, err.decode()) == (1, f"latchkey: password: {said}\n")


def test_a_stdin_that_cannot_be_read_is_one_line_of_error(instance: Path) -> None:
    line = ["bash", "-c", '"$0" user set-password admin 0>/dev/null', str(COMMAND)]
    write_only = subprocess.run(line, env=environment(instance), capture_output=True, timeout=60, check=False)
    runs: dict[str, Run] = {"closed": ([*SET_PASSWORD], "utf-8", [0], {})}
    code, _, err = run_forked(runs, environment(instance), instance)["closed"]
    for ended, complained, said in (
        (write_only.returncode, write_only.stderr, b"stdin cannot be read"),
        (code, err, b"stdin is closed"),
    ):
        assert ended == 1 and complained.startswith(b"latchkey: password: " + said)
        assert complained.count(b"\n") == 1


def test_a_file_of_keys_may_begin_with_a_byte_order_mark_and_must_be_a_file(instance: Path, tmp_path: Path) -> None:
    command = "client", "create", "--name", "keys", "--auth-method", "private_key_jwt", "--jwks", str(tmp_path / "keys")
    for raw, said in {b"\xff": "is not UTF-8 text", b"[" * 100_000: "holds no JSON object"}.items():
        (tmp_path / "keys").write_bytes(raw)
        code, _, err = run_piped(instance, b"", *command)
        assert code == 1 and said in err.decode() and err.count(b"\n") == 1
    (tmp_path / "keys").write_bytes(b'\xef\xbb\xbf{"keys": []}')
    assert b"holds no JSON object" not in run_piped(instance, b"", *command)[2]


def test_a_file_with_a_token_may_begin_with_a_byte_order_mark(instance: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbf" + mint(Prefix.PAT).encode() + b"\r\n")
    server = ["--server", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token")]
    _, _, err = run_piped(instance, mint(Prefix.PAT).encode(), "scan", *server, "-")
    assert b"holds no token" not in err and b"no usable response" in err
