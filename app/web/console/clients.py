"""/console/clients: machine clients, how they authenticate, their roles and the APIs they serve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.clients import ClientActions, ClientChanges, ClientView, NewClient
from app.actions.directory.rows import Found, ListQuery
from app.actions.trust.registration import LONGEST_URI
from app.compose import Actions
from app.crypto.certificate import SUBJECT_FIELDS
from app.errors import Invalid, LatchkeyError
from app.models.auth_methods import NONE, SECRETLESS, Method
from app.models.client import BY_DOCUMENT
from app.models.grant_types import CLIENT_CREDENTIALS, OF_USERS
from app.web import form, lists, pages
from app.web.console.app_fields import ACTS, APP, GRANT_TYPES, SERVICE, offer_app, read_app, read_kind, values_of
from app.web.console.confirmation import ask
from app.web.console.list_page import ENABLED, ListPage, read_enabled
from app.web.page_routes import PageRoutes
from app.web.usage_chart import read_chart
from app.web.visitors import actor, require_operator

METHODS: dict[Method, str] = {
    "client_secret_basic": "a secret, in the Authorization header",
    "client_secret_post": "a secret, in the form",
    "private_key_jwt": "a private key of its own (private_key_jwt)",
    "federated_jwt": "the tokens of issuers that it trusts, without any secret (federated_jwt)",
    "self_signed_tls_client_auth": "a certificate of its own (self_signed_tls_client_auth)",
    "none": "nothing: it runs in a browser or on its user's device, where a secret is known to all (none)",
}
WITHOUT_SECRET = {
    "federated_jwt": "by the tokens of issuers that it trusts",
    "tls_client_auth": "by its certificate",
    "self_signed_tls_client_auth": "by its certificate",
    "private_key_jwt": "by its key",
    "none": "by nothing, because it is public",
}
REGISTRARS = {"itself": "itself", "document": "its client ID metadata document"}
COMES_BACK = "comes back with its next request: to keep it out, disable it"
LONGEST_JWKS = 60_000  # characters
METHOD, JWKS, JWKS_URI = "token_endpoint_auth_method", "jwks", "jwks_uri"
DPOP_BOUND = "dpop_bound_access_tokens"
KEYS, SECRET, FEDERATED, OF_APP = (
    "keys",
    "secret",
    "federated",
    "app",
)  # the forms of the page beside the one that changes the client
FORBIDDEN_BY_METHOD = {"grant_types": METHOD, "serves": METHOD}  # shown beside the method
FORBIDDEN_BY_GRANTS = {"roles": GRANT_TYPES}  # shown beside the grants
WHO = ("id", "client_id", "name", METHOD, GRANT_TYPES)
COLUMNS = (*WHO, "roles", "serves", "enabled", "created_at")
LIST = ListPage("clients", ClientActions.sorts, ("status", "role"), COLUMNS)

routes = PageRoutes("console_clients", "/console/clients", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the clients, newest first unless another order is chosen."""
    return LIST.render(_find(actions, LIST.read()), statuses=ENABLED)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return what the list shows as a file."""
    return LIST.export(partial(_find, actions), actions.clock())


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Show the form for a new client."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Register a client, and show its first secret this once."""
    try:
        client, issued = actions.clients.create(actor(actions), _read_new_client())
    except LatchkeyError as error:
        rename = None if request.form.get(ACTS) == APP else {GRANT_TYPES: METHOD}  # a service has no field for grants
        return _render_new(actions, form.Refusal.of(error, rename=rename))
    if issued is None:
        message = f"The client is registered. It authenticates {WITHOUT_SECRET[client.token_endpoint_auth_method]}."
        return pages.redirect_with(message, ".show", client_row_id=client.id)
    return render_secret(actions, client, issued.token, further=False)


@routes.get("/<row:client_row_id>")
def show(actions: Actions, client_row_id: str) -> Response:
    """Show a client, its keys and the hints of its secrets."""
    return render_client(actions, client_row_id)


