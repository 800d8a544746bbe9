"""Look for leaked secrets of ours in files and in everything that a git repository has ever held."""

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
OBJECTS = "objects"  # below .git: packed, and read through git
OFFLINE = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # an older git knows no NO_LAZY_FETCH
    "GIT_TERMINAL_PROMPT": "0",
}
HANDED_ON = ("GIT_CONFIG", "GIT_EXEC_PATH")  # others may be a hook's, and name the repository that runs us
NO_FILE = "(a message, a tag, or in no commit)"


@dataclass(frozen=True, slots=True)
class Found:
    """A sighting and its place: a path, and in a repository's history the commit that brought it."""

    seen: Sighting
    path: str
    commit: str | None = None


class Scan:
    """Walks paths. What cannot be read is told to `unread` (the path, and why) and left out."""

    def __init__(self, unread: Callable[[str, str], None], *, history: bool = True) -> None:
        self._unread = unread
        self._history = history
        self._repositories: set[str] = set()  # whose past was read

    def __call__(self, path: str) -> Iterator[Found]:
        """Give what a file, or a folder with all below it, holds; links below it are not followed."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._unread(path, _why(error))
            return
        if not stat.S_ISDIR(mode):
            yield from self._file(path)
            return
        yield from self._folder(path)

    def stream(self, stream: IO[bytes], name: str) -> Iterator[Found]:
        """Give what a stream holds."""
        try:
            yield from (Found(seen, name) for seen in sightings(stream))
        except OSError as error:
            self._unread(name, _why(error))

    def _folder(self, top: str) -> Iterator[Found]:
        for folder, below, files in os.walk(top, onerror=self._closed):
            below.sort()
            kept_by_git = _is_kept_by_git(Path(folder))
            if kept_by_git or GIT in below or GIT in files:
                read = yield from self._past(folder)
                if kept_by_git and read == os.path.realpath(folder):  # not what merely looks like it
                    below[:] = [name for name in below if name != OBJECTS]
            for name in sorted(files):
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    yield from self._file(path)

    def _file(self, path: str) -> Iterator[Found]:
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return  # a pipe would wait, a device never ends
            with open(path, "rb") as file:
                yield from self.stream(file, path)
        except OSError as error:
            self._unread(path, _why(error))

    def _closed(self, error: OSError) -> None:
        self._unread(str(error.filename), _why(error))

    def _past(self, repository: str) -> Generator[Found, None, str | None]:
        """Read every object that the repository has, reachable or not, each once; gives where git keeps them."""
        if which("git") is None:
            self._untold(repository, "its history was not read: git is not installed")
            return None
        history = _History(repository)
        try:
            kept_in = os.path.realpath(history.kept_in())
            if self._history and kept_in not in self._repositories:
                self._repositories.add(kept_in)
                yield from history.found()
            return kept_in
        except (subprocess.CalledProcessError, OSError, ValueError, EOFError):
            self._untold(repository, "its history cannot be read by git")
            return None

    def _untold(self, repository: str, why: str) -> None:
        if self._history:
            self._unread(repository, why)


class _History:
    """The objects of one repository, read through git's plumbing: other commands run programs that its config names."""

    def __init__(self, repository: str) -> None:
        self._git = ["git", "-C", repository, "-c", "core.fsmonitor=false"]
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name.startswith(HANDED_ON)
        }
        above = os.path.dirname(os.path.realpath(repository))  # where no damaged one passes for the one around it
        self._environment = ours | OFFLINE | {"GIT_CEILING_DIRECTORIES": above}

    def kept_in(self) -> str:
        """Name the folder that holds the objects; work trees of one repository share it."""
        return self._ask("rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")

    def found(self) -> Iterator[Found]:
        """Give what stands in files, messages and tags of any time; raises CalledProcessError, OSError, ValueError."""
        for name, held in self._objects():
            hits = list(sightings(held))
            if hits:
                commit, path = self._place(name)
                yield from (Found(seen, path, commit) for seen in hits)

    def _objects(self) -> Iterator[tuple[str, _Part]]:
        """Give the name of each object and a stream of what it holds, which must be read to its end."""
        command = [*self._git, "cat-file", "--batch", "--batch-all-objects", "--unordered"]
        with subprocess.Popen(  # noqa: S603 - fixed words, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environment
        ) as git:
            assert git.stdout is not None  # noqa: S101 - it is a pipe
            while header := git.stdout.readline():
                name, _, size = header.decode("ascii").split()
                yield name, _Part(git.stdout, int(size))
                git.stdout.read(1)  # the newline behind it
        if git.returncode:
            raise subprocess.CalledProcessError(git.returncode, "git")

    def _place(self, name: str) -> tuple[str, str]:
        """Give the commit that brought an object, and its path there; the object itself when no commit holds it."""
        commits = self._ask("rev-list", "--all", "--reflog", "--reverse")
        brought = ["diff-tree", "--stdin", "--root", "-m", "-r", "--format=%H", "--name-only", f"--find-object={name}"]
        for commit in self._ask(*brought, told=commits).split()[:1]:
            for entry in self._ask("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
                about, _, path = entry.partition("\t")
                if about.endswith(name):
                    return commit, path
        return name, NO_FILE

    def _ask(self, *arguments: str, told: str = "") -> str:
        done = subprocess.run(  # noqa: S603 - fixed words and the names of objects, no shell
            [*self._git, *arguments],
            check=True,
            input=told.encode("ascii"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        return os.fsdecode(done.stdout)


class _Part:
    """The next so many bytes of a stream, as a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        """Give at most `size` bytes; none at its end. Raises EOFError when the stream ends before."""
        piece = self._stream.read(min(size, self._left))
        if not piece and self._left:
            raise EOFError
        self._left -= len(piece)
        return piece


def _is_kept_by_git(folder: Path) -> bool:
    """Tell git's own folder, or a bare repository, from any other."""
    return (folder / "HEAD").is_file() and (folder / OBJECTS).is_dir() and (folder / "refs").is_dir()


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
