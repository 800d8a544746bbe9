"""A Redis of our own: on a free port of 127.0.0.1, without a file, ended by its own pid."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.machine import require_program
from tests.ports import free_port

PATIENCE = 10.0  # seconds for its start or its stop


class RedisServer:
    """One server: `start` it, `stop` it, and start it again empty on the same port."""

    def __init__(self, *options: str) -> None:
        """Choose its port, and start nothing yet. `options` are further options of the command line."""
        self._options = options
        self._program = require_program("redis-server")
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RedisServer":
        """Start it and wait until it answers."""
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += self._options
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE
        with redis.Redis.from_url(self.url) as client:
            while time.monotonic() < deadline:
                try:
                    if client.ping():
                        return self
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        """End it; its data is lost."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def pause(self) -> None:
        """Stop the process with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the stopped process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """Yield a running server, and end it afterwards."""
    server = RedisServer(*options).start()
    try:
        yield server
    finally:
        server.stop()
