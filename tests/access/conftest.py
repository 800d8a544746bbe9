"""The core is at hand in these tests."""

from tests.core import _templates, blank_database, core, empty_core

__all__ = ["_templates", "blank_database", "core", "empty_core"]