@routes.post("/<row:client_row_id>")
def change(actions: Actions, client_row_id: str) -> Response:
    """Change the name of a client, its roles, the APIs it serves, and whether it is enabled."""
    try:
        changes = ClientChanges(
            form.read_name("name"),
            roles=form.read_selection("roles"),
            serves=form.read_selection("serves"),
            enabled=form.is_checked("enabled"),
            dpop_bound_access_tokens=form.is_checked(DPOP_BOUND),
        )
        actions.clients.change(actor(actions), client_row_id, changes)
    except LatchkeyError as error:
        return render_client(actions, client_row_id, form.Refusal.of(error))
    message = "The client is changed, with effect on its tokens at once."
    return pages.redirect_with(message, ".show", client_row_id=client_row_id)


@routes.post("/<row:client_row_id>/keys")
def change_keys(actions: Actions, client_row_id: str) -> Response:
    """Change how a client authenticates."""
    try:
        changes = ClientChanges(token_endpoint_auth_method=_read_method(), jwks=_read_jwks(), jwks_uri=_read_jwks_uri())
        client = actions.clients.change(actor(actions), client_row_id, changes)
    except LatchkeyError as error:
        return render_client(actions, client_row_id, form.Refusal.of(error, form=KEYS, rename=FORBIDDEN_BY_METHOD))
    message = "The client now authenticates by a secret: create one if it has none."
    if client.token_endpoint_auth_method in SECRETLESS:
        way = WITHOUT_SECRET[client.token_endpoint_auth_method]
        message = f"The client now authenticates {way}: its secrets are no longer accepted."
    return pages.redirect_with(message, ".show", client_row_id=client_row_id)


@routes.post("/<row:client_row_id>/app")
def change_app(actions: Actions, client_row_id: str) -> Response:
    """Change the grants of a client, where its authorization codes are sent, and what users may agree to."""
    try:
        actions.clients.change(actor(actions), client_row_id, ClientChanges(**read_app()))
    except LatchkeyError as error:
        return render_client(actions, client_row_id, form.Refusal.of(error, form=OF_APP, rename=FORBIDDEN_BY_GRANTS))
    message = "What the client does for users is changed."
    return pages.redirect_with(message, ".show", client_row_id=client_row_id, _anchor=OF_APP)


@routes.get("/<row:client_row_id>/delete")
def ask_to_delete(actions: Actions, client_row_id: str) -> Response:
    """Ask before a client is deleted."""
    client = actions.clients.get(client_row_id)
    warning = f"Whatever runs as {client.client_id} stops working at once, its tokens included, and {_ending(client)}."
    back, losses = url_for(".show", client_row_id=client_row_id), actions.consequences.of_client(client_row_id)
    return ask("Delete", client.name, f"{warning} With it end:", back, losses)


@routes.post("/<row:client_row_id>/delete")
def delete(actions: Actions, client_row_id: str) -> Response:
    """Delete a client."""
    actions.clients.delete(actor(actions), client_row_id)
    return pages.redirect_with("The client is deleted: its secrets and tokens are refused.", ".index")


def render_client(actions: Actions, client_row_id: str, refusal: form.Refusal | None = None) -> Response:
    """Render the page of a client, whose forms change it, its keys, its secrets and the issuers it trusts."""
    client = actions.clients.get(client_row_id)
    machine, app_errors = CLIENT_CREDENTIALS in client.grant_types, form.errors_of(refusal, OF_APP)
    secrets, cursor = actions.client_secrets.page(client_row_id, lists.PAGE, lists.read_cursor())
    return form.render(
        "console/client.html",
        refusal,
        client=client,
        methods=METHODS,
        machine=machine,
        usage=read_chart(actions.read_usage, client_row_id),
        public=client.token_endpoint_auth_method == NONE,
        registrars=REGISTRARS,
        ending=_ending(client),
        certificate=[(name, value) for name in SUBJECT_FIELDS if (value := getattr(client, name))],
        secretless=client.token_endpoint_auth_method in SECRETLESS,
        trusted=actions.federated_credentials.page(client_row_id, lists.PAGE)[0],
        secrets=secrets,
        days=form.days_ahead(actions.clock()),
        next_page=lists.next_page(cursor, "console_clients.show", client_row_id=client_row_id),
        key_errors=form.errors_of(refusal, KEYS),
        secret_errors=form.errors_of(refusal, SECRET),
        app_errors=app_errors,
        app=request.form if app_errors else values_of(client),
        federated_errors=form.errors_of(refusal, FEDERATED),
        is_app=not OF_USERS.isdisjoint(client.grant_types) or actions.apps.grants(1, client_row_id=client_row_id)[0],
        keys=request.form if form.errors_of(refusal, KEYS) else _keys_of(client),
        **_choices(actions, client, again=bool(form.errors_of(refusal))),
        **offer_app(actions, client, again=bool(app_errors)),
    )


