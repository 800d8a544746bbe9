"""A program that executes one statement in a database: the other process of a test."""

import sys

from sqlalchemy import create_engine, text

from app.database.engines import prepare_connections, prepare_engine


def main() -> None:
    """Execute the second argument in the database of the first, a URL."""
    _, url, statement = sys.argv
    engine = create_engine(url)
    prepare_connections(engine)
    prepare_engine(engine)
    with engine.begin() as connection:
        connection.execute(text(statement))
