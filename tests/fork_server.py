"""A process that has loaded Latchkey once, and forks for each server that a test starts: a start costs no imports.

`start` is for tests, and starts the process at its first use. The process ends when the one that started it does, and
with it every server and command that it has forked.
"""

import contextlib
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parent.parent
SETTING = "LATCHKEY_"
SHARED = "TEST_FORK_SERVER"  # in the environment of a program: the socket of the fork server that it uses
LATCHKEY = "app.cli"
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PATIENCE = 60.0  # seconds for a command to end
COMMAND = """#!{python} -IS
import json, os, socket, sys
own = f"/proc/{{os.getpid()}}/fd/"
wanted = {{"arguments": ["{module}", *sys.argv[1:]], "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as server, server.makefile() as answers:
    server.connect("{path}")
    server.sendall(json.dumps(wanted | {{"stdout": own + "1", "stderr": own + "2"}}).encode() + b"\\n")
    answers.readline()
    sys.exit(int(answers.read() or 1))
"""
_starting = threading.Lock()
_door: Path | None = None
_children: set[int] = set()  # of the fork server: each leads a process group


@dataclass(frozen=True, slots=True)
class Streams:
    """The standard streams of a command, and the folder in which it runs."""

    stdin: str = os.devnull
    encoding: str | None = None
    closed: Sequence[int] = ()  # the descriptors that are closed at its start
    folder: str | None = None


class Forked:
    """A server of the fork server, as `subprocess.Popen` has its processes."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return the exit code; raise TimeoutExpired."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                told = self._connection.recv(100)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("latchkey", timeout or 0) from None
            self.returncode = int(told) if told else -signal.SIGKILL
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def shared() -> dict[str, str]:
    """Return the environment in which a program starts its servers here."""
    return {SHARED: str(_running())}


def is_shared() -> bool:
    """Return whether this process was started with such an environment."""
    return SHARED in os.environ


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stdout: Path,
    stderr: Path,
    module: str = LATCHKEY,
    streams: Streams = Streams(),
) -> Forked:
    """Run `latchkey` with these arguments in a process group of its own; what it prints is appended to the files.

    With `module`, run the `main` of that one instead.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(_running()))
    wanted = {"arguments": [module, *arguments], "environment": {**environment}}
    wanted |= {"stdout": str(stdout), "stderr": str(stderr), "streams": asdict(streams)}
    connection.sendall(json.dumps(wanted).encode() + b"\n")
    return Forked(connection, int(_read_line(connection)))


def _read_line(connection: socket.socket) -> bytes:
    """Read exactly one line: the exit code may have arrived with it."""
    line = b""
    while not line.endswith(b"\n"):
        if not (byte := connection.recv(1)):
            raise ConnectionError("the fork server has ended")
        line += byte
    return line


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `latchkey` with these arguments to its end, on an empty stdin; return its exit code and what it printed."""
    with tempfile.TemporaryDirectory(prefix="latchkey-run-") as folder:
        stdout, stderr = Path(folder) / "stdout", Path(folder) / "stderr"
        process = start(arguments, environment, stdout, stderr)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess([*arguments], code, stdout.read_text("utf-8"), stderr.read_text("utf-8"))


def make_command(folder: Path) -> None:
    """Make the folder, with a `latchkey` in it for a shell that runs in the fork server."""
    folder.mkdir(parents=True)
    file = folder / "latchkey"
    file.write_text(COMMAND.format(python=sys.executable, path=str(_running()), module=LATCHKEY), encoding="utf-8")
    file.chmod(0o755)


def _running() -> Path:
    """Return the socket of the fork server of this test process, which is started if need be."""
    global _door
    if is_shared():
        return Path(os.environ[SHARED])
    with _starting:
        if _door is None:
            door = Path(tempfile.mkdtemp(prefix="latchkey-forks-")) / "socket"
            environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTING)}
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server", str(door)],
                cwd=ROOT,
                env=environment | {METRICS_FOLDER: str(door.parent)},
                stdin=subprocess.PIPE,  # closed when this process ends
                stdout=subprocess.PIPE,
            )
            assert process.stdout is not None
            assert process.stdout.readline(), "the fork server did not start"
            _door = door
        return _door


def main(door: Path) -> None:
    """Load the application, then fork for each connection until stdin ends."""
    load_app()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(door))
        listening.listen(64)
        print("ready", flush=True)
        threading.Thread(target=_end_with_parent, args=(door,), daemon=True).start()
        while True:
            connection, _ = listening.accept()
            _serve(connection, listening)


def load_app() -> None:
    """Import all of the application, and make one: what a fork has need not be made by its children."""
    from pydantic import SecretStr
    from sqlalchemy.orm import configure_mappers

    import app
    from app.settings.settings import Settings
    from tests import cheap_hashes, compiled_rules

    for module in pkgutil.walk_packages(app.__path__, "app."):
        if not module.name.startswith(("app.migrations.", "app.resource_server.")):  # nor the frameworks of others
            import_module(module.name)
    configure_mappers()
    with tempfile.TemporaryDirectory() as folder:  # an application fills the caches that its like use
        cheap_hashes.use()
        compiled_rules.share()
        like = Settings(instance_dir=Path(folder), issuer="https://login.example", secret_key=SecretStr("k" * 40))
        app.create_app(like)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it shares


def _end_with_parent(door: Path) -> None:
    sys.stdin.buffer.read()
    for child in [*_children]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    for file in door.parent.iterdir():
        file.unlink()
    door.parent.rmdir()
    os._exit(0)


def _serve(connection: socket.socket, listening: socket.socket) -> None:
    wanted = json.loads(connection.makefile().readline())
    child = os.fork()
    if child == 0:
        listening.close()
        connection.close()
        streams = Streams(**wanted.get("streams", {}))
        _become(wanted["environment"], streams)
        _open_streams(streams, wanted["stdout"], wanted["stderr"])
        _run(wanted["arguments"])
    _children.add(child)
    connection.sendall(f"{child}\n".encode())
    threading.Thread(target=_tell_end, args=(connection, child), daemon=True).start()


def _tell_end(connection: socket.socket, child: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _children.discard(child)
    with contextlib.suppress(OSError), connection:  # nobody may wait for it any more
        connection.sendall(str(code).encode())


def _become(environment: dict[str, str], streams: Streams) -> None:
    """Take what a process of its own would have: a session, an environment, and a folder."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    if streams.folder is not None:
        os.chdir(streams.folder)


def _open_streams(streams: Streams, stdout: str, stderr: str) -> None:
    """Open the standard streams as Python does at its start."""
    os.dup2(os.open(streams.stdin, os.O_RDONLY), 0)
    for number, path in ((1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    coded = streams.encoding
    sys.stdin = open(0, encoding=coded, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding=coded, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=coded, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for number in streams.closed:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def _run(arguments: list[str]) -> None:
    """Run the command to its end, as the interpreter does."""
    import atexit
    import multiprocessing.util
    import traceback

    code: object = 1
    module = arguments[0]
    sys.argv = ["latchkey", *arguments[1:]]
    try:
        import_module(module).main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # the child must not go on as its parent
        traceback.print_exc()
    finally:
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        code = _flush(code)
        os._exit(code if isinstance(code, int) else 1)


def _flush(code: object) -> object:
    """Flush what is open; return 120 where stdout cannot be flushed, as the interpreter does."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = 120 if stream is sys.stdout else code
    return code


if __name__ == "__main__":
    main(Path(sys.argv[1]))
