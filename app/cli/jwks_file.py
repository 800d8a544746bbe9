"""A file of public keys, as an option."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from app.errors import Invalid
from app.settings.text_input import decode_utf8, read_file

JWKS = click.Path(exists=True, dir_okay=False, path_type=Path)


def keys_in(file: Path) -> dict[str, Any]:
    """Read a JWK set; raises Invalid when the file holds no JSON object."""
    try:
        keys = json.loads(decode_utf8(read_file(file)))
    except (json.JSONDecodeError, RecursionError):
        keys = None
    except (OSError, ValueError) as error:  # an OSError when it went since it was looked for
        raise Invalid.field("jwks", f"{file} {error}") from None
    if not isinstance(keys, dict):
        raise Invalid.field("jwks", f"{file} holds no JSON object")
    return keys
