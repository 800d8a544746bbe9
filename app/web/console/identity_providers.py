"""/console/identity-providers: the OpenID providers at which users sign in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.identity_provider_records import (
    MOST_PROVIDERS,
    IdentityProviderChanges,
    IdentityProviderView,
    NewIdentityProvider,
)
from app.compose import Actions
from app.errors import Invalid, LatchkeyError
from app.settings.identity_providers import (
    DEFAULT_SCOPES,
    DEFAULT_USERNAME_CLAIM,
    LONGEST_CLAIM,
    LONGEST_CLIENT_ID,
    LONGEST_ISSUER,
    LONGEST_SECRET,
    MOST_SCOPES,
)
from app.web import form, pages
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

BY_SECRET, BY_KEY = "client_secret", "private_key_jwt"
LONGEST_LINES = 16_000  # characters: some hundred groups whose names are UUIDs; a longer text is refused
LINES = "must have one line for each, with a = in it"
Lines = Mapping[str, tuple[str, Any]]  # the name and the value that each line shows

routes = PageRoutes("console_identity_providers", "/console/identity-providers", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the identity providers, the settings file's first."""
    shown = actions.federation.manage.page(MOST_PROVIDERS)[0]
    return pages.render("console/identity_providers.html", providers=shown)


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Ask what is needed to sign in at a provider."""
    return _render_new(actions)


@routes.post("")
def create(actions: Actions) -> Response:
    """Add a provider, and show what to enter there."""
    try:
        by_key, secret = _read_authentication()
        new = NewIdentityProvider(
            issuer=form.read_line("issuer", LONGEST_ISSUER), client_secret=secret, private_key_jwt=by_key, **_read()
        )
        made = actions.federation.manage.create(actor(actions), new)
    except LatchkeyError as error:
        return _render_new(actions, form.Refusal.of(error, duplicate="name"))
    message = "The provider is added. Enter the addresses below there."
    return pages.redirect_with(message, ".show", provider_id=made.id)


@routes.get("/<row:provider_id>")
def show(actions: Actions, provider_id: str) -> Response:
    """Show a provider, and its form unless it is in the settings file."""
    return _render_provider(actions, provider_id)


@routes.post("/<row:provider_id>")
def change(actions: Actions, provider_id: str) -> Response:
    """Change a provider; an empty secret keeps the present one."""
    try:
        by_key, secret = _read_authentication()
        kept: str | Unset = UNSET if secret is None else secret
        before = _lines_of(actions.federation.manage.get(provider_id))
        changes = IdentityProviderChanges(client_secret=kept, private_key_jwt=by_key, **_read(before))
        actions.federation.manage.change(actor(actions), provider_id, changes)
    except LatchkeyError as error:
        return _render_provider(actions, provider_id, form.Refusal.of(error, duplicate="name"))
    return pages.redirect_with("The identity provider is changed.", ".show", provider_id=provider_id)


@routes.get("/<row:provider_id>/delete")
def ask_to_delete(actions: Actions, provider_id: str) -> Response:
    """Ask before a provider is deleted."""
    found = actions.federation.manage.get(provider_id)
    warning = "Nobody signs in there any more, sign-ins that began there end, and the roles that it gives are gone."
    return ask("Delete", found.name, warning, url_for(".show", provider_id=provider_id))


@routes.post("/<row:provider_id>/delete")
def delete(actions: Actions, provider_id: str) -> Response:
    """Delete a provider."""
    actions.federation.manage.delete(actor(actions), provider_id)
    return pages.redirect_with("The identity provider is deleted.", ".index")


def _read(before: Mapping[str, Lines] = MappingProxyType({})) -> dict[str, Any]:
    """Return the fields that a new and a present provider have in common; a line from `before` keeps its value.

    Raises Invalid.
    """
    scopes = tuple(form.read_line("scopes", 2_000).split())
    if len(scopes) > MOST_SCOPES:
        raise Invalid.field("scopes", f"must be at most {MOST_SCOPES}")
    return {
        "name": form.read_name("name"),
        "client_id": form.read_line("client_id", LONGEST_CLIENT_ID),
        "scopes": scopes,
        "username_claim": form.read_line("username_claim", LONGEST_CLAIM),
        "groups_claim": form.read_line("groups_claim", LONGEST_CLAIM, required=False),
        "roles": _read_lines("roles", before.get("roles", {}), _split),
        "create_users": form.is_checked("create_users"),
        "required_claims": _read_lines("required_claims", before.get("required_claims", {}), str),
        "enabled": form.is_checked("enabled"),
    }


def _read_authentication() -> tuple[bool, str | None]:
    """Return whether our signing key authenticates us, else the secret if one is sent; raises Invalid."""
    by_key = form.read_choice("authentication", BY_SECRET, BY_KEY) == BY_KEY
    return by_key, None if by_key else form.read_line("client_secret", LONGEST_SECRET, required=False) or None


def _read_lines(name: str, known: Lines, read: Callable[[str], Any]) -> dict[str, Any]:
    """Return the values by name of a field with a line for each; raises Invalid."""
    found: dict[str, Any] = {}
    for line in form.read_text(name, LONGEST_LINES).splitlines():
        if line.strip() in known:
            found.update([known[line.strip()]])
            continue
        before, equals, after = line.rpartition("=") if name == "roles" else line.partition("=")
        if line.strip() and not (equals and before.strip() and after.strip()):
            raise Invalid.field(name, LINES)
        if equals:
            found[before.strip()] = read(after.strip())
    return found


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _render_new(actions: Actions, refusal: form.Refusal | None = None) -> Response:
    defaults = {"scopes": " ".join(DEFAULT_SCOPES), "username_claim": DEFAULT_USERNAME_CLAIM, "enabled": "on"}
    given = request.form if refusal else {**defaults, "authentication": BY_SECRET}
    return form.render("console/identity_provider_new.html", refusal, given=given, longest=LONGEST_LINES + 1)


def _render_provider(actions: Actions, provider_id: str, refusal: form.Refusal | None = None) -> Response:
    provider = actions.federation.manage.get(provider_id)
    given = request.form if refusal else _values_of(provider)
    longest = LONGEST_LINES + 1
    return form.render("console/identity_provider.html", refusal, provider=provider, given=given, longest=longest)


def _values_of(provider: IdentityProviderView) -> Mapping[str, str]:
    """Return the values of the form's fields."""
    flags = {name: "on" for name in ("create_users", "enabled") if getattr(provider, name)}
    return flags | {
        "name": provider.name,
        "client_id": provider.client_id,
        "authentication": BY_KEY if provider.private_key_jwt else BY_SECRET,
        "scopes": " ".join(provider.scopes),
        "username_claim": provider.username_claim,
        "groups_claim": provider.groups_claim,
        **{name: "\n".join(lines) for name, lines in _lines_of(provider).items()},
    }


def _lines_of(provider: IdentityProviderView) -> dict[str, Lines]:
    """Return the lines of the fields that have a line for each name, with what each stands for."""
    roles, claims = provider.roles.items(), provider.required_claims.items()
    return {
        "roles": {f"{group} = {', '.join(names)}".strip(): (group, names) for group, names in roles},
        "required_claims": {f"{name} = {_write(value)}".strip(): (name, value) for name, value in claims},
    }


def _write(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
