"""The fast lane: the common shape of the hot routes, answered before Flask. Its law: it decides nothing.

It asks the same actions and prints with the same functions as the oauth room; whatever is not exactly the common shape,
and every refusal, is left to that room untouched. An answer is kept only while the authority epoch stands, which is
read at every use, and never past the instant at which time alone would change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.compose import Actions
from app.fast_lane.forward_auth import forward_auth
from app.fast_lane.introspection import Introspection
from app.fast_lane.lane import Lane, Road
from app.fast_lane.memory import Memory
from app.fast_lane.token import Token

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def in_front_of(inner: WSGIApplication, known: Actions) -> WSGIApplication:
    """Put the lane before an application, unless the setting FAST_LANE says no."""
    if not known.settings.fast_lane:
        return inner
    memory = Memory(known.epoch)
    roads: dict[str, Road | None] = {
        "/oauth/introspect": Introspection(known, memory),
        "/oauth/token": Token(known, memory),
        "/oauth/forward-auth": forward_auth(known, memory),
    }
    return Lane(inner, {route: road for route, road in roads.items() if road}, known.settings.issuer)
