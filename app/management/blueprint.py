"""Operations as a table of paths, views and schemas, whose views are bound to the actions when they are served."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Protocol, TypeVar

import flask_smorest
import marshmallow as ma
from flask import Blueprint, Response
from werkzeug.routing import BaseConverter

from app.compose import Actions
from app.errors import LatchkeyError
from app.management.errors import answer_refusal
from app.management.fields import Naming
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


class StrictBlueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """Read requests strictly. It decorates views and describes them; they are served by a blueprint of Flask's own."""

    ARGUMENTS_PARSER = StrictParser()


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and path below PREFIX, and the view that reads the request and answers, after it gets the actions."""

    method: str
    rule: str
    view: View

    def bind(self, actions: Actions) -> View:
        """Return the view as Flask calls it, under the same name."""
        return wraps(self.view)(partial(self.view, actions))


class Decorate(Protocol):
    """A decorator that leaves the view as it is."""

    def __call__(self, view: ViewT, /) -> ViewT:
        """Return the view."""


class Operations:
    """The operations of a subject. Each is in the table of authorization.py, or is refused to everybody."""

    def __init__(self, name: str, description: str) -> None:
        self._name = name
        self._decorator = StrictBlueprint(name, __name__, description=description)
        self._operations: list[Operation] = []

    def get(self, rule: str, answer: Schema, *, query: Schema | None = None) -> Decorate:
        """Add a GET."""
        return self._add("GET", rule, answer, 200, query=query)

    def post(self, rule: str, answer: Schema, *, status: int = 201, **options: Any) -> Decorate:
        """Add a POST; `options` are the keywords of _decorate."""
        return self._add("POST", rule, answer, status, **options)

    def patch(self, rule: str, answer: Schema, *, body: Schema) -> Decorate:
        """Add a PATCH."""
        return self._add("PATCH", rule, answer, 200, body=body)

    def delete(self, rule: str) -> Decorate:
        """Add a DELETE, which answers nothing."""
        return self._add("DELETE", rule, None, NO_CONTENT)

    def create_blueprint(self, actions: Actions) -> Blueprint:
        """Return a blueprint whose views use these actions."""
        blueprint = Blueprint(self._name, __name__, url_prefix=PREFIX)
        blueprint.register_error_handler(LatchkeyError, answer_refusal)
        for operation in self._operations:
            view = operation.bind(actions)
            blueprint.add_url_rule(operation.rule, view_func=view, methods=[operation.method])
        return blueprint

    def describe(self) -> StrictBlueprint:
        """Return a blueprint that only describes the routes of the other: that costs most of an application's start."""
        described = StrictBlueprint(self._name, __name__, description=self._decorator.description)
        for operation in self._operations:
            described.add_url_rule(operation.rule, view_func=operation.view, methods=[operation.method])
        return described

    def _add(self, method: str, rule: str, answer: Schema | None, status: int, **options: Any) -> Decorate:
        def decorate(view: ViewT, /) -> ViewT:
            self._operations.append(Operation(method, rule, self._decorate(view, answer, status, **options)))
            return view

        return decorate

    def _decorate(
        self,
        view: View,
        answer: Schema | None,
        status: int,
        *,
        query: Schema | None = None,
        body: Schema | None = None,
        body_required: bool = True,
        before: Callable[[Actions], None] | None = None,
    ) -> View:
        """Return the view with its request parsed and its answer printed; `before` is called before parsing."""
        view = self._decorator.response(status, answer)(_drop_content(view) if status == NO_CONTENT else view)
        if query is not None:
            view = self._decorator.arguments(query(), location="query")(view)
            view = self._decorator.alt_response(404, description="unknown")(view) if _names_object(query) else view
        if body is not None:  # an instance: the library would make one of a class at each request
            view = self._decorator.arguments(body(), required=body_required)(view)
        return view if before is None else _call_first(before, view)


def answer_created(actions: Actions, thing: Any, path: str) -> tuple[Any, dict[str, str]]:
    """Answer with what was created, and where it is."""
    return thing, {"Location": f"{actions.settings.management_identifier}{path}"}


def add_secret(view: Any, **secret: str) -> dict[str, Any]:
    """Return the members of a view and a secret; `asdict` would copy them deeply, a twelfth of a creation's cost."""
    return {field.name: getattr(view, field.name) for field in dataclasses.fields(view)} | secret


def _names_object(query: Schema) -> bool:
    """Return whether a parameter names the object that is asked for, so that the answer may be 404."""
    return any(isinstance(field, Naming) for field in query().fields.values())


def _call_first(before: Callable[[Actions], None], view: View) -> View:
    @wraps(view)
    def call_both(actions: Actions, *args: Any, **kwargs: Any) -> Any:
        before(actions)
        return view(actions, *args, **kwargs)

    return call_both


def _drop_content(view: View) -> View:
    @wraps(view)
    def answer_nothing(*args: Any, **kwargs: Any) -> Response:
        view(*args, **kwargs)
        response = Response(status=NO_CONTENT)
        del response.headers["Content-Type"]
        return response

    return answer_nothing
