"""Where settings come from: the environment, instance/latchkey.toml, and the files that `…_FILE` names."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from app.errors import BadSettings
from app.settings.service_links import is_service_link
from app.settings.text_input import clean_text, decode_utf8, lower_names, read_file, read_once

PREFIX = "LATCHKEY_"
FROM_FILE = "_file"  # suffix of a setting that names a file with the value, as for container secrets
# the first key of a line of TOML, that of a table too; possessive, so that it is linear in any line
KEY = re.compile(r"""\s*+\[*+\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s=.\]"']++))\s*+[=.\]]""")
POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def default_instance_dir() -> Path:
    """Return the instance folder: LATCHKEY_INSTANCE_DIR, else `instance/` of the checkout or here."""
    if named := os.environ.get(PREFIX + "INSTANCE_DIR"):
        try:
            return Path(clean_text(named)).absolute()
        except ValueError as error:
            raise BadSettings(f"setting INSTANCE_DIR: {error}") from None
    checkout = Path(__file__).resolve().parents[2]
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "instance"


def settings_file() -> Path:
    """Return where latchkey.toml is, if there is one."""
    return default_instance_dir() / "latchkey.toml"


def service_links() -> list[str]:
    """Return the variables with our prefix that Kubernetes injects for a Service, which are not settings."""
    return sorted(name for name, value in os.environ.items() if is_service_link(name, value))


def from_environment(known: Collection[str], secret: Collection[str]) -> dict[str, Any]:
    """Return what LATCHKEY_… sets; the `secret` ones may be in files. Raise BadSettings for an unknown name."""
    others = set(service_links())
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX) and name not in others}
    lower = _lower_names(ours, "the environment")
    values = {name.removeprefix(PREFIX.lower()): value for name, value in lower.items()}
    allowed = {*known, *(name + FROM_FILE for name in secret)}
    if unknown := sorted(name for name in ours if name.upper().removeprefix(PREFIX).lower() not in allowed):
        raise BadSettings(f"unknown setting {unknown[0]}")
    return _with_files(values, secret)


def from_settings_file(secret: Collection[str]) -> dict[str, Any]:
    """Return what latchkey.toml sets, names in either case. Raise BadSettings that names the line."""
    path = settings_file()
    return _with_files(_lower_names(_read_toml(path), str(path)), secret)


def place_in_settings_file(name: str) -> str:
    """Return the line where latchkey.toml sets `name`, as the end of a message; empty when it does not."""
    path = settings_file()
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if (key := KEY.match(line)) and "".join(key.groups("")).lower() == name.lower():
            return f" ({path}, line {number})"
    return ""


def _lower_names(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    try:
        return lower_names(values)
    except ValueError as error:
        raise BadSettings(f"{where}: {error}") from None


def _with_files(values: dict[str, Any], secret: Collection[str]) -> dict[str, Any]:
    """Replace each NAME_FILE by NAME with the content of the file."""
    for name in secret:
        path = values.pop(name + FROM_FILE, "")
        if path and values.get(name):
            raise BadSettings(f"settings {name.upper()} and {(name + FROM_FILE).upper()} are both set: set one of them")
        if path:
            values[name] = _read_value(f"{name}{FROM_FILE}".upper(), path)
    return values


def _read_value(setting: str, named: object) -> str:
    try:
        path = Path(clean_text(named)) if isinstance(named, str) else None
        if path is None:
            raise ValueError("must be the path of a file")
    except ValueError as error:
        raise BadSettings(f"setting {setting}: {error}") from None
    try:
        value = clean_text(decode_utf8(read_once(path)))
    except FileNotFoundError:
        raise BadSettings(f"setting {setting}: there is no file {path}") from None
    except ValueError as error:
        raise BadSettings(f"setting {setting}: {path} {error}") from None
    if not value:
        raise BadSettings(f"setting {setting}: {path} is empty")
    return value


def _read_text(path: Path) -> str:
    try:
        return decode_utf8(read_file(path))
    except FileNotFoundError:
        return ""
    except ValueError as error:
        raise BadSettings(f"{path} {error}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = POSITION.search(message)
        line = found[1] if found and found[1] else len(text.rstrip("\n").split("\n"))
        raise BadSettings(f"{path}, line {line}: {' '.join(POSITION.sub('', message).split())}") from None
    except RecursionError:
        raise BadSettings(f"{path} is nested too deeply") from None
