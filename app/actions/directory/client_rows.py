"""Load the rows of clients: for the client itself, its secrets and its federated credentials."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from app.actions.audit.actor import Actor
from app.actions.directory.escalation import refuse_changing_client
from app.actions.directory.rows import Rows, by_number
from app.errors import NotFound
from app.models import Client

NO_CLIENT = "there is no such client"
CLIENTS = Rows(
    Client,
    NO_CLIENT,
    selectinload(Client.roles),
    selectinload(Client.serves),
    selectinload(Client.secrets),
    orders={
        "created_at": by_number(Client.created_at),
        "name": func.lower(Client.name),
        "client_id": func.lower(Client.client_id),
    },
    searched=(Client.name, Client.client_id),
)


def load_client(session: Session, client_row_id: str, *, lock: bool = False) -> Client:
    """Return the client's row; with `lock`, lock it until the transaction ends. Raises NotFound."""
    return CLIENTS.load(session, Client.id == client_row_id, lock=lock)


def check_client(session: Session, client_row_id: str) -> None:
    """Raise NotFound when there is no such client: loading it would take four statements."""
    if session.scalar(select(Client.id).where(Client.id == client_row_id)) is None:
        raise NotFound(NO_CLIENT)


def lock_changeable_client(session: Session, actor: Actor, client_row_id: str, management_identifier: str) -> Client:
    """Return the client's row, locked: two requests together cannot add one credential too many.

    Raises NotFound, and Forbidden when the client has more than the caller.
    """
    client = load_client(session, client_row_id, lock=True)
    refuse_changing_client(actor, session, client.id, management_identifier)
    return client
