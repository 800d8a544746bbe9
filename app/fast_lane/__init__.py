"""The fast lane: the common shape of the hot routes, answered before Flask. It decides nothing.

It calls the same actions and renders with the same functions as the oauth package, and leaves every other shape and
every refusal to it. An answer is cached only while the authority epoch is unchanged, which is read at every use, and
never beyond the instant at which time alone would change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.compose import Actions
from app.fast_lane.forward_auth import create_route
from app.fast_lane.introspection import IntrospectionRoute
from app.fast_lane.lane import FastRoute, Lane
from app.fast_lane.memory import Memory
from app.fast_lane.token import TokenRoute
from app.operations.paths import FORWARD_AUTH, TOKEN
from app.operations.request_log import RequestLog

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def in_front_of(inner: WSGIApplication, actions: Actions, request_log: RequestLog) -> WSGIApplication:
    """Return the lane before an application, or the application alone without the setting FAST_LANE."""
    if not actions.settings.fast_lane:
        return inner
    memory = Memory(actions.epoch)
    routes: dict[str, FastRoute | None] = {
        "/oauth/introspect": IntrospectionRoute(actions, memory),
        TOKEN: TokenRoute(actions, memory),
        FORWARD_AUTH: create_route(actions, memory),
    }
    present = {path: route for path, route in routes.items() if route}
    return Lane(inner, present, actions.settings.issuer, request_log)
