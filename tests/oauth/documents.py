"""Hosts of client metadata documents for tests, and the app that comes of a document."""

import json
from typing import Any

from sqlalchemy import select

from app.actions.audit.actor import anonymous
from app.models import AuditEvent, Client
from tests.oauth.test_fetch_jwks import Host, says
from tests.oauth.wire import Wire

STRANGER = anonymous("198.51.100.9", "r")


class AppHost(Host):
    """A host on loopback with one client metadata document."""

    def __init__(self) -> None:
        super().__init__()
        self.url = self.url.replace("/keys", "/app.json")
        self.document: dict[str, Any] = {
            "client_id": self.url,
            "client_name": "Shopping list",
            "redirect_uris": ["https://app.example/callback"],
            "token_endpoint_auth_method": "none",
        }
        self.publish()

    def publish(self, *headers: str, **changed: Any) -> None:
        """Answer with the document, changed; a member that is None is left out."""
        document = {name: value for name, value in (self.document | changed).items() if value is not None}
        self.answer = says(json.dumps(document).encode(), "200 OK", *headers)


def discover(wire: Wire, url: str) -> None:
    """Refresh an app, known or not, as at the authorization endpoint."""
    wire.core.actions.client_documents.refresh(url, STRANGER, discover=True)


def refresh(wire: Wire, url: str) -> None:
    """Refresh an app, if it is known, as at the other endpoints."""
    wire.core.actions.client_documents.refresh(url, STRANGER)


def events(wire: Wire, action: str, url: str) -> list[AuditEvent]:
    """Return the events about an app."""
    return [event for event in wire.core.trace(action) if event.target == url]


def row_of(wire: Wire, url: str) -> Any:
    """Return the row of an app, None without one."""
    with wire.core.store.reading() as session:
        return session.scalar(select(Client).where(Client.client_id == url))
