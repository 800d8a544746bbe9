"""A test is marked by what its code can start, and a file on both databases separates its two runs."""

import pytest

from tests.cli.test_serve import run
from tests.databases import module_of
from tests.started import marker_names


def starts_a_server() -> None:
    run  # noqa: B018 - to name it is enough


def starts_nothing() -> None:
    assert module_of("tests/a/test_b.py::test_c")


@pytest.mark.parametrize(
    ("function", "markers"), [(starts_a_server, {"live"}), (starts_nothing, set())], ids=["a server", "nothing"]
)
def test_what_the_code_of_a_test_names_is_followed_through_what_it_calls(function: object, markers: set[str]) -> None:
    assert set(marker_names([function])) == markers


def test_a_test_that_starts_nothing_is_not_marked(request: pytest.FixtureRequest) -> None:
    assert not {"live", "program"} & {marker.name for marker in request.node.iter_markers()}


def test_the_module_of_a_test_is_its_file_or_the_second_run_of_its_file() -> None:
    assert module_of("tests/a/test_b.py::test_c[x::y]") == "tests/a/test_b.py"
    assert module_of("tests/a/test_b.py::postgresql::test_c") == "tests/a/test_b.py::postgresql"
