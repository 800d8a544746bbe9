"""Insert very many rows fast: the driver's own executemany, or COPY on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Engine, Table

Row = Mapping[str, object]


def insert(engine: Engine, table: Table, rows: Iterable[Row]) -> None:
    """Insert the rows in one transaction; a column that a row does not name gets its default, a counting key its next.

    Values are converted as SQLAlchemy would. What the database refuses is raised as the driver raises it.
    """
    columns = [column for column in table.columns if column is not _counting(table)]
    connection = engine.raw_connection()
    try:
        write = _copy if engine.dialect.name == "postgresql" else _executemany
        write(connection.cursor(), engine, table, columns, _tuples(engine, columns, rows))
        connection.commit()
    finally:
        connection.close()


def _counting(table: Table) -> Column[Any] | None:
    column = table.autoincrement_column
    return column if column is not None and not column.foreign_keys else None


def _tuples(engine: Engine, columns: list[Column[Any]], rows: Iterable[Row]) -> Iterator[tuple[object, ...]]:
    readers = [_reader(engine, column) for column in columns]
    for row in rows:
        yield tuple(read(row) for read in readers)


def _reader(engine: Engine, column: Column[Any]) -> Callable[[Row], object]:
    convert = column.type.dialect_impl(engine.dialect).bind_processor(engine.dialect)
    default: object = getattr(column.default, "arg", None) if getattr(column.default, "is_scalar", False) else None
    name = column.name
    if convert is None:
        return lambda row: row.get(name, default)
    converting = convert
    return lambda row: converting(row.get(name, default))


def _names(engine: Engine, table: Table, columns: list[Column[Any]]) -> str:
    quote = engine.dialect.identifier_preparer
    return f"{quote.format_table(table)} ({', '.join(quote.quote(column.name) for column in columns)})"


def _executemany(
    cursor: Any, engine: Engine, table: Table, columns: list[Column[Any]], rows: Iterator[tuple[object, ...]]
) -> None:
    places = ", ".join("?" * len(columns))
    cursor.executemany(f"INSERT INTO {_names(engine, table, columns)} VALUES ({places})", rows)  # noqa: S608 - our names


def _copy(
    cursor: Any, engine: Engine, table: Table, columns: list[Column[Any]], rows: Iterator[tuple[object, ...]]
) -> None:
    with cursor.copy(f"COPY {_names(engine, table, columns)} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
