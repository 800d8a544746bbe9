"""A provisioning client, such as an organisation's identity provider has."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.management.face import Face

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
JSON = "application/scim+json"
_serial = itertools.count(1)


def unique(noun: str) -> str:
    """Return a name that nothing has yet."""
    return f"{noun}-{next(_serial)}"


def operation(op: str, path: str | None = None, value: Any = None) -> dict[str, Any]:
    """Return an operation of a PATCH; a path or a value that is None is left out."""
    return {"op": op} | {name: what for name, what in (("path", path), ("value", value)) if what is not None}


@dataclass
class Provisioner:
    """Calls the endpoints with a token."""

    face: Face
    token: str
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.face.app.test_client()

    def call(self, method: str, path: str, body: object = None, **options: Any) -> TestResponse:
        """Call `/scim/v2{path}`; `options` go to Flask's test client."""
        headers = {"Authorization": f"Bearer {self.token}"} | dict(options.pop("headers", {}))
        if body is not None:
            options |= {"json": body, "content_type": options.get("content_type", JSON)}
        return self.http.open(f"/scim/v2{path}", method=method, headers=headers, **options)

    def get(self, path: str, **query: str) -> Any:
        """GET a resource or a list, which must be there."""
        return self._content(self.call("GET", path, query_string=query), 200)

    def user(self, **attributes: Any) -> Any:
        """Create a user."""
        name = unique("user")
        body = {"schemas": [USER], "userName": name, "active": True} | attributes
        return self._content(self.call("POST", "/Users", body), 201)

    def group(self, *members: str, **attributes: Any) -> Any:
        """Create a group of these users."""
        body = {"schemas": [GROUP], "displayName": unique("group"), "members": [{"value": one} for one in members]}
        return self._content(self.call("POST", "/Groups", body | attributes), 201)

    def patch(self, path: str, *operations: Mapping[str, Any], **options: Any) -> TestResponse:
        """PATCH with these operations."""
        return self.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **options)

    def patched(self, path: str, *operations: Mapping[str, Any]) -> Any:
        """Return what a PATCH made, which must succeed."""
        return self._content(self.patch(path, *operations), 200)

    def find_ids(self, path: str, text: str) -> list[str]:
        """Return the ids of what a filter selects."""
        return [one["id"] for one in self.get(path, filter=text)["Resources"]]

    def members(self, group_id: str) -> set[str]:
        """Return the ids of the members of a group."""
        return {one["value"] for one in self.get(f"/Groups/{group_id}").get("members", ())}

    @staticmethod
    def _content(response: TestResponse, status: int) -> Any:
        assert response.status_code == status, response.text
        assert response.content_type == JSON
        return response.json


def refused(response: TestResponse, status: int, scim_type: str | None = None) -> str:
    """Assert that a request was refused so, in the format of RFC 7644 §3.12; return why."""
    assert response.status_code == status, response.text
    assert response.content_type == JSON
    body = response.json
    assert body is not None and body["schemas"] == [ERROR] and body["status"] == str(status), body
    assert body.get("scimType") == scim_type, body
    return str(body["detail"])
