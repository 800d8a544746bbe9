"""Make the database with the tables of the models available to these tests."""

from tests.core import blank_database

__all__ = ["blank_database"]
