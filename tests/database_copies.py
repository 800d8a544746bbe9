"""Copies of a PostgreSQL database that are restored between tests: a new copy costs ten times as much.

The schema `kept` of each copy has the rows of the template and notes, by an event trigger, that a test has changed the
schema. Such a copy is dropped.
"""

from itertools import count

import psycopg
from psycopg import sql

from tests import connection_reuse
from tests.cluster import Cluster

_numbers = count()
SCHEMA = """
CREATE SCHEMA kept;
CREATE TABLE kept.altered ();
CREATE FUNCTION kept.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    AS 'BEGIN INSERT INTO kept.altered DEFAULT VALUES; END';
CREATE EVENT TRIGGER noted ON ddl_command_end EXECUTE FUNCTION kept.note();
CREATE EVENT TRIGGER noted_drop ON sql_drop EXECUTE FUNCTION kept.note();
TRUNCATE kept.altered;
"""
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"
SEQUENCES = "SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace"
END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> ALL(%s)
"""
IS_ALTERED = """
SELECT EXISTS (SELECT FROM kept.altered) OR EXISTS (
    SELECT FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
)
"""


class Copies:
    """The copies of one template."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        """Take a database with which no test will work any more, and to which nothing is connected."""
        self._cluster = cluster
        self._template = template
        self._free: list[Copy] = []
        with cluster.connect(template) as connection:
            _prepare(connection)

    def take(self) -> "Copy":
        """Return a copy that has exactly what the template has."""
        if self._free:
            return self._free.pop()
        name = f"copy_{next(_numbers)}"
        self._cluster.create(name, self._template)
        connection_reuse.reuse(name)
        return Copy(name, self._cluster)

    def give_back(self, copy: "Copy") -> None:
        """Restore a copy for the next test, or drop it."""
        if copy.restore():
            self._free.append(copy)
        else:
            copy.close()
            self._cluster.drop(copy.name)


class Copy:
    """A database, and our own connection to it."""

    def __init__(self, name: str, cluster: Cluster) -> None:
        self.name = name
        self._cluster = cluster
        self._connection: psycopg.Connection | None = None

    def restore(self) -> bool:
        """Restore all rows, and return True; return False if that would not be enough."""
        if self._connection is None:
            self._connection = self._cluster.connect(self.name)
            self._connection.execute("SET session_replication_role = replica")  # tables in any order
        self._connection.execute(END_OTHERS, (connection_reuse.pids(self.name),))
        if self._connection.execute(IS_ALTERED).fetchall() != [(False,)]:
            return False
        try:
            self._connection.execute("SELECT kept.restore()")
        except psycopg.errors.DeadlockDetected:  # a thread that outlives its test still writes
            return False
        return True

    def close(self) -> None:
        """Close our own connection and the ones that could be reused."""
        connection_reuse.forget(self.name)
        if self._connection is not None:
            self._connection.close()


def _prepare(connection: psycopg.Connection) -> None:
    """Keep the rows of each table in a schema of their own, beside a function that restores them."""
    tables = [sql.Identifier(name) for (name,) in connection.execute(TABLES)]
    sequences = [name for (name,) in connection.execute(SEQUENCES)]
    connection.execute(SCHEMA)
    for table in tables:
        connection.execute(sql.SQL("CREATE TABLE kept.{0} AS TABLE public.{0}").format(table))
    steps = [sql.SQL("DELETE FROM public.{0}; INSERT INTO public.{0} TABLE kept.{0};").format(one) for one in tables]
    for name in sequences:
        query = sql.SQL("SELECT last_value, is_called FROM public.{}").format(sql.Identifier(name))
        [state] = connection.execute(query)
        steps.append(sql.SQL("PERFORM setval({}, {}, {});").format(f"public.{name}", *state))
    body = sql.SQL("BEGIN {} END").format(sql.SQL(" ").join(steps)).as_string(connection)
    function = sql.SQL("CREATE FUNCTION kept.restore() RETURNS void LANGUAGE plpgsql AS {}").format(sql.Literal(body))
    connection.execute(function)
    connection.execute("TRUNCATE kept.altered")
