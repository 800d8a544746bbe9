"""A writer beside the load: it issues credentials through the API at a steady rate."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator

import httpx

BODY = {"scopes": ["orders:read"], "expires_in": 86_400}


class Writer:
    """Issues personal access tokens to users in turn, in a thread of its own, at a steady pace."""

    def __init__(self, url: str, admin_token: str, user_ids: list[str], each_second: int) -> None:
        bearer = {"Authorization": f"Bearer {admin_token}"}
        self._http = httpx.Client(base_url=url, headers=bearer, trust_env=False, verify=False)
        self._users = user_ids
        self._pace = 1 / each_second
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)
        self.issued = 0
        self.refused = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write while the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._ending.set()
            self._thread.join()
            self._http.close()

    def _write_on(self) -> None:
        due = time.monotonic()
        while not self._ending.wait(max(0.0, due - time.monotonic())):
            self._issue()
            due = max(due + self._pace, time.monotonic() - 1)  # after a stall, at most one second of it is made up

    def _issue(self) -> None:
        user = self._users[(self.issued + self.refused) % len(self._users)]
        body = BODY | {"name": f"writer-{secrets.token_hex(8)}"}
        try:
            made = self._http.post(f"/api/v1/users/{user}/personal-access-tokens", json=body).status_code == 201
        except httpx.HTTPError:
            made = False
        self.issued += made
        self.refused += not made