def render_secret(actions: Actions, client: ClientView, secret: str, *, further: bool) -> Response:
    """Render the only page that holds a secret of a client, its first one or a `further` one."""
    issuer = actions.settings.issuer
    page = "console/client_secret.html"
    return pages.render(page, 201, client=client, secret=secret, issuer=issuer, further=further)


def _find(actions: Actions, wanted: ListQuery) -> Found[ClientView]:
    return actions.clients.search(wanted, enabled=read_enabled(), role=lists.read_word("role"))


def _choices(actions: Actions, client: ClientView, *, again: bool) -> dict[str, object]:
    """Return the boxes of the form and which are ticked: as the client is, or `again` as they were sent."""
    roles = form.sent_values("roles") if again else list(client.roles)
    serves = form.sent_values("serves") if again else list(client.serves)
    return {
        "enabled": form.is_checked("enabled") if again else client.enabled,
        DPOP_BOUND: form.is_checked(DPOP_BOUND) if again else client.dpop_bound_access_tokens,
        "picked_roles": roles,
        "picked_serves": serves,
        "roles": actions.choices.roles("machine", {*roles, *client.roles}),
        "serves": actions.choices.resources({*serves, *client.serves}),
    }


def _keys_of(client: ClientView) -> dict[str, str]:
    return {
        METHOD: client.token_endpoint_auth_method,
        JWKS: json.dumps(client.jwks, indent=1) if client.jwks else "",
        JWKS_URI: client.jwks_uri or "",
    }


def _render_new(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    roles, serves = form.sent_values("roles"), form.sent_values("serves")
    return form.render(
        "console/client_new.html",
        refusal,
        methods=METHODS,
        roles=actions.choices.roles("machine", roles),
        serves=actions.choices.resources(serves),
        picked_roles=roles,
        picked_serves=serves,
        acts=APP if request.form.get(ACTS) == APP else SERVICE,
        **offer_app(actions, None, again=refusal is not None and request.form.get(ACTS) == APP),
    )


def _read_new_client() -> NewClient:
    """Read the fields of the chosen kind of client: the fields of the other kind are hidden. Raises Invalid."""
    of_service = {"roles": form.read_selection("roles"), "serves": form.read_selection("serves")}
    return NewClient(
        name=form.read_name("name"),
        token_endpoint_auth_method=_read_method(),
        jwks=_read_jwks(),
        jwks_uri=_read_jwks_uri(),
        enabled=True,
        **(read_app() if read_kind() == APP else of_service),
    )


def _read_method() -> Method:
    return cast(Method, form.read_choice(METHOD, *METHODS))


def _read_jwks_uri() -> str | None:
    return form.read_line(JWKS_URI, LONGEST_URI, required=False) or None


def _read_jwks() -> Mapping[str, Any] | None:
    """Read the pasted keys, None when nothing is pasted; raises Invalid."""
    pasted = request.form.get(JWKS, "").strip()
    if not pasted:
        return None
    if len(pasted) > LONGEST_JWKS:
        raise Invalid.field(JWKS, f"must be at most {LONGEST_JWKS} characters long")
    try:
        keys = json.loads(pasted)
    except (ValueError, RecursionError):
        raise Invalid.field(JWKS, "is not valid JSON") from None
    if not isinstance(keys, dict):
        raise Invalid.field(JWKS, 'must be an object such as {"keys": [{"kty": "EC", …}]}')
    return keys


def _ending(client: ClientView) -> str:
    """Return how long a deletion lasts: an app is registered by its document again when a user opens it."""
    return COMES_BACK if client.registered_by == BY_DOCUMENT else "for good"
