"""A Latchkey with which apps register themselves, two MCP servers that it protects, and a person who uses them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.resource_server import Configuration, Credential, Guard, Verification
from tests.api import Admin, Json, User, administrator
from tests.clients.document_host import DocumentHost, hosting
from tests.consenting import Person

SETTINGS = {"registration": "open", "client_id_metadata": "on", "allow_private_jwks_uri": "on"}
SCOPES: dict[Verification, str] = {"introspection": "orders:read", "local": "stock:read"}


@dataclass(frozen=True)
class McpServer:
    """Where an MCP server is, which is the identifier of its resource; the scope it needs; how it verifies a token."""

    url: str
    scope: str
    verification: Verification


@dataclass(frozen=True)
class Scene:
    """The organisation. `servers` are by how they verify a token."""

    admin: Admin
    user: User
    person: Person
    machine_role: Json
    servers: dict[Verification, McpServer]
    documents: DocumentHost


@contextmanager
def opened(folder: Path) -> Iterator[Scene]:
    """Start all of it."""
    with ExitStack() as stack:
        documents = stack.enter_context(hosting(folder))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(documents.certificate))
            admin = stack.enter_context(administrator(folder, SETTINGS))
        servers = {name: stack.enter_context(_mcp_server(admin, name)) for name in SCOPES}
        user = admin.user([admin.role("user", SCOPES.values())])
        person = Person(admin.server.url, user)
        stack.callback(person.close)
        yield Scene(admin, user, person, admin.role("machine", SCOPES.values()), servers, documents)


@contextmanager
def _mcp_server(admin: Admin, verification: Verification) -> Iterator[McpServer]:
    from tests.clients.mcp_server import LatchkeyVerifier, build, listen, serve  # the SDK takes a second of CPU

    listening, url = listen()
    scope = SCOPES[verification]
    admin.resource(identifier=url, permissions=[scope])
    verify = _verifier(admin, verification, url)
    with serve(build(url, LatchkeyVerifier(verify, admin.issuer, url), admin.issuer, [scope]), listening):
        yield McpServer(url, scope, verification)


def _verifier(admin: Admin, verification: Verification, resource: str) -> Callable[[str], Credential | None]:
    """Return a verifier as the package has them, for an API that is neither Flask nor another framework."""
    if verification == "local":
        return Guard(Configuration(admin.issuer, resource, verify="local")).verify
    own = admin.client(serves=[resource])
    return Guard(Configuration(admin.issuer, resource, *own.basic)).verify
