"""Read the requests of SCIM and write its answers: bodies, queries, versions, lists and errors (RFC 7644 §3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, request
from pydantic import ValidationError
from scim2_models import Context, Error, PatchOp, Resource, ResponseParameters, SCIMException, SearchRequest
from scim2_models.base import BaseModel
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.actions.directory.provisioning_lists import HIGHEST_START, MOST_RESULTS, Part, Wanted
from app.compose import Actions
from app.errors import Malformed
from app.http.scim_error import SCIM_JSON
from app.scim.errors import ScimRefusal
from app.scim.models import POLICY
from app.settings.strict_json import read_json

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ACCEPTED = (SCIM_JSON, "application/json")
LONGEST_EXPRESSION = 4_096  # characters of a filter, of a path, of a list of attributes
LONGEST_PATHS = 65_536  # characters of all paths of a PATCH, each of which is parsed
MOST_NESTED = 50  # brackets in a path: the time to parse them grows with the square of their number
MOST_NAMES = 100  # attributes in one list
DEFAULT_COUNT = 100
PARAMETERS = ("filter", "sortBy", "sortOrder", "startIndex", "count")
PROJECTION = ("attributes", "excludedAttributes")
ModelT = TypeVar("ModelT", bound=BaseModel)
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """A list as it was asked for, and which attributes of each resource are answered."""

    wanted: Wanted
    projection: ResponseParameters[Any]


@contextmanager
def translate_refusals() -> Iterator[None]:
    """Turn what the library refuses into a refusal of ours."""
    try:
        yield
    except SCIMException as error:
        raise ScimRefusal(error.status, error.detail, error.scim_type or None) from None
    except ValidationError as error:
        [first, *_] = Error.from_validation_errors(error)
        raise ScimRefusal(first.status or 400, first.detail or "", first.scim_type) from None


def read_body() -> Body:
    """Read the JSON object that was sent. Raises Malformed and UnsupportedMediaType."""
    if request.mimetype and request.mimetype not in ACCEPTED:
        raise UnsupportedMediaType(f"send {SCIM_JSON}")
    try:
        body = read_json(request.get_data().decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not well-formed JSON") from None
    if not isinstance(body, dict):
        raise Malformed("the body is not a JSON object")
    if len({name.lower() for name in body}) < len(body):
        raise Malformed("an attribute is repeated")  # RFC 7643 §2.1: names are case-insensitive
    return body


def read_resource(model: type[ModelT], body: Body) -> ModelT:
    """Read a resource that is created or replaced; what is read-only is ignored (RFC 7644 §3.3, §3.5.1)."""
    return model.model_validate(body, scim_ctx=Context.RESOURCE_REPLACEMENT_REQUEST, scim_policy=POLICY)


def read_patch(model: Any, most_operations: int) -> PatchOp[Any]:
    """Read the operations of a PATCH (RFC 7644 §3.5.2)."""
    body = read_body()
    operations = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if isinstance(operations, list):
        paths = [path for operation in operations for path in _paths_of(operation)]
        if max(len(operations), len(paths)) > most_operations:
            raise RequestEntityTooLarge(f"a request has at most {most_operations} operations, each attribute being one")
        _bound_paths(paths)
    return PatchOp[model].model_validate(body, scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY)


def read_search(model: Any, parameters: Mapping[str, Any]) -> Search:
    """Read which part of a list is wanted, from a query or from the body of a search (RFC 7644 §3.4.2, §3.4.3)."""
    _bound_expressions(parameters)
    asked = SearchRequest[model].model_validate(parameters, scim_ctx=Context.SEARCH_REQUEST, scim_policy=POLICY)
    if asked.cursor is not None:
        raise ScimRefusal(400, "pages are by startIndex, not by a cursor", "invalidValue")
    count = DEFAULT_COUNT if asked.count is None else min(asked.count, MOST_RESULTS)
    start = min(asked.start_index_0 or 0, HIGHEST_START)
    down = asked.sort_order == SearchRequest.SortOrder.descending
    return Search(Wanted(start, count, asked.filter, asked.sort_by, down), asked)


def read_projection(model: Any) -> ResponseParameters[Any]:
    """Read which attributes are answered (RFC 7644 §3.9)."""
    parameters = read_query(*PROJECTION)
    _bound_expressions(parameters)
    return ResponseParameters[model].model_validate(parameters, scim_policy=POLICY)


def read_query(*names: str) -> dict[str, str]:
    """Return these parameters of the query; others are ignored. Raises Malformed for a repeated one."""
    known = {name.lower(): name for name in names}
    found: dict[str, str] = {}
    for sent, values in request.args.lists():
        name = known.get(sent.lower())
        if name is not None:
            if len(values) > 1 or name in found:
                raise Malformed(f"the parameter {name} is repeated")
            found[name] = values[0]
    return found


def is_current(version: str) -> bool:
    """Return whether the request is about this version, by its If-Match and If-None-Match (RFC 7644 §3.14)."""
    tag, wanted, unwanted = version, request.if_match, request.if_none_match
    if wanted and not wanted.contains_weak(tag):
        return False
    return not (unwanted and unwanted.contains_weak(tag))


def answer(resource: Body, version: str, location: str, status: int = 200) -> Response:
    """Answer with a resource and its version; a reader that has this version already gets a 304."""
    headers = {"ETag": f'W/"{version}"', "Content-Location": location}
    if request.method in ("GET", "HEAD") and request.if_none_match.contains_weak(version):
        return Response(status=304, headers=headers)
    if status == 201:
        headers["Location"] = location
    return make_response(resource, status, headers)


def answer_list(search: Search, part: Part[Any], write: Callable[[Any], Body]) -> Response:
    """Answer with a part of a list."""
    return make_response(list_body([write(one) for one in part.found], part.total, search.wanted.start + 1))


def list_body(resources: Sequence[Body], total: int, start: int = 1) -> Body:
    """Return the body of a list."""
    counts = {"totalResults": total, "startIndex": start, "itemsPerPage": len(resources)}
    return {"schemas": [LIST], **counts, "Resources": list(resources)}


def make_response(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with this body."""
    return Response(json.dumps(body), status, headers, content_type=SCIM_JSON)


