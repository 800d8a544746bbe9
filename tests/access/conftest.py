"""Make the fixtures of the core available to these tests."""

from tests.core import blank_database, core, empty_core

__all__ = ["blank_database", "core", "empty_core"]
