"""A pytest plugin: further live servers that the tests of a process share, since each start costs seconds."""

from collections.abc import Iterator

import pytest

from tests.api import Admin
from tests.live import LiveServer

SETTINGS = {
    "trusted_proxies": "127.0.0.1/32,10.0.0.0/8",
    "forward_auth_query_key": "apikey",
    "allow_private_jwks_uri": "true",
    "pat_default_lifetime": "600",
    "pat_max_lifetime": "3600",
}


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """The administrator of a server whose settings differ from the defaults: those of SETTINGS."""
    live = LiveServer(tmp_path_factory.mktemp("configured") / "instance", SETTINGS).start()
    yield Admin(live)
    live.stop()


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """The administrator of a server of two processes, whose signing keys may be rotated."""
    live = LiveServer(tmp_path_factory.mktemp("many") / "instance", workers=2).start()
    yield Admin(live)
    live.stop()
