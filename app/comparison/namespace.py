"""A temporary organisation for the probes: created through the actions, and deleted even when a probe fails."""

from __future__ import annotations

import secrets
from contextlib import ExitStack

from sqlalchemy import delete, select

from app.actions.audit.actor import OPERATOR
from app.actions.delegation.app_tokens import GRACE
from app.actions.directory.clients import ClientView, NewClient
from app.actions.directory.resources import NewPermission, NewResource
from app.actions.directory.roles import NewRole, RoleType
from app.actions.directory.users import NewUser
from app.compose import Actions
from app.crypto.probe_mac import HEADER, NAMES, ProbeMacs
from app.models import ApiKey, AppGrant, RefreshToken
from app.models.grant_types import AUTHORIZATION_CODE, REFRESH_TOKEN

REDIRECT_URI = "http://127.0.0.1/callback"  # nothing listens there: the code is read from the redirect


class Namespace:
    """One API with two public scopes and one that is not, a user, a client, an app, and the API's own client."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        self.name = f"{NAMES}{secrets.token_hex(6)}"
        self.identifier = f"https://{self.name}.example"
        self.read, self.list, self.write = (f"{self.name}:{verb}" for verb in ("read", "list", "write"))
        self.scopes = (self.read, self.list, self.write)
        self.password = secrets.token_urlsafe(18)
        self.keys: list[str] = []
        self._clean_up = ExitStack()

    def __enter__(self) -> Namespace:
        try:
            self._make()
        except BaseException:
            self._clean_up.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._clean_up.close()

    def _make(self) -> None:
        permissions = tuple(NewPermission(name=name, public=name != self.write) for name in self.scopes)
        new = NewResource(identifier=self.identifier, name=self.name, permissions=permissions)
        resource = self.actions.resources.create(OPERATOR, new)
        self._clean_up.callback(self.actions.resources.delete, OPERATOR, resource.id)
        self._clean_up.callback(self._forget_keys)
        self.resource_id = resource.id
        kinds: tuple[RoleType, ...] = ("user", "machine")
        for kind in kinds:
            made = self.actions.roles.create(OPERATOR, NewRole(self.role(kind), kind, permissions=self.scopes))
            self._clean_up.callback(self.actions.roles.delete, OPERATOR, made.id)
        user = self.actions.users.create(
            OPERATOR, NewUser(self.name, password=self.password, roles=(self.role("user"),))
        )
        self._clean_up.callback(self.actions.users.delete, OPERATOR, user.id)
        self.user_id = user.id
        self.client, self.client_secret = self._client(NewClient(self.name, roles=(self.role("machine"),)))
        self.app, _ = self._client(
            NewClient(
                f"{self.name}-app",
                token_endpoint_auth_method="none",  # noqa: S106 - a public app
                grant_types=(AUTHORIZATION_CODE, REFRESH_TOKEN),
                redirect_uris=(REDIRECT_URI,),
            )
        )
        self.server, self.server_secret = self._client(NewClient(f"{self.name}-api", serves=(self.identifier,)))

    def role(self, kind: str) -> str:
        """Name the role of users or of machines."""
        return f"{self.name}-{kind}"

    def probe_header(self) -> dict[str, str]:
        """Return the header that marks a request as a probe's; the server does not count its wrong password."""
        return {HEADER: ProbeMacs(self.actions.settings.secret_keys).compute(self.name, self.actions.clock())}

    def end_grace(self) -> None:
        """Set the time back at which refresh tokens of the app were replaced, instead of waiting for the end of it."""
        grants = select(AppGrant.id).where(AppGrant.client_id == self.app.id)
        mine = RefreshToken.grant_id.in_(grants), RefreshToken.replaced_at.is_not(None)
        with self.actions.store.transaction() as session:
            for token in session.scalars(select(RefreshToken).where(*mine)):
                token.replaced_at = (token.replaced_at or self.actions.clock()) - GRACE

    def _client(self, new: NewClient) -> tuple[ClientView, str]:
        view, issued = self.actions.clients.create(OPERATOR, new)
        self._clean_up.callback(self.actions.clients.delete, OPERATOR, view.id)
        return view, issued.token if issued else ""

    def _forget_keys(self) -> None:
        with self.actions.store.transaction() as session:  # a revoked key would stay listed
            session.execute(delete(ApiKey).where(ApiKey.resource_id == self.resource_id))
