"""A file of public keys (a JWK set) as the value of an option."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from app.errors import Invalid
from app.settings.text_input import decode_utf8, read_file


class JwksFile(click.Path):
    """A file that holds a JWK set; the command receives the set."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the set. Raise Invalid when the file holds no JSON object."""
        return value if isinstance(value, dict) else _read_jwks(Path(os.fsdecode(super().convert(value, param, ctx))))


JWKS = JwksFile()


def _read_jwks(file: Path) -> dict[str, Any]:
    try:
        keys = json.loads(decode_utf8(read_file(file)))
    except (json.JSONDecodeError, RecursionError):
        keys = None
    except (OSError, ValueError) as error:  # an OSError when the file was removed after click's check
        raise Invalid.field("jwks", f"{file} {error}") from None
    if not isinstance(keys, dict):
        raise Invalid.field("jwks", f"{file} holds no JSON object")
    return keys
