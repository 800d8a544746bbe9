"""An application in this process, on a set-up database, with routes that fail in every way."""

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from flask import Flask, Response
from sqlalchemy.exc import OperationalError

from app import create_app
from app.cli.set_up import set_up_instance
from app.settings.load import load_settings
from app.settings.settings import Settings
from tests.databases import database_in

SECRET = "lk_pat_" + "A" * 38
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


def settings_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Settings:
    """Read settings for an instance of its own."""
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(folder))
    return load_settings(**database_in(folder).settings, **settings)


def application(settings: Settings) -> Flask:
    """Make the application, with /boom/… routes."""
    set_up_instance(settings)
    app = create_app(settings)

    @app.get("/boom/bug")
    @app.get("/api/v1/boom")
    def bug() -> NoReturn:
        password = "a password in a local"
        raise ValueError(f"{password} {SECRET}")

    @app.get("/boom/database")
    def database() -> NoReturn:
        raise OperationalError("SELECT 1", {"digest": "a digest"}, Exception("database is locked"))

    @app.get("/boom/body")
    def body() -> Response:
        return Response(_broken())

    return app


def _broken() -> Iterator[bytes]:
    yield b"begun"
    raise RuntimeError("while the body is made")
