"""SQLAlchemy's private names: statements that are compiled once and then run on the driver."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Insert, Select


class CompiledSelect:
    """A select that is compiled once and then run on the driver: for the few that every request waits for.

    Whoever listens to the connection, and every failure of the driver, gets SQLAlchemy's own way instead.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Take a statement whose values are all named by bindparam(); none of them a list."""
        self.statement = statement
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Give all rows, as SQLAlchemy would."""
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
    """An insert that is compiled once and then run as text: a quarter of what it costs otherwise."""

    def __init__(self, statement: Insert, *names: str, **fixed: object) -> None:
        """Take a statement, the names of the values that it will be given, and values that are always the same."""
        self._statement = statement
        self._names = names
        self._fixed = fixed
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Mapping[str, object]) -> int:
        """Run it for each of these values; gives how many rows it changed, raises what SQLAlchemy raises."""
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        sent = [compiled.sent(row) for row in rows]
        return connection.exec_driver_sql(compiled.sql, sent[0] if len(sent) == 1 else sent).rowcount

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=[*self._names, *self._fixed])
        return self._compiled.setdefault(dialect.name, _Compiled(compiled, self._fixed))


class _Compiled:
    """The text that SQLAlchemy makes of a statement, made once, and the values as the driver wants them."""

    def __init__(self, compiled: Any, fixed: Mapping[str, object]) -> None:
        self.sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = {**compiled.construct_params(_check=False), **fixed}
        self._binds: dict[str, Any] = compiled._bind_processors

    def sent(self, values: Mapping[str, object]) -> Any:
        """Give the values in the driver's form and order."""
        given = {**self._fixed, **values}
        for name, write in self._binds.items():
            given[name] = write(given[name])
        return given if self._order is None else tuple([given[name] for name in self._order])


class _Plan:
    """How a select is run on the driver, and its rows read."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.failure: type[Exception] = cast(Any, dialect).loaded_dbapi.Error
        self._compiled = _Compiled(compiled, {})
        self._options = {"prepare": True} if dialect.name == "postgresql" else {}
        columns = compiled._result_columns
        kinds = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._reads = [(number, read) for number, read in enumerate(kinds) if read]
        self._row: Any = namedtuple("_row", [column.keyname for column in columns])  # type: ignore[misc]

    def rows(self, driver: Any, values: Mapping[str, object]) -> list[Any]:
        found = driver.execute(self._compiled.sql, self._compiled.sent(values), **self._options)
        return [self._read(row) for row in found.fetchall()]

    def _read(self, row: Sequence[Any]) -> Any:
        read = list(row)
        for number, processor in self._reads:
            read[number] = processor(read[number])
        return self._row._make(read)
