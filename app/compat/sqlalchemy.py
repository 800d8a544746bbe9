"""SQLAlchemy's private names (bound to SQLAlchemy 2.1): statements that are compiled once and run on the driver."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Insert, Select


class CompiledSelect:
    """A select that is compiled once and then run on the driver: for the few statements that every request runs.

    A connection with event listeners, and any failure of the driver, falls back to SQLAlchemy's own execution.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Take a statement whose values are all named by bindparam(); none of them a list."""
        self.statement = statement
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Return all rows, as SQLAlchemy would."""
        if connection._has_events:
            return connection.execute(self.statement, values).all()
        plan = self._plans.get(connection.dialect.name) or self._prepare(connection.dialect)
        try:
            return plan.rows(connection.connection.driver_connection, values)
        except plan.failure:
            return connection.execute(self.statement, values).all()

    def _prepare(self, dialect: Dialect) -> _Plan:
        plan = self._plans[dialect.name] = _Plan(self.statement, dialect)
        return plan


class CompiledInsert:
    """An insert that is compiled once and then run as text: a quarter of what SQLAlchemy's execution costs."""

    def __init__(self, statement: Insert, *names: str, **fixed: object) -> None:
        """Take a statement, the names of the values that each run gets, and values that never change."""
        self._statement = statement
        self._names = names
        self._fixed = fixed
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Mapping[str, object]) -> int:
        """Run it for each of these values and return the number of rows; raise what SQLAlchemy raises."""
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        sent = [compiled.bind(row) for row in rows]
        return connection.exec_driver_sql(compiled.sql, sent[0] if len(sent) == 1 else sent).rowcount

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=[*self._names, *self._fixed])
        return self._compiled.setdefault(dialect.name, _Compiled(compiled, self._fixed))


class _Compiled:
    """The SQL of a statement, and how its values are passed to the driver."""

    def __init__(self, compiled: Any, fixed: Mapping[str, object]) -> None:
        self.sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = {**compiled.construct_params(_check=False), **fixed}
        self._processors: dict[str, Any] = compiled._bind_processors

    def bind(self, values: Mapping[str, object]) -> Any:
        """Return the values in the driver's form and order."""
        bound = {**self._fixed, **values}
        for name, process in self._processors.items():
            bound[name] = process(bound[name])
        return bound if self._order is None else tuple([bound[name] for name in self._order])


class _Plan:
    """How a select is run on the driver, and how its rows are read."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.failure: type[Exception] = cast(Any, dialect).loaded_dbapi.Error
        self._compiled = _Compiled(compiled, {})
        self._options = {"prepare": True} if dialect.name == "postgresql" else {}
        columns = compiled._result_columns
        kinds = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._processors = [(number, process) for number, process in enumerate(kinds) if process]
        self._row: Any = namedtuple("_row", [column.keyname for column in columns])  # type: ignore[misc]

    def rows(self, driver: Any, values: Mapping[str, object]) -> list[Any]:
        cursor = driver.execute(self._compiled.sql, self._compiled.bind(values), **self._options)
        return [self._read(row) for row in cursor.fetchall()]

    def _read(self, row: Sequence[Any]) -> Any:
        read = list(row)
        for number, process in self._processors:
            read[number] = process(read[number])
        return self._row._make(read)
