"""A pytest plugin: further live servers that the tests of a process share, since each start costs seconds."""

from collections.abc import Callable, Iterator

import pytest

from tests.api import Admin, administrator
from tests.databases import per_database

SETTINGS = {
    "trusted_proxies": "127.0.0.1/32,10.0.0.0/8",
    "forward_auth_query_key": "apikey",
    "allow_private_jwks_uri": "true",
    "pat_default_lifetime": "600",
    "pat_max_lifetime": "3600",
}


@pytest.fixture(scope="session")
def _configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Admin]]:
    with per_database(lambda: administrator(tmp_path_factory.mktemp("configured"), SETTINGS)) as of_database:
        yield of_database


@pytest.fixture(scope="module")
def configured(_configured: Callable[[], Admin]) -> Admin:
    """The administrator of a server with the settings SETTINGS instead of the defaults."""
    return _configured()


@pytest.fixture(scope="session")
def _many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Admin]]:
    with per_database(lambda: administrator(tmp_path_factory.mktemp("many"), workers=2)) as of_database:
        yield of_database


@pytest.fixture(scope="module")
def many(_many: Callable[[], Admin]) -> Admin:
    """The administrator of a server of two processes, whose signing keys may be rotated."""
    return _many()
