"""The core is at hand in these tests."""

from tests.core import blank_database, core, empty_core

__all__ = ["blank_database", "core", "empty_core"]
