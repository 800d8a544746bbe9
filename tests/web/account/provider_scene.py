"""A server at which people sign in by a fake provider, and the browsers that they use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from werkzeug.test import TestResponse

from app.models import IdentityLink, ProvidedRole, User, UserRole
from tests.core import MutableClock
from tests.fake_provider import CLIENT, SECRET, FakeProvider, providing
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor

NAME = "Acme SSO"
ID = "acme-sso"


@dataclass
class Scene:
    """The server, its providers by their ids, and the clock that all of them share."""

    face: Face
    clock: MutableClock
    provider: FakeProvider
    others: dict[str, FakeProvider] = field(default_factory=dict)
    seconds: float = 0.0  # by which the time until documents are fetched again has moved

    def visitor(self) -> Visitor:
        """Return a browser of its own."""
        return Visitor(self.face.app.test_client())

    def begin(self, who: Visitor, provider_id: str = ID, **query: str) -> str:
        """Choose a provider; return where the browser is sent."""
        response = who.http.get(f"/login/with/{provider_id}", query_string=query)
        assert response.status_code == 303, response.text
        return str(response.location)

    def sign_in(self, who: Visitor, subject: str, token: str | None = None, **claims: Any) -> TestResponse:
        """Sign in at the provider; return our answer to what it sends the browser with."""
        return who.http.get(self.provider.consent(self.begin(who), subject, token, **claims))

    def admit(self, subject: str, **claims: Any) -> Visitor:
        """Sign in, and expect it to succeed."""
        who = self.visitor()
        response = self.sign_in(who, subject, **claims)
        assert response.status_code == 303, response.text
        return who

    def refetch(self) -> None:
        """Pass the time after which an unknown key is fetched again."""
        self.seconds += 31.0

    def user(self, username: str) -> User:
        """Return a user by the username."""
        with self.face.core.store.reading() as session:
            return session.scalars(select(User).where(User.username == username)).one()

    def roles(self, username: str) -> dict[str, bool]:
        """Return a user's roles, and whether each was given here."""
        with self.face.core.store.reading() as session:
            user = session.scalars(select(User).where(User.username == username)).one()
            given = {
                row.role_id: row.given_here for row in session.scalars(select(UserRole).filter_by(user_id=user.id))
            }
            return {role.name: given[role.id] for role in user.roles}

    def count(self, table: type[IdentityLink | ProvidedRole | User]) -> int:
        """Count the rows of a table."""
        return self.face.core.count(table)


def entry(provider: FakeProvider, name: str = NAME, **others: Any) -> dict[str, Any]:
    """Return the entry of a provider in the settings file."""
    plain = {"name": name, "issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET}
    groups = {"groups_claim": "groups", "roles": {"buyers": ["buyer"], "auditors": ["auditor", "buyer"]}}
    made: dict[str, Any] = plain | groups | {"create_users": True} | others
    return {name: value for name, value in made.items() if value is not None}


@contextmanager
def staged(folder: Path, *more: str, entries: dict[str, Any] | None = None, **settings: Any) -> Iterator[Scene]:
    """Start a server with a provider, and `more` of them by their names; `entries` are further fields of all."""
    clocks = [MutableClock()]  # the server's, once it is there
    with ExitStack() as stack:
        known = {name: stack.enter_context(providing(lambda: int(clocks[0]().timestamp()))) for name in (NAME, *more)}
        tables = [entry(one, name, **(entries or {})) for name, one in known.items()]
        plain: dict[str, Any] = {"allow_private_jwks_uri": True, "rate_limits": "off", "identity_provider": tables}
        face = start_face(folder, **(plain | settings))
        stack.callback(stop_face, face)
        face.core.role("buyer", "user", "orders:read")
        face.core.role("auditor", "user", "orders:write")
        clocks[0] = face.core.clock
        others = {name.lower(): one for name, one in known.items() if name != NAME}
        scene = Scene(face, face.core.clock, known[NAME], others)
        documents = face.core.actions.federation.ask._tokens._documents
        documents._monotonic = lambda: scene.seconds
        yield scene


def path_of(url: str) -> str:
    """Return the path of a URL with its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"
