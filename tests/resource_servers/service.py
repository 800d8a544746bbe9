"""A running recipe, and what it answers to a credential."""

import time
from dataclasses import dataclass

import httpx

from tests.resource_servers.recipes import Recipe

TTL = 1  # seconds that a status list is used
PATIENCE = 10  # seconds, on a machine that does much else


@dataclass(frozen=True)
class Service:
    """A recipe and an HTTP client of it."""

    recipe: Recipe
    http: httpx.Client

    def get(self, token: str) -> httpx.Response:
        """Ask for the orders with a Bearer token."""
        return self.http.get("/orders", headers={"Authorization": f"Bearer {token}"})

    def refused(self, token: str, kind: str) -> httpx.Response:
        """Return the answer to a revoked token: the first that is not 200, once its status list can be a fresh one."""
        deadline = time.monotonic() + (PATIENCE if kind in self.recipe.by_status_list else 0)
        while (answer := self.get(token)).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        return answer
