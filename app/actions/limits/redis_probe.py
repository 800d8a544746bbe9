"""Whether Redis does what limits ask of it, and why not: a Redis that answers PING may still refuse every write."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Any

from limits.storage import storage_from_string

PATIENCE = 0.5  # seconds to connect or to wait for an answer
KEY = "latchkey-probe"
EXPIRY = 10  # seconds until what a probe wrote is forgotten
NO_ANSWER = "no answer"
CODE = re.compile(r"\b(READONLY|OOM|CLUSTERDOWN|MOVED|NOAUTH|WRONGPASS|NOPERM|MISCONF|NOREPLICAS|MASTERDOWN|LOADING)\b")
MOST_TEXT = 1000  # characters of an error that are searched for a code
CODES = {  # with which Redis begins an error, or which a script's error quotes
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

        options["retry"] = Retry(NoBackoff(), 1)  # left alone, redis-py tries each sentinel for seconds
        options |= {"sentinel_kwargs": dict(options), "use_replicas": False}  # replicas lag behind
    return storage_from_string("redis+" + url if url.startswith("unix:") else url, **options)


def write_failure(storage: Any) -> str | None:
    """Count in Redis as limits do; return why that failed, None when it did not."""
    try:
        storage.incr(KEY, EXPIRY)
    except storage.base_exceptions as error:
        return describe_failure(error)
    return None


def describe_failure(error: BaseException) -> str:
    """Return why Redis refused, in words of ours: its own may name hosts and users."""
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
    for one in chain:
        if reason := next((said for kind, said in types if isinstance(one, kind)), None):
            return reason
        if code := CODE.search(str(one)[:MOST_TEXT]):
            return CODES[code[1]]
    unreachable = isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError)
    return NO_ANSWER if unreachable else type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an error, what it was raised from, and so on."""
    for _ in range(10):
        yield error
        before = error.__cause__ or error.__context__
        if before is None:
            return
        error = before
