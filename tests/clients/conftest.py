"""An organisation that the tests of a file share, unless a test creates its own (`create_world`); npm packages."""

from pathlib import Path

import pytest

from tests.api import Admin
from tests.clients.building import Build, build_once
from tests.contract.world import World, create_world
from tests.machine import require_program

HERE = Path(__file__).parent
NODE_FILES = (
    "package.json",
    "package-lock.json",
    "oauth4webapi_client.mjs",
    "openid_client.mjs",
    "dpop_client.mjs",
    "delegated_clients.mjs",
    "mcp_client.mjs",
    "status_list_client.mjs",
    "standard_webhooks.mjs",
    "oidc_provider.mjs",
    "asked.mjs",
)
GO_FILES = ("go.mod", "go.sum", "main.go")
INSTALLING = 180  # seconds
COMPILING = 600  # seconds, the first time with the whole standard library


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    """An organisation on the shared server; take it as it is."""
    return create_world(admin)


@pytest.fixture
def loopback_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow the clients to use a server without TLS."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(scope="session")
def folder() -> Path:
    """The scripts beside the locked packages, in the user's cache: installed once for a lock file."""
    require_program("node")
    npm = require_program("npm")
    command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    return build_once(Build(HERE, NODE_FILES, command, INSTALLING))


@pytest.fixture(scope="session")
def go_app() -> Path:
    """The program over golang.org/x/oauth2, in the user's cache: compiled once for its source and its lock file."""
    command = (require_program("go"), "build", "-o", "app", ".")
    return build_once(Build(HERE / "go", GO_FILES, command, COMPILING)) / "app"
