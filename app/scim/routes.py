"""The paths of SCIM (RFC 7644 §3.2). Each needs the scope `scim`, checked before a query or a body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, g

from app.compose import Actions
from app.errors import LatchkeyError
from app.http.bearer import authenticate_bearer
from app.scim.errors import ScimRefusal, answer_refusal, answer_scim

PREFIX = "/scim/v2"
SCOPE = "scim"
View = Callable[..., Response]


def create_blueprint(actions: Actions) -> Blueprint:
    """Return the blueprint whose views use these actions."""
    blueprint = Blueprint("scim", __name__, url_prefix=PREFIX)
    blueprint.before_request(partial(_admit, actions))
    blueprint.register_error_handler(LatchkeyError, answer_refusal)
    blueprint.register_error_handler(ScimRefusal, answer_scim)
    for method, rule, load in RULES:
        endpoint = f"{method}_{rule}".replace("/", "_").replace(".", "_")
        blueprint.add_url_rule(rule, endpoint, partial(_serve, actions, load), methods=[method])
    return blueprint


def _admit(actions: Actions) -> None:
    g.actor = authenticate_bearer(actions, SCOPE, apps=False)


def _serve(actions: Actions, load: Callable[[], View], **values: Any) -> Response:
    view = load()
    from app.scim.messages import translate_refusals

    with translate_refusals():
        return view(actions, **values)


def _users(name: str) -> Callable[[], View]:
    def load() -> View:
        from app.scim import users

        return users.VIEWS[name]

    return load


def _groups(name: str) -> Callable[[], View]:
    def load() -> View:
        from app.scim import groups

        return groups.VIEWS[name]

    return load


def _discovery(name: str) -> Callable[[], View]:
    def load() -> View:
        from app.scim import discovery

        return discovery.VIEWS[name]

    return load


def _search_everything() -> View:
    from app.scim.everything import search_everything

    return search_everything


RULES: tuple[tuple[str, str, Callable[[], View]], ...] = (
    ("POST", "/.search", _search_everything),
    ("GET", "/Users", _users("list")),
    ("POST", "/Users", _users("create")),
    ("POST", "/Users/.search", _users("search")),
    ("GET", "/Users/<row:user_id>", _users("get")),
    ("PUT", "/Users/<row:user_id>", _users("replace")),
    ("PATCH", "/Users/<row:user_id>", _users("patch")),
    ("DELETE", "/Users/<row:user_id>", _users("delete")),
    ("GET", "/Groups", _groups("list")),
    ("POST", "/Groups", _groups("create")),
    ("POST", "/Groups/.search", _groups("search")),
    ("GET", "/Groups/<row:group_id>", _groups("get")),
    ("PUT", "/Groups/<row:group_id>", _groups("replace")),
    ("PATCH", "/Groups/<row:group_id>", _groups("patch")),
    ("DELETE", "/Groups/<row:group_id>", _groups("delete")),
    ("GET", "/ServiceProviderConfig", _discovery("config")),
    ("GET", "/ResourceTypes", _discovery("resource types")),
    ("GET", "/ResourceTypes/<name>", _discovery("resource type")),
    ("GET", "/Schemas", _discovery("schemas")),
    ("GET", "/Schemas/<name>", _discovery("schema")),
)
