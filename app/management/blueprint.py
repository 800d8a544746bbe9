"""Operations as a table of paths, views and schemas, whose views are bound to the actions when they are served."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Protocol, TypeVar

import marshmallow as ma
from flask import Response
from flask_smorest import Blueprint
from werkzeug.routing import BaseConverter

from app.compose import Actions
from app.errors import LatchkeyError
from app.management.errors import answer_refusal
from app.management.paging import ROW_ID
from app.management.parser import StrictParser

PREFIX = "/api/v1"
NO_CONTENT = 204
Schema = type[ma.Schema]
View = Callable[..., Any]
ViewT = TypeVar("ViewT", bound=View)


class RowId(BaseConverter):
    """An id in a path; any other text is not found."""

    regex = ROW_ID.pattern


class ScopeName(BaseConverter):
    """A permission's name in a path: it may hold slashes (RFC 6749 §3.3)."""

    regex = r"[\x21\x23-\x5B\x5D-\x7E]{1,200}"
    part_isolating = False


class StrictBlueprint(Blueprint):  # type: ignore[misc]
    """Read requests strictly, and do not answer OPTIONS: only what the table of authorization.py names is answered."""

    ARGUMENTS_PARSER = StrictParser()

    def add_url_rule(self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        """Add the rule without the automatic OPTIONS."""
        if view_func is not None:
            view_func.provide_automatic_options = False
        super().add_url_rule(rule, endpoint, view_func, *args, **options)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and path below PREFIX, and the view that answers; `before` is called before the body is read."""

    method: str
    rule: str
    view: View
    answer: Schema | None
    status: int
    query: Schema | None = None
    body: Schema | None = None
    body_required: bool = True
    before: Callable[[Actions], None] | None = None

    def add_to(self, blueprint: Any, actions: Actions) -> None:
        """Add the operation to a flask-smorest blueprint, with the actions as the view's first argument."""
        view = blueprint.response(self.status, self.answer)(self._bind(actions))
        if self.query is not None:
            view = blueprint.arguments(self.query(), location="query")(view)
        if self.body is not None:  # an instance: the library would make one of a class at each request
            view = blueprint.arguments(self.body(), required=self.body_required)(view)
        if self.before is not None:
            view = _call_first(self.before, actions, view)
        blueprint.route(self.rule, methods=[self.method])(view)

    def _bind(self, actions: Actions) -> View:
        @wraps(self.view)
        def call_view(*args: Any, **kwargs: Any) -> Any:
            answer = self.view(actions, *args, **kwargs)
            return _no_content() if self.status == NO_CONTENT else answer

        return call_view


class Decorate(Protocol):
    """A decorator that leaves the view as it is."""

    def __call__(self, view: ViewT, /) -> ViewT:
        """Return the view."""


class Operations:
    """The operations of a subject. Each is in the table of authorization.py, or is refused to everybody."""

    def __init__(self, name: str, description: str) -> None:
        self._name = name
        self._description = description
        self._operations: list[Operation] = []

    def get(self, rule: str, answer: Schema, *, query: Schema | None = None) -> Decorate:
        """Add a GET."""
        return self._add("GET", rule, answer, 200, query=query)

    def post(self, rule: str, answer: Schema, *, status: int = 201, **options: Any) -> Decorate:
        """Add a POST; `options` are fields of Operation."""
        return self._add("POST", rule, answer, status, **options)

    def patch(self, rule: str, answer: Schema, *, body: Schema) -> Decorate:
        """Add a PATCH."""
        return self._add("PATCH", rule, answer, 200, body=body)

    def delete(self, rule: str) -> Decorate:
        """Add a DELETE, which answers nothing."""
        return self._add("DELETE", rule, None, NO_CONTENT)

    def create_blueprint(self, actions: Actions) -> Blueprint:
        """Return a flask-smorest blueprint whose views use these actions."""
        blueprint = StrictBlueprint(self._name, __name__, url_prefix=PREFIX, description=self._description)
        blueprint.register_error_handler(LatchkeyError, answer_refusal)
        for operation in self._operations:
            operation.add_to(blueprint, actions)
        return blueprint

    def _add(self, method: str, rule: str, answer: Schema | None, status: int, **options: Any) -> Decorate:
        def decorate(view: ViewT, /) -> ViewT:
            self._operations.append(Operation(method, rule, view, answer, status, **options))
            return view

        return decorate


def answer_created(actions: Actions, thing: Any, path: str) -> tuple[Any, dict[str, str]]:
    """Answer with what was created, and where it is."""
    return thing, {"Location": f"{actions.settings.management_identifier}{path}"}


def add_secret(view: Any, **secret: str) -> dict[str, Any]:
    """Return the members of a view and a secret; `asdict` would copy them deeply, a twelfth of a creation's cost."""
    return {field.name: getattr(view, field.name) for field in dataclasses.fields(view)} | secret


def _call_first(before: Callable[[Actions], None], actions: Actions, view: View) -> View:
    @wraps(view)
    def call_both(*args: Any, **kwargs: Any) -> Any:
        before(actions)
        return view(*args, **kwargs)

    return call_both


def _no_content() -> Response:
    response = Response(status=NO_CONTENT)
    del response.headers["Content-Type"]
    return response
