"""Authenticate the caller of an API of this server by a Bearer credential of ours (RFC 6750), and answer for it."""

from __future__ import annotations

import re

from flask import g, request

from app.access.scopes import Scopes
from app.actions.audit.actor import Actor
from app.actions.tokens.usage import MANAGEMENT_API, origin_of
from app.compose import Actions
from app.credentials.kind import Claims
from app.errors import Forbidden, Unauthenticated, Unproven
from app.http.envelope import log_credential
from app.http.possession import PresentedToken, challenge, challenges, check_possession
from app.http.request import Request, authorization_scheme, read_request

TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
INVALID = "invalid_token"


def authenticate_bearer(actions: Actions, scope: str, *, apps: bool) -> Actor:
    """Return the caller whose credential holds `scope`, or `manage`, on this API now; `apps`: also an app for a user.

    Raises Unauthenticated and Forbidden (RFC 6750 §3.1).
    """
    claims = verify_bearer(actions)
    management = actions.settings.management_identifier
    if claims.anonymous or management not in claims.audience:
        raise Unauthenticated("the token is not for the management API", INVALID)
    if claims.through_app and not apps:
        raise Forbidden("an app that acts for a user cannot create, read or change a credential")
    actor = actor_of(actions, claims, claims.grants.on([management]).scopes)
    if not actor.holds(scope):
        raise Forbidden(f"the token lacks the scope {scope}", scope)
    return note_use(actions, claims, actor)


def verify_bearer(actions: Actions) -> Claims:
    """Return the claims of the token that was sent, if the sender holds the key it is bound to (RFC 9449 §7)."""
    scheme, value = read_authorization()
    if scheme not in ("bearer", "dpop"):
        raise Unauthenticated("send a Bearer token")
    if TOKEN68.fullmatch(value) is None:
        raise Unauthenticated("the token is malformed", INVALID)
    claims = _verify(actions, value)
    presented = PresentedToken.sent_here(value, read_context(actions), actions.settings.issuer)
    check_possession(claims, presented, actions.check_proof)
    return claims


def actor_of(actions: Actions, claims: Claims, management: Scopes) -> Actor:
    """Return the caller to whom a credential belongs, with these scopes of the management API."""
    context = read_context(actions)
    return Actor(
        type="user" if claims.delegated else "client",
        id=claims.subject or "",
        name=claims.username or "",
        credential_id=claims.credential_id,
        management=management,
        delegated=claims.delegated,
        client_id=claims.client_id if claims.through_app else None,
        address=context.peer,
        request_id=context.id,
    )


def note_use(actions: Actions, claims: Claims, actor: Actor) -> Actor:
    """Count a use of the credential."""
    actions.usage.note(claims, origin_of(MANAGEMENT_API, read_context(actions).address))
    return actor


def read_context(actions: Actions) -> Request:
    """Return the context of this request."""
    return read_request(request, actions.settings, actions.clock)


def read_authorization() -> tuple[str, str]:
    """Return the scheme of the Authorization header in lower case, and what follows it."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), value.strip(" ")


def bearer_challenges(error: Unauthenticated | Forbidden) -> list[str]:
    """List the challenges of the scheme that was used (RFC 6750 §3, RFC 9449 §7.1)."""
    if isinstance(error, Forbidden):
        scope = f', scope="{error.scope}"' if error.scope else ""
        return [challenge(_scheme(), _parameters("insufficient_scope", str(error)) + scope)]
    if isinstance(error, Unproven):
        return challenges(error)
    scheme, parameters = (_scheme(), _parameters(error.error, str(error))) if error.error else ("bearer", "")
    return [challenge(scheme, parameters)]


def _verify(actions: Actions, token: str) -> Claims:
    claims = g.verdict = actions.verify.judge(token)
    if not isinstance(claims, Claims):
        raise Unauthenticated("the token is not active", INVALID)
    log_credential(claims.credential_id, claims.kind)
    return claims


def _scheme() -> str:
    return authorization_scheme(request.headers.get("Authorization"))


def _parameters(code: str, description: str) -> str:
    quotable = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "?" for c in description)
    return f', error="{code}", error_description="{quotable}"'
