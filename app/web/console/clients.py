"""/console/clients: programs that are registered and trusted, how they prove themselves, and what they may."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.clients import ClientChanges, ClientView, NewClient
from app.actions.trust.certificates import SECRETLESS, Method
from app.actions.trust.registration import LONGEST_URI
from app.errors import Invalid, LatchkeyError
from app.http.current import actions
from app.web.console.confirmation import ask
from app.web.console.selections import one_of, picked, sent, sought
from app.web.form import PAGE, after, line, read_name, ticked
from app.web.page_routes import Room, actor, done, said_by_field, show, status_of

METHODS: dict[Method, str] = {
    "client_secret_basic": "a secret, in the Authorization header",
    "client_secret_post": "a secret, in the form",
    "private_key_jwt": "a private key of its own (private_key_jwt)",
    "federated_jwt": "the tokens of issuers that it trusts, without any secret (federated_jwt)",
    "self_signed_tls_client_auth": "a certificate of its own (self_signed_tls_client_auth)",
}
WAYS = {
    "federated_jwt": "issuers that it trusts say who it is",
    "tls_client_auth": "it proves itself by its certificate",
    "self_signed_tls_client_auth": "it proves itself by its certificate",
}
LONGEST_JWKS = 60_000  # characters
METHOD, JWKS, JWKS_URI = "token_endpoint_auth_method", "jwks", "jwks_uri"
DPOP_BOUND = "dpop_bound_access_tokens"

blueprint = Room("console_clients", "/console/clients", operators=True)


@blueprint.get("")
def index() -> Response:
    """List the clients, or the one of a client_id."""
    client_id = sought()
    found, last = actions().clients.page(PAGE, after(), client_id=client_id)
    onward = url_for(".index", after=last, q=client_id) if last else None
    return show("console/clients.html", clients=found, q=client_id or "", onward=onward)


@blueprint.get("/new")
def new() -> Response:
    """Ask what a new client shall be."""
    return _form()


@blueprint.post("")
def create() -> Response:
    """Register a client; its first secret is shown this once."""
    try:
        client, issued = actions().clients.create(actor(), _new_client())
    except LatchkeyError as error:
        return _form(status_of(error), said_by_field(error))
    if issued is None:
        return done(f"The client is registered: {_way(client)}.", ".one", client_row_id=client.id)
    return _made(client, issued.token)


@blueprint.get("/<row:client_row_id>")
def one(client_row_id: str) -> Response:
    """Show a client, its keys and the hints of its secrets."""
    return show_client(client_row_id)


@blueprint.post("/<row:client_row_id>")
def change(client_row_id: str) -> Response:
    """Rename, enable or disable a client, and set its roles and the APIs that it serves."""
    try:
        changes = ClientChanges(
            read_name("name"),
            roles=picked("roles"),
            serves=picked("serves"),
            enabled=ticked("enabled"),
            dpop_bound_access_tokens=ticked(DPOP_BOUND),
        )
        actions().clients.change(actor(), client_row_id, changes)
    except LatchkeyError as error:
        return show_client(client_row_id, status_of(error), errors=said_by_field(error))
    return done("The client is changed: every token of it feels it at once.", ".one", client_row_id=client_row_id)


@blueprint.post("/<row:client_row_id>/keys")
def change_keys(client_row_id: str) -> Response:
    """Change how a client proves itself."""
    try:
        changes = ClientChanges(token_endpoint_auth_method=_method(), jwks=_jwks(), jwks_uri=_jwks_uri())
        client = actions().clients.change(actor(), client_row_id, changes)
    except LatchkeyError as error:
        return show_client(client_row_id, status_of(error), key_errors=said_by_field(error))
    said = f"From now on {_way(client)}: its secrets are taken no more."
    if client.token_endpoint_auth_method not in SECRETLESS:
        said = "The client proves itself by a secret now: make one, if it has none."
    return done(said, ".one", client_row_id=client_row_id)


def _way(client: ClientView) -> str:
    return WAYS.get(client.token_endpoint_auth_method, "it proves itself by its key")


@blueprint.get("/<row:client_row_id>/delete")
def ask_to_delete(client_row_id: str) -> Response:
    """Say what stops with a client."""
    client = actions().clients.get(client_row_id)
    return ask(
        f"Delete {client.name}?",
        f"Whatever runs as {client.client_id} stops working at once, its tokens included, and for good. With it end:",
        "Delete",
        url_for(".delete", client_row_id=client_row_id),
        url_for(".one", client_row_id=client_row_id),
        actions().consequences.of_client(client_row_id),
    )


@blueprint.post("/<row:client_row_id>/delete")
def delete(client_row_id: str) -> Response:
    """Delete a client."""
    actions().clients.delete(actor(), client_row_id)
    return done("The client is deleted: its secrets and tokens are dead.", ".index")


def show_client(
    client_row_id: str,
    status: int = 200,
    errors: dict[str, str] | None = None,
    key_errors: dict[str, str] | None = None,
    secret_errors: dict[str, str] | None = None,
    federated_errors: dict[str, str] | None = None,
) -> Response:
    """Show a client; the errors are those of the form that was sent: of the client, its keys, a secret, an issuer."""
    client = actions().clients.get(client_row_id)
    secrets, last = actions().client_secrets.page(client_row_id, PAGE, after())
    return show(
        "console/client.html",
        status,
        client=client,
        methods=METHODS,
        secretless=client.token_endpoint_auth_method in SECRETLESS,
        trusted=actions().federated_credentials.page(client_row_id, PAGE)[0],
        secrets=secrets,
        onward=url_for("console_clients.one", client_row_id=client_row_id, after=last) if last else None,
        errors=errors or {},
        key_errors=key_errors or {},
        secret_errors=secret_errors or {},
        federated_errors=federated_errors or {},
        foreign=request.form if federated_errors else {},
        keys=request.form if key_errors else _keys_of(client),
        wanted=request.form if secret_errors else {},
        **_shown(client, again=bool(errors)),
    )


def _shown(client: ClientView, *, again: bool) -> dict[str, object]:
    """Give what the form holds: the client as it is, or `again` what was sent."""
    roles, serves = (sent("roles"), sent("serves")) if again else (list(client.roles), list(client.serves))
    return {
        "given": request.form if again else {},
        "enabled": ticked("enabled") if again else client.enabled,
        DPOP_BOUND: ticked(DPOP_BOUND) if again else client.dpop_bound_access_tokens,
        "picked_roles": roles,
        "picked_serves": serves,
        "roles": actions().choices.roles("machine", {*roles, *client.roles}),
        "serves": actions().choices.resources({*serves, *client.serves}),
    }


def _keys_of(client: ClientView) -> dict[str, str]:
    return {
        METHOD: client.token_endpoint_auth_method,
        JWKS: json.dumps(client.jwks, indent=1) if client.jwks else "",
        JWKS_URI: client.jwks_uri or "",
    }


def _form(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    roles, serves = sent("roles"), sent("serves")
    return show(
        "console/client_new.html",
        status,
        methods=METHODS,
        roles=actions().choices.roles("machine", roles),
        serves=actions().choices.resources(serves),
        picked_roles=roles,
        picked_serves=serves,
        given=request.form,
        errors=errors or {},
    )


def _made(client: ClientView, secret: str) -> Response:
    """Show the first secret: nobody keeps this answer."""
    issuer = actions().settings.issuer
    return show("console/client_secret.html", 201, client=client, secret=secret, issuer=issuer, further=False)


def _new_client() -> NewClient:
    return NewClient(
        name=read_name("name"),
        token_endpoint_auth_method=_method(),
        jwks=_jwks(),
        jwks_uri=_jwks_uri(),
        roles=picked("roles"),
        serves=picked("serves"),
        enabled=True,
    )


def _method() -> Method:
    return cast(Method, one_of(METHOD, *METHODS))


def _jwks_uri() -> str | None:
    return line(JWKS_URI, LONGEST_URI, needed=False) or None


def _jwks() -> Mapping[str, Any] | None:
    """Read the pasted keys, None when nothing is pasted; raises Invalid."""
    pasted = request.form.get(JWKS, "").strip()
    if not pasted:
        return None
    if len(pasted) > LONGEST_JWKS:
        raise Invalid.field(JWKS, f"is at most {LONGEST_JWKS} characters long")
    try:
        keys = json.loads(pasted)
    except (ValueError, RecursionError):
        raise Invalid.field(JWKS, "is no JSON") from None
    if not isinstance(keys, dict):
        raise Invalid.field(JWKS, 'is an object such as {"keys": [{"kty": "EC", …}]}')
    return keys
