"""Load the settings; what cannot work stops the start with one line."""

from __future__ import annotations

import os
from collections.abc import Collection

from pydantic import ValidationError

from app.errors import BadSettings
from app.settings.settings import Settings
from app.settings.sources import PREFIX, place_in_settings_file

NOT_SET_UP = "the database is not set up: run `latchkey init` or start the server"


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment, which wins over the file.

    Without a SECRET_KEY, the kept one is used, and made at the first start. Raise BadSettings with one line that names
    the setting, never its value.
    """
    settings = settings_as_given(**overrides)
    return settings if settings.secret_key.get_secret_value() else settings.with_kept_key()


def load_existing_settings() -> Settings:
    """Read the settings of an instance that is set up, and make no file. Raise BadSettings when it is not set up."""
    settings = settings_as_given()
    if settings.database_file and not settings.database_file.exists():
        raise BadSettings(NOT_SET_UP)
    return settings if settings.secret_key.get_secret_value() else settings.with_kept_key(make=False)


def settings_as_given(**overrides: object) -> Settings:
    """Read the settings as `load_settings` does, and leave SECRET_KEY empty when it is not set."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadSettings(_one_line(error, given)) from None


def _one_line(error: ValidationError, given: Collection[str]) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    message = first["msg"].removeprefix("Value error, ")
    elsewhere = not name or name in given or f"{PREFIX}{name}".upper() in map(str.upper, os.environ)
    place = "" if elsewhere else place_in_settings_file(name)
    if first["type"] == "extra_forbidden":
        return f"unknown setting {ascii(name)[1:-1].upper()}{place}"
    return f"setting {name.upper()}: {message}{place}" if name else message
