"""Register apps over HTTP in a test, and call what their registration gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.models import Client
from tests.oauth.wire import Wire

CALLBACK = "https://app.example/callback"
PUBLIC: dict[str, Any] = {
    "client_name": "Shopping list",
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_method": "none",
}
CONFIDENTIAL = PUBLIC | {"token_endpoint_auth_method": "client_secret_basic"}
ADDRESS = "198.51.100.9"


@dataclass
class Registry:
    """The registration endpoint of a wire."""

    wire: Wire

    def register(self, metadata: Any = None, token: str = "", address: str = ADDRESS, **sent: Any) -> Any:
        """Register an app, by default a public one."""
        asked = {"json": PUBLIC if metadata is None else metadata} if "data" not in sent else {}
        return self._open("POST", "", token, asked | sent, address)

    def configure(self, method: str, app: Any, metadata: Any = None, token: str | None = None) -> Any:
        """Read, change or delete the registration of an app, by default with its own token."""
        by = app["registration_access_token"] if token is None else token
        sent = {} if metadata is None else {"json": metadata}
        return self._open(method, f"/{app['client_id']}", by, sent)

    def _open(self, method: str, path: str, token: str, sent: Any, address: str = ADDRESS) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= sent.pop("headers", {})
        url, peer = f"/oauth/register{path}", {"REMOTE_ADDR": address}
        return self.wire.http.open(url, method=method, headers=headers, environ_base=peer, **sent)


def row_of(registry: Registry, client_id: str) -> Client | None:
    """Return the row of an app with its roles, APIs and secrets; None without one."""
    with registry.wire.core.store.reading() as session:
        options = selectinload(Client.roles), selectinload(Client.serves), selectinload(Client.secrets)
        return session.scalar(select(Client).options(*options).where(Client.client_id == client_id))
