"""A user who may read and write orders, and an app with which the tests act for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.delegation.codes import CodeTerms
from app.actions.delegation.consents import ConsentQuestion
from app.actions.sign_in.clients import KnownClient
from app.credentials.kind import Claims
from app.models.grant_types import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from tests.core import ORDERS, STOCK, Core

APP = "app"


@dataclass
class AppWorld:
    """The actions, with the steps between an app and its user."""

    core: Core
    user_id: str

    @property
    def user(self) -> Actor:
        return Actor("user", self.user_id, "ann")

    @property
    def app(self) -> KnownClient:
        return self.core.actions.authenticate_client.find(APP)

    @property
    def caller(self) -> Actor:
        return Actor("client", APP)

    def ask(self, scope: str | None = "orders:read", *resources: str) -> ConsentQuestion:
        """Return what the user is asked."""
        return self.core.actions.consents.question(self.user_id, self.app, scope, resources)

    def code(self, scope: str | None = "orders:read", *resources: str, leave_out: str = "") -> str:
        """Agree, but for the scopes that are left out, and return the code."""
        question = self.ask(scope, *resources)
        chosen = {one.name for one in question.scopes} - {*leave_out.split()}
        granted = self.core.actions.consents.agree(self.user, question, chosen)
        return self.core.actions.codes.issue(self.user, self.app, CodeTerms(granted, None, "challenge"))

    def redeem(self, code: str, **wanted: Any) -> AppTokens:
        """Trade a code."""
        return self.core.actions.codes.redeem(self.caller, self.app, code, **wanted)

    def tokens(self, scope: str | None = "orders:read", *resources: str) -> AppTokens:
        """Go from the question to the tokens."""
        return self.redeem(self.code(scope, *resources))

    def refresh(self, token: str | None, **wanted: Any) -> AppTokens:
        """Use a refresh token."""
        assert token is not None
        return self.core.actions.refresh(self.caller, self.app, token, **wanted)

    def verify(self, tokens: AppTokens) -> Claims | None:
        """Verify the access token."""
        return self.core.actions.verify(tokens.access.token)


def build_world(core: Core, **client: Any) -> AppWorld:
    """Make two APIs, a user with a role on both, and an app with every grant of users."""
    core.resource(ORDERS, "orders:read", "orders:write")
    core.resource(STOCK, "stock:read", ttl=60)
    core.role("clerk", "user", "orders:read", "orders:write", "stock:read")
    user_id = core.user("ann", "clerk")
    grants = [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE]
    core.client(APP, **{"method": "none", "grant_types": grants, "redirect_uris": ["https://app.example/cb"]} | client)
    return AppWorld(core, user_id)
