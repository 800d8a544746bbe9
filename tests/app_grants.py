"""Apps that act for users: registered, allowed and connected without their pages."""

from __future__ import annotations

from typing import Any

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import AppTokens
from app.actions.delegation.codes import CodeTerms
from app.actions.sign_in.clients import KnownClient
from app.compose import Actions
from app.models.grant_types import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from tests.core import Core

REDIRECT_URI = "https://app.example/cb"


def register_app(core: Core, client_id: str, **values: Any) -> KnownClient:
    """Register a public app with every grant of users."""
    grants = [AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE]
    core.client(client_id, method="none", **{"grant_types": grants, "redirect_uris": [REDIRECT_URI]} | values)
    return core.actions.authenticate_client.find(client_id)


def connect_app(core: Core, app: KnownClient, user_id: str, scope: str = "orders:read") -> AppTokens:
    """Allow an app what it asks for, and trade the code for the tokens of a grant."""
    return connect(core.actions, app, user_id, scope)


def connect(actions: Actions, app: KnownClient, user_id: str, scope: str = "orders:read") -> AppTokens:
    """Do the same with the actions of any server."""
    user = Actor("user", user_id, "the user")
    question = actions.consents.question(user_id, app, scope, ())
    granted = actions.consents.agree(user, question, {one.name for one in question.scopes})
    code = actions.codes.issue(user, app, CodeTerms(granted, None, "challenge"))
    return actions.codes.redeem(Actor("client", app.client_id), app, code)