def dump(resource: Resource[Any], projection: ResponseParameters[Any] | None) -> Body:
    """Return the attributes of a resource that are answered."""
    context = Context.RESOURCE_QUERY_RESPONSE
    return resource.model_dump(mode="json", scim_ctx=context, response_parameters=projection)


def root(actions: Actions) -> str:
    """Return the URL below which everything is."""
    return f"{actions.settings.issuer}/scim/v2"


def _bound_expressions(parameters: Mapping[str, Any]) -> None:
    for name, value in parameters.items():
        names = value.split(",") if isinstance(value, str) and name.lower().endswith("attributes") else value
        too_long = isinstance(value, str) and len(value) > LONGEST_EXPRESSION
        if too_long or (isinstance(names, list) and len(names) > MOST_NAMES):
            scim_type = "invalidFilter" if name.lower() == "filter" else "invalidValue"
            raise ScimRefusal(400, f"{name[:LONGEST_EXPRESSION]} is too long", scim_type)
        for one in names if isinstance(names, list) else ():
            if isinstance(one, str) and len(one) > LONGEST_EXPRESSION:
                raise ScimRefusal(400, "the name of an attribute is too long", "invalidValue")


def _paths_of(operation: Any) -> list[str]:
    """Return what of an operation is parsed as a path: its path, and the members of its value."""
    members = operation.items() if isinstance(operation, dict) else ()
    found = [[value] if name.lower() == "path" else value for name, value in members if not isinstance(value, list)]
    return [path for some in found if isinstance(some, list | dict) for path in some if isinstance(path, str)]


def _bound_paths(paths: Sequence[str]) -> None:
    if any(len(path) > LONGEST_EXPRESSION for path in paths):
        raise ScimRefusal(400, "a path is too long", "invalidPath")
    if any(path.count("(") > MOST_NESTED for path in paths):
        raise ScimRefusal(400, f"a path has more than {MOST_NESTED} brackets", "invalidPath")
    if sum(map(len, paths)) > LONGEST_PATHS:
        raise RequestEntityTooLarge(f"the paths of a request have at most {LONGEST_PATHS} characters together")
