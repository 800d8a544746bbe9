"""How each interface refuses: OAuth errors, Bearer challenges, problems; each is asserted in full."""

import re

import httpx

from tests.api import Json

DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §5.2
CHALLENGE = re.compile(r"([A-Za-z]+)(?: +(.*))?")
PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"')


def oauth_error(response: httpx.Response, status: int, code: str) -> str:
    """Assert an error object of RFC 6749 §5.2 and return its description."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    assert "no-store" in response.headers["Cache-Control"] and response.headers["Pragma"] == "no-cache"
    body = response.json()
    assert body["error"] == code, body
    assert set(body) == {"error", "error_description"}
    assert DESCRIPTION.fullmatch(body["error_description"]), body
    return str(body["error_description"])


def challenge(response: httpx.Response, status: int, scheme: str = "Bearer") -> dict[str, str]:
    """Assert one `WWW-Authenticate` challenge of that scheme and return its parameters."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    sent = response.headers.get_list("WWW-Authenticate")
    assert len(sent) == 1, sent
    parts = CHALLENGE.fullmatch(sent[0])
    assert parts is not None and parts[1].lower() == scheme.lower(), sent
    parameters = dict(PARAMETER.findall(parts[2] or ""))
    assert parameters, sent  # RFC 6750 §3: one or more
    return parameters


def problem(response: httpx.Response, status: int) -> Json:
    """Assert a problem of RFC 9457 with its request id and return it."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    assert response.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert response.headers["X-Request-Id"]
    body: Json = response.json()
    assert {"type", "title", "status", "detail"} <= set(body), body
    assert body["status"] == status
    assert all(isinstance(body[name], str) and body[name] for name in ("type", "title", "detail")), body
    return body


def invalid(response: httpx.Response, *fields: str) -> list[str]:
    """Assert a 422 whose `errors` name these fields; return all messages."""
    errors = problem(response, 422)["errors"]
    assert errors and all(set(error) == {"field", "message"} for error in errors), errors
    named = {str(error["field"]) for error in errors}
    assert set(fields) <= named, errors
    return [str(error["message"]) for error in errors]
