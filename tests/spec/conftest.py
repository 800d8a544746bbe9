"""An organisation that the tests of a file share; a test that changes it makes its own (`found`)."""

from collections.abc import Iterator

import pytest

from tests.api import Admin
from tests.contract.world import World, found
from tests.dpop import Prover
from tests.oauth.conftest import wire
from tests.oauth.wire import Wire
from tests.spec.workload import Trusting, start, stop

__all__ = ["wire"]


@pytest.fixture
def prover(wire: Wire) -> Prover:
    """Proves a key of its own, by the application's clock."""
    return Prover(lambda: wire.core.clock().timestamp())


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    """An organisation on the shared server; take it as it is."""
    return found(admin)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusting]:
    """What the tests share: they leave `job` and the issuer's keys as they are."""
    made = start(tmp_path_factory.mktemp("workload"))
    yield made
    stop(made)


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trusting]:
    """One to take apart."""
    made = start(tmp_path_factory.mktemp("workload"))
    yield made
    stop(made)
