"""Find and end a credential by its kind and id, for an operator who no longer holds its secret, nor should."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.api_keys import ApiKeyActions
from app.actions.directory.client_secrets import ClientSecretActions
from app.actions.directory.personal_access_tokens import PersonalAccessTokenActions
from app.actions.tokens.inspect import CLIENT_SECRET
from app.clock import Clock
from app.credentials.kind import API_KEY, PERSONAL_ACCESS_TOKEN
from app.crypto.denial import deny
from app.database.store import Store
from app.errors import NotFound
from app.models import ApiKey, Client, ClientSecret, PersonalAccessToken, RevokedToken, User

TOKEN = "token"  # noqa: S105 - a JWT of any kind, as the trace names it
JTI = re.compile(r"(m2m|exc)_[0-9a-f]{31}")


@dataclass(frozen=True, slots=True)
class KnownCredential:
    """A credential by its id. A JWT is kept nowhere: of it nothing is known but whether it was revoked."""

    kind: str
    id: str
    name: str = ""
    hint: str = ""
    owner_id: str | None = None  # the row of a user or a client
    owner_name: str | None = None
    last_used_at: datetime | None = None
    revoked: bool = False


class KnownCredentials:
    """Each kind is ended by the action that ends it everywhere else."""

    def __init__(
        self,
        store: Store,
        tokens: PersonalAccessTokenActions,
        keys: ApiKeyActions,
        secrets: ClientSecretActions,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._keys = keys
        self._secrets = secrets
        self._clock = clock

    def get(self, kind: str, credential_id: str) -> KnownCredential:
        """Show a credential; raises NotFound."""
        find = _FINDERS.get(kind)
        with self._store.reading() as session:
            found = find(session, credential_id) if find else None
        if found is None:
            raise NotFound("there is no such credential")
        return found

    def revoke(self, actor: Actor, kind: str, credential_id: str) -> None:
        """End a credential for good, on every node; once more changes nothing. Raises NotFound, Forbidden."""
        found = self.get(kind, credential_id)
        if kind == PERSONAL_ACCESS_TOKEN:
            self._tokens.revoke(actor, str(found.owner_id), credential_id)
        elif kind == API_KEY:
            self._keys.revoke(actor, credential_id)
        elif kind == CLIENT_SECRET:
            self._secrets.revoke(actor, str(found.owner_id), credential_id)
        else:
            self._deny(actor, credential_id)

    def _deny(self, actor: Actor, jti: str) -> None:
        now = self._clock()
        with self._store.transaction() as session:
            if deny(session, jti, now):
                record(session, actor, "token.revoke", TOKEN, jti, now)


def _token(session: Session, token_id: str) -> KnownCredential | None:
    row = PersonalAccessToken
    shown = row.name, row.hint, User.id, User.username, row.last_used_at, row.revoked_at.is_not(None)
    found = session.execute(select(*shown).join(User, User.id == row.user_id).where(row.id == token_id)).one_or_none()
    return KnownCredential(PERSONAL_ACCESS_TOKEN, token_id, *found) if found else None


def _key(session: Session, key_id: str) -> KnownCredential | None:
    row = session.get(ApiKey, key_id)
    if row is None:
        return None
    known = KnownCredential(API_KEY, key_id, row.name, row.hint)
    return replace(known, last_used_at=row.last_used_at, revoked=row.revoked_at is not None)


def _secret(session: Session, secret_id: str) -> KnownCredential | None:
    row = ClientSecret
    shown = row.name, row.hint, Client.id, Client.name, row.revoked_at.is_not(None).label("revoked")
    query = select(*shown).join(Client, Client.id == row.client_id).where(row.id == secret_id)
    found = session.execute(query).one_or_none()
    return KnownCredential(CLIENT_SECRET, secret_id, *found[:4], revoked=found.revoked) if found else None


def _jwt(session: Session, jti: str) -> KnownCredential | None:
    if JTI.fullmatch(jti) is None:
        return None
    return KnownCredential(TOKEN, jti, revoked=session.get(RevokedToken, jti) is not None)


_FINDERS = {PERSONAL_ACCESS_TOKEN: _token, API_KEY: _key, CLIENT_SECRET: _secret, TOKEN: _jwt}
