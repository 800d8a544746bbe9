"""JSON lines on stderr, for requests and everything else, at no level with a secret."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
OPAQUE = re.compile(r"lk_(?:pat|key|sec|ref|code|dev|reg)_[0-9A-Za-z]++")
# It matches only from the start of a run of Base64, without backtracking: callers choose what it reads, of any length.
JWT = re.compile(r"(?<![A-Za-z0-9_-])(?>([A-Za-z0-9_-]*?)eyJ[A-Za-z0-9_-]*+)\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)*+")
LIBRARIES = logging.WARNING  # below it libraries log tokens (Authlib) and values (SQLAlchemy)
_least = logging.INFO  # the level below which our own lines are not written
request_log: Any = structlog.get_logger("latchkey.request")


def redact(text: str) -> str:
    """Return the text without what looks like a secret of ours; in time that grows with its length alone."""
    if "lk_" in text:
        text = OPAQUE.sub(REDACTED, text)
    return JWT.sub(rf"\1{REDACTED}", text) if "eyJ" in text else text


def configure(level: str) -> None:
    """Write our own lines to stderr as JSON; `level` is debug, info, warning or error."""
    global _least
    _least = _number(level)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _add_time, _add_exception, _render_line],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=_Stderr,
    )


def is_written(level: str) -> bool:
    """Return whether our own lines of this level are written."""
    return _number(level) >= _least


def write(lines: str) -> None:
    """Write whole lines, each with its newline, that hold no secret."""
    if lines:
        _Stderr().msg(lines.removesuffix("\n"))


def configure_libraries(level: str) -> None:
    """Write what libraries log as the same lines; for a process that runs nothing but this server."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=max(LIBRARIES, _number(level)), force=True)
    for ours in ("app", "latchkey"):
        logging.getLogger(ours).setLevel(_number(level))


class _Stderr:
    """Writes whole lines to the stderr of that moment."""

    _lock = threading.Lock()

    def __init__(self, *_args: object) -> None: ...

    def msg(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):  # a log that cannot be written must not fail a request
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = msg


class JsonFormatter(logging.Formatter):
    """Write the records of the standard library's loggers as the same lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one JSON line."""
        event: EventDict = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        _add_time(None, "", event)
        _add_exception(None, "", event)
        return _render_line(None, "", event)


def frames(error: BaseException) -> list[str]:
    """Return the types and lines of an exception and its causes, without messages and values, which may be secret."""
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < 200:
        found.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        found += [f"  {f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return found


def _number(level: str) -> int:
    return int(getattr(logging, level.upper()))


_add_time = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
_as_json = structlog.processors.JSONRenderer()


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["exception"] = frames(raised)
    return event


def _render_line(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    """Render the line, and redact what looks like a secret anywhere in it."""
    return redact(str(_as_json(logger, method, event)))
