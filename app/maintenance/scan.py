"""Find leaked secrets of ours in files and in the whole history of git repositories."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import IO

from app.maintenance.sightings import Sighting, sightings

GIT = ".git"
OBJECTS = "objects"  # below .git: compressed, and read through git
OFFLINE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # for a git without NO_LAZY_FETCH
    "GIT_TERMINAL_PROMPT": "0",
}
INHERITED = ("GIT_CONFIG", "GIT_EXEC_PATH")  # other variables may come from a hook, and name its repository
NO_FILE = "(a message, a tag, or in no commit)"


@dataclass(frozen=True, slots=True)
class Found:
    """A sighting and its place: a path, and in a repository's history the commit that added it."""

    seen: Sighting
    path: str
    commit: str | None = None


class Scan:
    """Walks paths; calls `unread` with the path and the reason for what it cannot read."""

    def __init__(self, unread: Callable[[str, str], None], *, history: bool = True) -> None:
        self._unread = unread
        self._history = history
        self._repositories: set[str] = set()  # whose history was read

    def __call__(self, path: str) -> Iterator[Found]:
        """Return the secrets in a file, or in a folder and everything below it, without following links."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._unread(path, _reason(error))
            return
        if not stat.S_ISDIR(mode):
            yield from self._scan_file(path)
            return
        yield from self._scan_folder(path)

    def stream(self, stream: IO[bytes], name: str) -> Iterator[Found]:
        """Return the secrets in a stream."""
        try:
            yield from (Found(seen, name) for seen in sightings(stream))
        except OSError as error:
            self._unread(name, _reason(error))

    def _scan_folder(self, top: str) -> Iterator[Found]:
        for folder, below, files in os.walk(top, onerror=self._report_unreadable):
            below.sort()
            is_git_folder = _is_git_folder(Path(folder))
            if is_git_folder or GIT in below or GIT in files:
                read = yield from self._scan_history(folder)
                if is_git_folder and read == os.path.realpath(folder):  # really git's, not a folder that looks like it
                    below[:] = [name for name in below if name != OBJECTS]
            for name in sorted(files):
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    yield from self._scan_file(path)

    def _scan_file(self, path: str) -> Iterator[Found]:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return  # a pipe would block, a device never ends
            with open(path, "rb") as file:
                yield from self.stream(file, path)
        except OSError as error:
            self._unread(path, _reason(error))

    def _report_unreadable(self, error: OSError) -> None:
        self._unread(str(error.filename), _reason(error))

    def _scan_history(self, repository: str) -> Generator[Found, None, str | None]:
        """Read every object of the repository once, reachable or not; return the folder of its objects."""
        if which("git") is None:
            self._report_history(repository, "its history was not read: git is not installed")
            return None
        history = _History(repository)
        try:
            folder = os.path.realpath(history.object_folder())
            if self._history and folder not in self._repositories:
                self._repositories.add(folder)
                yield from history.find()
            return folder
        except (subprocess.CalledProcessError, OSError, ValueError, EOFError):
            self._report_history(repository, "its history cannot be read by git")
            return None

    def _report_history(self, repository: str, why: str) -> None:
        if self._history:
            self._unread(repository, why)


class _History:
    """The objects of one repository, read by git's plumbing commands: others run programs named in its config."""

    def __init__(self, repository: str) -> None:
        self._git = ["git", "-C", repository, "-c", "core.fsmonitor=false"]
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name.startswith(INHERITED)
        }
        above = os.path.dirname(os.path.realpath(repository))  # git must not look for a repository further up
        self._environment = ours | OFFLINE | {"GIT_CEILING_DIRECTORIES": above}

    def object_folder(self) -> str:
        """Return the folder with the objects, which the work trees of one repository share."""
        return self._run("rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")

    def find(self) -> Iterator[Found]:
        """Return the secrets in all files, messages and tags; raise CalledProcessError, OSError or ValueError."""
        for name, content in self._objects():
            hits = list(sightings(content))
            if hits:
                commit, path = self._place(name)
                yield from (Found(seen, path, commit) for seen in hits)

    def _objects(self) -> Iterator[tuple[str, _Part]]:
        """Return the name of each object and a stream of its content, which must be read to its end."""
        command = [*self._git, "cat-file", "--batch", "--batch-all-objects", "--unordered"]
        with subprocess.Popen(  # noqa: S603 - fixed words, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environment
        ) as git:
            assert git.stdout is not None  # noqa: S101 - it is a pipe
            while header := git.stdout.readline():
                name, _, size = header.decode("ascii").split()
                yield name, _Part(git.stdout, int(size))
                git.stdout.read(1)  # the newline after it
        if git.returncode:
            raise subprocess.CalledProcessError(git.returncode, "git")

    def _place(self, name: str) -> tuple[str, str]:
        """Return the commit that added an object, and its path there; the object's name when no commit contains it."""
        commits = self._run("rev-list", "--all", "--reflog", "--reverse")
        added = ["diff-tree", "--stdin", "--root", "-m", "-r", "--format=%H", "--name-only", f"--find-object={name}"]
        for commit in self._run(*added, stdin=commits).split()[:1]:
            for entry in self._run("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
                about, _, path = entry.partition("\t")
                if about.endswith(name):
                    return commit, path
        return name, NO_FILE

    def _run(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - fixed words and the names of objects, no shell
            [*self._git, *arguments],
            check=True,
            input=stdin.encode("ascii"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        return os.fsdecode(done.stdout)


class _Part:
    """The next `size` bytes of a stream, as a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at its end; raise EOFError when the stream ends too early."""
        piece = self._stream.read(min(size, self._left))
        if not piece and self._left:
            raise EOFError
        self._left -= len(piece)
        return piece


def _is_git_folder(folder: Path) -> bool:
    """Return whether this is git's own folder or a bare repository."""
    return (folder / "HEAD").is_file() and (folder / OBJECTS).is_dir() and (folder / "refs").is_dir()


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
