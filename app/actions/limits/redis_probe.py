"""Check that Redis can count: one that answers PING may still refuse every write."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Any

from limits.storage import storage_from_string

PATIENCE = 0.5  # seconds to connect or to wait for a response
KEY = "latchkey-probe"
EXPIRY = 10  # seconds until a probe's key expires
NO_ANSWER = "no answer"
CODE = re.compile(r"\b(READONLY|OOM|CLUSTERDOWN|MOVED|NOAUTH|WRONGPASS|NOPERM|MISCONF|NOREPLICAS|MASTERDOWN|LOADING)\b")
MOST_TEXT = 1000  # characters of an error that are searched for a code
CODES = {  # the first word of an error of Redis, or one quoted in a script's error
    "READONLY": "replica is read-only",
    "OOM": "out of memory",
    "CLUSTERDOWN": "cluster down",
    "MOVED": "part of a cluster, which Latchkey does not use",
    "NOAUTH": "wrong password",
    "WRONGPASS": "wrong password",
    "NOPERM": "user may not run scripts that write",
    "MISCONF": "cannot save to its disk",
    "NOREPLICAS": "too few replicas",
    "MASTERDOWN": "replica without its master",
    "LOADING": "still loading its data",
}


def open_storage(url: str) -> Any:
    """Return the storage of the limits library at this URL; it connects when it is used."""
    patience = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    options: dict[str, Any] = dict(patience)
    if url.startswith("redis+sentinel:"):
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options["retry"] = Retry(NoBackoff(), 1)  # by default, redis-py tries each sentinel for seconds
        options |= {"sentinel_kwargs": dict(options), "use_replicas": False}  # replicas lag behind
    return storage_from_string("redis+" + url if url.startswith("unix:") else url, **options)


def write_failure(storage: Any) -> str | None:
    """Count in Redis as limits do; return why that failed, None when it worked."""
    try:
        storage.incr(KEY, EXPIRY)
    except storage.base_exceptions as error:
        return describe_failure(error)
    return None


def describe_failure(error: BaseException) -> str:
    """Return why Redis refused, in our words, because its own may name hosts and users."""
    import redis  # most servers have none
    from redis.sentinel import MasterNotFoundError

    types: tuple[tuple[type[BaseException], str], ...] = (
        (ssl.SSLCertVerificationError, "bad certificate"),
        (ssl.SSLError, "TLS failed"),
        (redis.exceptions.ReadOnlyError, CODES["READONLY"]),
        (redis.exceptions.OutOfMemoryError, CODES["OOM"]),
        (redis.exceptions.ClusterDownError, CODES["CLUSTERDOWN"]),
        (redis.exceptions.MovedError, CODES["MOVED"]),
        (redis.exceptions.NoPermissionError, CODES["NOPERM"]),
        (redis.exceptions.MasterDownError, CODES["MASTERDOWN"]),
        (redis.exceptions.BusyLoadingError, CODES["LOADING"]),
        (redis.exceptions.AuthenticationError, CODES["NOAUTH"]),
        (redis.exceptions.AuthenticationWrongNumberOfArgsError, CODES["NOAUTH"]),
        (redis.exceptions.AuthorizationError, CODES["NOAUTH"]),
        (MasterNotFoundError, "sentinels name no master"),
    )
    chain = list(_chain(error))
    for cause in chain:
        if reason := next((text for kind, text in types if isinstance(cause, kind)), None):
            return reason
        if code := CODE.search(str(cause)[:MOST_TEXT]):
            return CODES[code[1]]
    unreachable = isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError)
    return NO_ANSWER if unreachable else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, its cause, the cause's cause, and so on."""
    for _ in range(10):
        yield error
        before = error.__cause__ or error.__context__
        if before is None:
            return
        error = before
