"""The fast lane: answer common requests to the most frequent routes before Flask. It decides nothing.

It calls the same actions and renders with the same functions as the oauth package, and leaves every other request and
every refusal to it. An answer is cached only while the authority epoch is unchanged, which is read at every use, and
never beyond the instant at which it would change by itself.
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


def put_lane_before(inner: WSGIApplication, actions: Actions, request_log: RequestLog) -> WSGIApplication:
    """Return the lane around an application; without the setting FAST_LANE, the application alone."""
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
