"""The error format of SCIM (RFC 7644 §3.12), for whatever refuses a request below its path."""

from __future__ import annotations

import json

SCIM_ROOT = "/scim/"
SCIM_JSON = "application/scim+json"
SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


def scim_error(status: int, detail: str, scim_type: str | None = None) -> str:
    """Return the body of an error; the status is a string there."""
    body = {"schemas": [SCHEMA], "status": str(status), "scimType": scim_type, "detail": detail}
    return json.dumps({name: value for name, value in body.items() if value is not None})
