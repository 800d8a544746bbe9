"""What a client can find out about this service provider (RFC 7644 §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import Response, request
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Patch,
    Resource,
    ServiceProviderConfig,
    Sort,
)

from app.actions.directory.provisioning_lists import MOST_RESULTS
from app.compose import Actions
from app.errors import NotFound
from app.scim.errors import ScimRefusal
from app.scim.messages import Body, list_body, make_response, root
from app.scim.models import PROVIDER

BEARER = AuthenticationScheme(
    type=AuthenticationScheme.Type.oauthbearertoken,
    name="OAuth Bearer token",
    description="A machine-to-machine or personal access token with the scope scim",
    spec_uri="https://www.rfc-editor.org/info/rfc6750",
    primary=True,
)
CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=True),
    authentication_schemes=[BEARER],
)


def show_config(actions: Actions) -> Response:
    """Show what is supported."""
    _refuse_filter()
    return make_response(_locate(CONFIG, "ServiceProviderConfig", f"{root(actions)}/ServiceProviderConfig"))


def list_resource_types(actions: Actions) -> Response:
    """List the types of resources."""
    return _answer_all(actions, "ResourceType", PROVIDER.resource_types)


def show_resource_type(actions: Actions, name: str) -> Response:
    """Show one type of resources."""
    return _answer_one(actions, "ResourceType", PROVIDER.resource_types, name)


def list_schemas(actions: Actions) -> Response:
    """List the schemas."""
    return _answer_all(actions, "Schema", PROVIDER.schemas)


def show_schema(actions: Actions, name: str) -> Response:
    """Show one schema."""
    return _answer_one(actions, "Schema", PROVIDER.schemas, name)


VIEWS: Mapping[str, Callable[..., Response]] = MappingProxyType(
    {
        "config": show_config,
        "resource types": list_resource_types,
        "resource type": show_resource_type,
        "schemas": list_schemas,
        "schema": show_schema,
    }
)


def _answer_all(actions: Actions, type: str, resources: tuple[Resource[Any], ...]) -> Response:
    _refuse_filter()
    located = [_locate(one, type, f"{root(actions)}/{type}s/{one.id}") for one in resources]
    return make_response(list_body(located, len(located)))


def _answer_one(actions: Actions, type: str, resources: tuple[Resource[Any], ...], name: str) -> Response:
    for one in resources:
        if one.id == name:
            return make_response(_locate(one, type, f"{root(actions)}/{type}s/{one.id}"))
    raise NotFound(f"there is no such {type}")


def _refuse_filter() -> None:
    if "filter" in request.args:  # RFC 7644 §4
        raise ScimRefusal(403, "what a service provider supports cannot be filtered")


def _locate(resource: Resource[Any], type: str, location: str) -> Body:
    return resource.model_dump(mode="json") | {"meta": {"resourceType": type, "location": location}}
