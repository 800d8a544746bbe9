"""Traefik, which few distributions have: `python -m tests.gateways.traefik` builds it into the user's cache.

That takes 14 minutes of CPU and 5 GB of Go's caches, so no test does it: they run Traefik where it is found.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "v3.7.10"  # from 3.7.11 on it requires a module that the proxy does not have
SUM = "h1:M1nA8OnQy59LqfDtEpsmXfAtth9NrmXdC2i+miAWgI4="
MODULE = f"github.com/traefik/traefik/v3@{VERSION}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latchkey-tests"
BUILT = CACHE / f"traefik-{VERSION}"
# A nested module, which Go leaves out of the archive of the module around it: types without fields, for extensions.
EXTENSIONS = "pkg/config/dynamic/ext"
EXTENSION_FILES = {
    "go.mod": "module github.com/traefik/traefik/dynamic/ext\n\ngo 1.26\n",
    "ext.go": """package ext

type HTTP struct{}

type Router struct{}

type RouterIng struct{}

func (RouterIng) ToRouter() Router { return Router{} }
""",
}


def find_traefik() -> str | None:
    """Return the program that was built or is installed; None if there is none."""
    return str(BUILT) if BUILT.exists() else shutil.which("traefik")


def build() -> None:
    """Build it from the archive of the Go module proxy, in a copy, by its own list of modules and their digests."""
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        found = json.loads(_go("mod", "download", "-json", MODULE, cwd=source))
        if found["Sum"] != SUM:
            sys.exit(f"{MODULE} has the digest {found['Sum']}, which is not {SUM}")
        shutil.copytree(found["Dir"], source, copy_function=shutil.copyfile, dirs_exist_ok=True)
        _write_extensions(source / EXTENSIONS)
        _go(
            "build",
            "-buildvcs=false",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            f"{scratch}/traefik",
            "./cmd/traefik",
            cwd=source,
        )
        (Path(scratch) / "traefik").rename(BUILT)


def _write_extensions(folder: Path) -> None:
    folder.parent.chmod(0o755)
    folder.mkdir()
    for name, text in EXTENSION_FILES.items():
        (folder / name).write_text(text, encoding="utf-8")


def _go(*arguments: str, cwd: Path) -> str:
    environment = os.environ | {"CGO_ENABLED": "0"}
    return subprocess.run(
        ["go", *arguments], cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    CACHE.mkdir(parents=True, exist_ok=True)
    build()
    print(BUILT)
