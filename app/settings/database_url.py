"""Database URLs: several hosts as libpq writes them, psycopg's `prepare_threshold`, and the pooler in between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+psycopg"
POSTGRESQL = frozenset({"postgresql", "postgres", DRIVER})
PREPARE_THRESHOLD = "prepare_threshold"  # psycopg's own: libpq does not know it
POOLER = "latchkey_pooler"  # the setting DATABASE_POOLER, carried in the URL to where it is opened
SHOWN = frozenset({"host", "port", "target_session_attrs"})  # of the query, where a URL is shown
NAME_AND_PORT = re.compile(r"[A-Za-z0-9.-]*:([0-9]+)")
MALFORMED = "is not a database URL"  # the text is left out, because it may contain the password


def normalize_url(text: str) -> str:
    """Return the URL as SQLAlchemy reads it; raise ValueError for what is neither SQLite nor PostgreSQL."""
    url = _parse_url(text)
    if url.drivername in POSTGRESQL:
        _check_options(url)
        return url.set(drivername=DRIVER).render_as_string(hide_password=False)
    if url.drivername != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError("must be sqlite:///FILE or postgresql://…")
    return text


def with_pooler(text: str, pooler: str) -> str:
    """Return a PostgreSQL URL that carries the setting DATABASE_POOLER; any other URL unchanged."""
    url = make_url(text)
    if url.drivername != DRIVER or pooler == "auto":
        return text
    return url.update_query_dict({POOLER: pooler}).render_as_string(hide_password=False)


def describe_url(url: URL) -> str:
    """Return what an error message may show of a URL: no password, wherever it is."""
    shown = url.set(query={name: value for name, value in url.query.items() if name in SHOWN})
    return shown.render_as_string(hide_password=True)


def read_threshold(text: str) -> int | None:
    """Return how often a statement is executed before it is prepared, None for never; raise ValueError."""
    if text.lower() == "none":
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise ValueError(f"has a {PREPARE_THRESHOLD} that is neither a number such as 5 nor none")
    return int(text)


def _parse_url(text: str) -> URL:
    try:
        parts = urlsplit(text)
        if parts.scheme in POSTGRESQL and "," in parts.netloc.rpartition("@")[2]:
            return _multihost_url(text)
        return make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(MALFORMED) from None


def _multihost_url(text: str) -> URL:
    """Read `h1:1,h2:2`, which SQLAlchemy writes in the query, as libpq does."""
    import psycopg  # most servers have none
    from psycopg.conninfo import conninfo_to_dict

    parts = urlsplit(text)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    threshold = {name: query.pop(name) for name in (PREPARE_THRESHOLD,) if name in query}
    try:
        known = conninfo_to_dict(parts._replace(scheme="postgresql", query=urlencode(query)).geturl())
    except psycopg.Error:
        raise ValueError(MALFORMED) from None
    given = {name: str(value) for name, value in known.items()} | threshold
    user, password, database = (given.pop(name, None) for name in ("user", "password", "dbname"))
    return URL.create(DRIVER, user, password, database=database, query=given)


def _ports(url: URL) -> Iterator[str]:
    """Return the ports, wherever SQLAlchemy reads them: after the host, in `port=`, and in `host=` after a name."""
    if url.port is not None:
        yield str(url.port)
    query = url.normalized_query
    for listed in query.get("port", ()):
        yield from filter(None, listed.split(","))
    for hosts in query.get("host", ()):
        yield from (found[1] for found in map(NAME_AND_PORT.fullmatch, hosts.split(",")) if found)


def _check_port(text: str) -> None:
    if not text.isascii() or not text.isdecimal():
        raise ValueError(MALFORMED)
    if len(text) > 5 or not 0 < int(text) < 65_536:
        raise ValueError(f"has the port {text[:10]}: valid are 1 to 65535")


def _check_options(url: URL) -> None:
    """Raise ValueError for an option that libpq does not know: psycopg would read some as arguments of its own."""
    import psycopg  # most servers have none
    from psycopg.conninfo import make_conninfo

    for port in _ports(url):
        _check_port(port)
    options = dict(url.query)
    threshold = options.pop(PREPARE_THRESHOLD, "none")
    options.pop(POOLER, None)  # a URL that was read before
    read_threshold(threshold if isinstance(threshold, str) else "")
    try:
        make_conninfo("", **dict(_single_options(options)))
    except psycopg.Error:
        raise ValueError("has an option that PostgreSQL's client library does not know") from None


def _single_options(options: dict[str, str | tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if name not in ("host", "port"):  # which SQLAlchemy reads, repeated or not
            yield name, value if isinstance(value, str) else ",".join(value)
