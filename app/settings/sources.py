"""Where settings come from: the environment, instance/latchkey.toml, and the files that `…_FILE` names."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from app.errors import BadSettings
from app.settings.outside_text import decode, plain, read_file
from app.settings.service_links import is_service_link

PREFIX = "LATCHKEY_"
FROM_FILE = "_file"  # ends the name of a setting whose value is in a file, as secrets of containers are
# the first key of a line of TOML, that of a table too; possessive, so that it is linear in any line
KEY = re.compile(r"""\s*+\[*+\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s=.\]"']++))\s*+[=.\]]""")
POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def default_instance_dir() -> Path:
    """Return the instance folder: LATCHKEY_INSTANCE_DIR, else `instance/` of the checkout or here."""
    if named := os.environ.get(PREFIX + "INSTANCE_DIR"):
        try:
            return Path(plain(named)).absolute()
        except ValueError as error:
            raise BadSettings(f"setting INSTANCE_DIR: {error}") from None
    checkout = Path(__file__).resolve().parent.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "instance"


def settings_file() -> Path:
    """Return where latchkey.toml is, if there is one."""
    return default_instance_dir() / "latchkey.toml"


def service_links() -> list[str]:
    """Return the names under our prefix that Kubernetes injects for a Service: they are no settings."""
    return sorted(name for name, value in os.environ.items() if is_service_link(name, value))


def from_environment(known: Collection[str], secret: Collection[str]) -> dict[str, Any]:
    """Return what LATCHKEY_… sets; the `secret` ones may be in files. Raise BadSettings for an unknown name."""
    others = set(service_links())
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX) and name not in others}
    values = {name.upper().removeprefix(PREFIX).lower(): value for name, value in ours.items()}
    allowed = {*known, *(name + FROM_FILE for name in secret)}
    if unknown := sorted(name for name in ours if name.upper().removeprefix(PREFIX).lower() not in allowed):
        raise BadSettings(f"unknown setting {unknown[0]}")
    return _with_files(values, secret)


def from_settings_file(secret: Collection[str]) -> dict[str, Any]:
    """Return what latchkey.toml sets, names in either case. Raise BadSettings that names its line."""
    return _with_files({name.lower(): value for name, value in _parse(settings_file()).items()}, secret)


def place_in_settings_file(name: str) -> str:
    """Return where latchkey.toml sets `name`, as an ending of a message; nothing when it does not."""
    path = settings_file()
    for number, line in enumerate(_text(path).split("\n"), 1):
        if (key := KEY.match(line)) and "".join(key.groups("")).lower() == name.lower():
            return f" ({path}, line {number})"
    return ""


def _with_files(values: dict[str, Any], secret: Collection[str]) -> dict[str, Any]:
    """Put the content of each file that a NAME_FILE names in the place of NAME."""
    for name in secret:
        path = values.pop(name + FROM_FILE, "")
        if path and values.get(name):
            raise BadSettings(f"settings {name.upper()} and {(name + FROM_FILE).upper()} are both set: set one of them")
        if path:
            values[name] = _held_in(f"{name}{FROM_FILE}".upper(), path)
    return values


def _held_in(setting: str, named: object) -> str:
    try:
        path = Path(plain(named)) if isinstance(named, str) else None
        if path is None:
            raise ValueError("must be the path of a file")
    except ValueError as error:
        raise BadSettings(f"setting {setting}: {error}") from None
    try:
        held = plain(decode(_content(path)))
    except FileNotFoundError:
        raise BadSettings(f"setting {setting}: there is no file {path}") from None
    except ValueError as error:
        raise BadSettings(f"setting {setting}: {path} {error}") from None
    if not held:
        raise BadSettings(f"setting {setting}: {path} is empty")
    return held


def _content(path: Path) -> bytes:
    return read_file(path) if stat.S_ISREG(_mode(path)) else _once(path)


@cache
def _once(path: Path) -> bytes:
    """Keep what a pipe held: the workers that are forked from this process read the settings again."""
    return read_file(path)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or type(error).__name__}") from None


def _text(path: Path) -> str:
    try:
        return decode(read_file(path))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise BadSettings(f"{path} {error}") from None


def _parse(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = POSITION.search(said)
        line = found[1] if found and found[1] else len(text.rstrip("\n").split("\n"))
        raise BadSettings(f"{path}, line {line}: {' '.join(POSITION.sub('', said).split())}") from None
    except RecursionError:
        raise BadSettings(f"{path} is nested too deeply") from None
