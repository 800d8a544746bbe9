"""The management API on a database of its own, called without a server."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app import create_app
from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser
from app.compose import FurtherKinds
from app.database.store import Store
from app.maintenance.bootstrap import PERMISSIONS
from app.models import Resource
from app.settings.settings import Settings
from tests.core import ISSUER, ORDERS, Core, MutableClock
from tests.databases import chosen, database_in
from tests.templates import STORED, create_tables, template_folder

OWN = f"{ISSUER}/api/v1"
PASSWORD = "correct horse battery staple"
_serial = itertools.count(1)


@dataclass
class Face:
    """The application, the core below it, and the short ways to call and to be somebody."""

    app: Flask
    core: Core
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.app.test_client()

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> Any:
        """Call `/api/v1{path}` with a Bearer token; `options` go to Flask's test client."""
        headers = dict(options.pop("headers", {})) | ({"Authorization": f"Bearer {token}"} if token else {})
        return self.http.open(f"/api/v1{path}", method=method, headers=headers, **options)

    def create(self, path: str, body: object, token: str) -> Any:
        """POST and return the new object; asserts 201."""
        response = self.call("POST", path, token, json=body)
        assert response.status_code == 201, response.text
        return response.json

    def machine(self, *scopes: str) -> str:
        """Return an M2M token of a new client with these scopes of this API."""
        name = f"machine-{next(_serial)}"
        self.core.role(name, "machine", *scopes)
        self.core.client(name, name)
        return self.core.m2m(name, " ".join(scopes), OWN)

    def person(self, *scopes: str) -> str:
        """Make a user with a password whose role gives these scopes; give the username."""
        name = f"person-{next(_serial)}"
        self.core.role(name, "user", *scopes)
        user = self.core.actions.users.create(OPERATOR, NewUser(name, password=PASSWORD, roles=(name,)))
        self.core._rows[name] = user.id
        return name

    def pat(self, *scopes: str) -> str:
        """Return a PAT of a new user with these scopes."""
        return self.core.pat(self.person(*scopes), *scopes)[1]

    def me(self, username: str, password: str = PASSWORD, path: str = "", **options: Any) -> Any:
        """Call `/api/v1/me{path}` by password."""
        return self.http.open(f"/api/v1/me{path}", auth=(username, password), **options)


def start_face(folder: Path, further_kinds: FurtherKinds | None = None, **settings: Any) -> Face:
    """Make an application with one resource beside its own, on a copy of a database if the settings allow it."""
    if STORED & settings.keys() or further_kinds:
        return _furnish(_start(folder, create_tables, further_kinds, **settings))
    template = _template(chosen())
    face = _start(folder, template.core.database.copy_to, **settings)
    face.core._rows.update(template.core._rows)
    return face


@cache
def _template(database: str) -> Face:
    """Return a furnished application to copy, on a kind of database."""
    made = _furnish(_start(template_folder(), create_tables))
    stop_face(made)
    return made


def _furnish(face: Face) -> Face:
    core = face.core
    with core.store.transaction() as session:
        core.actions.signing_keys.ensure(session, core.clock())
    core.resource(OWN, *PERMISSIONS)
    with core.store.transaction() as session:
        session.execute(update(Resource).values(built_in=True))
    core.resource(ORDERS, "orders:read", "orders:write", public=["orders:list"])
    return face


def _start(
    folder: Path, fill: Callable[[Path], None], further_kinds: FurtherKinds | None = None, **changed: Any
) -> Face:
    fill(folder)
    database, clock = database_in(folder), MutableClock()
    known = {"issuer": ISSUER, "secret_key": "k" * 40} | changed
    app = create_app(Settings(instance_dir=folder, **database.settings, **known), clock, further_kinds)
    return Face(app, Core(app.actions, clock, database))


def stop_face(face: Face) -> None:
    """Close the database's connections."""
    face.core.actions.usage.stop()
    store: Store = face.core.store
    store.dispose()
