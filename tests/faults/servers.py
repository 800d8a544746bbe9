"""A PostgreSQL of our own that a test can kill, stop, start again and put on a full disk."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.cluster import FORGETFUL, PATIENCE, Cluster
from tests.machine import lacking


class Fragile(Cluster):
    """A cluster whose end is seen by its own processes' ids; the thread that starts it must outlive it."""

    settings = (*FORGETFUL, "synchronous_commit=on")  # what it said it keeps is there after it was killed

    def kill(self) -> None:
        """End it as a power cut does."""
        self._signal(signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._admin.close()

    def start(self) -> None:
        """Start it again on its data, and wait until it answers."""
        self._process = self._start()
        self._admin = self._first_connection()

    def restart(self) -> None:
        """Close every connection, and start again."""
        self._admin.close()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        self.start()

    def pause(self) -> None:
        """Stop every one of its processes (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue them (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def admit(self, name: str, connections: int) -> None:
        """Limit the connections of a database; -1 removes the limit."""
        self.execute(f"ALTER DATABASE {name} CONNECTION LIMIT {connections}")

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self._process.pid, *_children(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Path | None]:
    """Return a file system of that size that every user can write to; None where mounting is not allowed."""
    folder = Path(tempfile.mkdtemp(prefix="latchkey-disk-"))  # a database's own user cannot look into pytest's folders
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=1777", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    folder.chmod(0o1777)
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def required(disk: Path | None) -> Path:
    """Return a mounted disk, else skip (or, with CI=true, fail)."""
    return disk or lacking("right to mount a file system")


def remount(folder: Path, how: str) -> None:
    """Change a mounted file system: `ro` or `rw`."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True, capture_output=True)


def fill(folder: Path, spare: int = 0) -> Path:
    """Leave no more than so many bytes on a file system; return the file to delete."""
    full = folder / "filler"
    with full.open("wb", buffering=0) as out, suppress(OSError):  # a buffer that cannot be written fails the close too
        while True:
            out.write(b"\0" * 65_536)
    if spare:
        os.truncate(full, max(0, full.stat().st_size - spare))
    return full
