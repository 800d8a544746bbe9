"""A file of public keys, as an option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.errors import Invalid

JWKS = click.Path(exists=True, dir_okay=False, path_type=Path)


def keys_in(file: Path) -> dict[str, Any]:
    """Read a JWK set; raises Invalid when the file holds no JSON object."""
    try:
        keys = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        keys = None
    if not isinstance(keys, dict):
        raise Invalid.field("jwks", f"{file} holds no JSON object")
    return keys
