"""JSON lines on stderr, for a request and for all else. A secret is never in one, at any level."""

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
OPAQUE = re.compile(r"lk_(?:pat|key|sec)_[0-9A-Za-z]++")
# It begins only where a run of Base64 begins and never goes back in it: strangers write what it reads, of any length.
JWT = re.compile(r"(?<![A-Za-z0-9_-])(?>([A-Za-z0-9_-]*?)eyJ[A-Za-z0-9_-]*+)\.[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)*+")
HELD = logging.WARNING  # what libraries say below it may hold tokens (Authlib) or values (SQLAlchemy)
_least = logging.INFO  # the level below which our own lines are not written
request_log: Any = structlog.get_logger("latchkey.request")


def redacted(text: str) -> str:
    """Return the text without what looks like a secret of ours; in time that grows with its length alone."""
    if "lk_" in text:
        text = OPAQUE.sub(REDACTED, text)
    return JWT.sub(rf"\1{REDACTED}", text) if "eyJ" in text else text


def configure(level: str) -> None:
    """Let our own lines go to stderr as JSON; `level` is debug, info, warning or error."""
    global _least
    _least = _number(level)
    structlog.configure(
        processors=[structlog.processors.add_log_level, _timestamp, _failure, _line],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=_Stderr,
    )


def tells(level: str) -> bool:
    """Tell whether our own lines of this level are written."""
    return _number(level) >= _least


def write(lines: str) -> None:
    """Write whole lines, each with its end, that are known to hold no secret."""
    if lines:
        _Stderr().msg(lines.removesuffix("\n"))


def configure_libraries(level: str) -> None:
    """Let what libraries log in this process come as the same lines; for a process that is ours alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=max(HELD, _number(level)), force=True)
    for ours in ("app", "latchkey"):
        logging.getLogger(ours).setLevel(_number(level))


class _Stderr:
    """Writes whole lines to whatever stderr is at that moment."""

    _lock = threading.Lock()

    def __init__(self, *_args: object) -> None: ...

    def msg(self, line: str) -> None:
        with self._lock, suppress(OSError, ValueError):  # a log that cannot be written hinders no answer
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = msg


class JsonFormatter(logging.Formatter):
    """Write the records of the standard library's loggers as the same lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one JSON line."""
        event: EventDict = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        _timestamp(None, "", event)
        _failure(None, "", event)
        return _line(None, "", event)


def frames(error: BaseException) -> list[str]:
    """Give where an exception came from: its types and the lines, without messages and values, which may be secret."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < 200:
        told.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        told += [f"  {f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(cause.__traceback__)]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return told


def _number(level: str) -> int:
    return int(getattr(logging, level.upper()))


_timestamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
_render = structlog.processors.JSONRenderer()


def _failure(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["exception"] = frames(raised)
    return event


def _line(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> str:
    """Render the line and take out what looks like a secret, wherever it stands."""
    return redacted(str(_render(logger, method, event)))
