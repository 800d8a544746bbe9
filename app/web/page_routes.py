"""Routes of pages: a table at module level, from which a Flask blueprint is made once the actions are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Concatenate, ParamSpec

from flask import Blueprint
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wrappers import Response

from app.compose import Actions
from app.errors import LatchkeyError
from app.http import browser
from app.web.pages import render_error, render_expired_form, render_unreadable_form
from app.web.visitors import require_confirmed, require_user

P = ParamSpec("P")
View = Callable[Concatenate[Actions, P], Response]
Guard = Callable[[Actions], Response | None]


@dataclass(frozen=True, slots=True)
class Route:
    """One route, and its view, which takes the actions before the variable parts of the path.

    `confirmed`: a user with a second factor must have used it a short while ago.
    """

    method: str
    rule: str
    view: Callable[..., Response]
    confirmed: bool = False

    def bind(self, actions: Actions) -> Callable[..., Response]:
        """Return the view as Flask calls it, under the same name."""

        @wraps(self.view)
        def confirmed_view(**variables: str) -> Response:
            return require_confirmed(actions) or self.view(actions, **variables)

        return confirmed_view if self.confirmed else wraps(self.view)(partial(self.view, actions))


class PageRoutes:
    """The routes of the pages below one path; `guard` runs before each of them, None admits everybody."""

    def __init__(self, name: str, path: str | None = None, guard: Guard | None = require_user) -> None:
        self.name = name
        self._path = path
        self._guard = guard
        self._routes: list[Route] = []

    def get(self, rule: str, *, confirmed: bool = False) -> Callable[[View[P]], View[P]]:
        """Declare the view of GET requests."""
        return self._declare("GET", rule, confirmed)

    def post(self, rule: str, *, confirmed: bool = False) -> Callable[[View[P]], View[P]]:
        """Declare the view of POST requests."""
        return self._declare("POST", rule, confirmed)

    def create_blueprint(self, actions: Actions) -> Blueprint:
        """Return a blueprint whose views have the actions as their first argument."""
        blueprint = Blueprint(self.name, __name__, url_prefix=self._path)
        for route in self._routes:
            blueprint.add_url_rule(route.rule, view_func=route.bind(actions), methods=[route.method])
        blueprint.context_processor(lambda: {"visitor": browser.find_session(actions)})
        blueprint.register_error_handler(browser.CSRFError, render_expired_form)
        for unreadable in (RequestEntityTooLarge, UnsupportedMediaType):
            blueprint.register_error_handler(unreadable, render_unreadable_form)
        blueprint.register_error_handler(LatchkeyError, render_error)
        if self._guard is not None:
            blueprint.before_request(partial(self._guard, actions))
        return blueprint

    def _declare(self, method: str, rule: str, confirmed: bool) -> Callable[[View[P]], View[P]]:
        def add(view: View[P]) -> View[P]:
            self._routes.append(Route(method, rule, view, confirmed))
            return view

        return add
