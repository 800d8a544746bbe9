"""These tests break databases of their own, whatever database the run uses."""

from collections.abc import Iterator

import pytest

from tests.databases import CHOICE


@pytest.fixture(scope="package", autouse=True)
def _on_files() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(CHOICE, raising=False)
        yield
