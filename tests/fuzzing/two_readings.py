"""Targets that read the same bytes twice, with the fast lane and with Flask, and compare the results."""

from __future__ import annotations

import base64
import contextlib
from io import BytesIO
from urllib.parse import quote_plus

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Request

from app.access.scopes import MalformedScope, Scopes
from app.fast_lane import shape
from app.http.peer import peer_address
from app.http.request import Request as Context
from app.http.request_bounds import FORM
from app.oauth import client_authentication, form_reader, forward_auth
from app.settings.addresses import parse_address
from app.settings.checks import read_networks
from tests.fuzzing.inputs import environ_of, header_of, holds, query_of

LANE_FIELDS = frozenset({"grant_type", "scope", "resource", "token", "token_type_hint"})


def form(data: bytes) -> None:
    """Check that Flask reads the fields that the fast lane reads, and that the body can be read again."""
    given = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(data))}
    lane = environ_of(**given, **{"wsgi.input": BytesIO(data)})
    body = shape.read_body(lane)
    if body is not None:
        holds(body == data == lane["wsgi.input"].read(), data)
    found = shape.read_fields(data.decode("latin-1"), LANE_FIELDS)
    try:
        read = form_reader.read_form(Request(environ_of(**given, **{"wsgi.input": BytesIO(data)})))
    except InvalidRequestError:
        return holds(found is None, data)
    if found is not None:
        holds(found == {name: read.getlist(name)[0] for name in read} and len(found) == len(list(read.values())), data)
    return None


def form_headers(data: bytes) -> None:
    """Check that Flask reads every request as a form that the lane reads as one."""
    lines = [*data.split(b"\n")[:4], b"", b"", b"", b""]
    parts = [header_of(line) for line in lines]
    given = {"CONTENT_TYPE": parts[0], "CONTENT_LENGTH": parts[1], "HTTP_ACCEPT": parts[2]}
    given["QUERY_STRING"] = query_of(lines[3])
    body = b"token=x"
    taken = shape.read_body(environ_of(**given, **{"wsgi.input": BytesIO(body)}))
    shape.is_common(environ_of(HTTP_HOST=parts[0]))
    given["CONTENT_LENGTH"] = str(len(body))
    try:
        read = form_reader.read_form(Request(environ_of(**given, **{"wsgi.input": BytesIO(body)})))
    except InvalidRequestError:
        return holds(taken is None, parts)
    holds(taken is None or read.to_dict() == {"token": "x"}, parts)
    return None


def query(data: bytes) -> None:
    """Check that the lane and app.oauth read the same query of a forward-auth request."""
    text = query_of(data)
    found = shape.read_fields(text, frozenset({"resource", "scope", "challenge"}))
    try:
        asked = forward_auth.read_access_request(Request(environ_of(REQUEST_METHOD="GET", QUERY_STRING=text)))
    except forward_auth.Refusal:
        if found and "resource" in found:
            with contextlib.suppress(MalformedScope):
                Scopes.parse(found.get("scope", ""))
                holds(False, text)
        return
    if found and "resource" in found:
        holds(found["resource"] == asked.resource and Scopes.parse(found.get("scope", "")) == asked.scopes, text)


def bearer(data: bytes) -> None:
    """Check that the lane and app.oauth read the same credential."""
    authorization, _, key = data.partition(b"\n")
    given = {"HTTP_AUTHORIZATION": header_of(authorization), "HTTP_X_API_KEY": header_of(key)}
    given = {name: value for name, value in given.items() if value}
    seen = shape.read_bearer(environ_of(**given))
    try:
        found, from_url = forward_auth.read_credential(Request(environ_of(REQUEST_METHOD="GET", **given)), "")
    except forward_auth.Refusal:
        return holds(seen is None, given)
    holds(seen is None or (seen == found and not from_url), given)
    return None


def basic(data: bytes) -> None:
    """Check that Basic credentials are read as two strings, an encoded pair as itself, by the lane as by Flask."""
    value = header_of(data)
    pair = client_authentication.decode_basic(value)
    holds(all(isinstance(part, str) for part in pair), value)
    authorization = f"Basic {value}"
    context = Context("id", None, "GET", "/", authorization, None, lambda: None)
    seen = shape.read_basic(authorization)
    holds(seen is None or (context.scheme == "basic" and seen == context.credentials), value)
    holds(client_authentication.basic_credentials(context) == client_authentication.decode_basic(value.strip()), value)
    sent = data.decode("utf-8", "replace").partition("\n")[::2]
    spelled = ":".join(quote_plus(part) for part in sent).encode()
    holds(client_authentication.decode_basic(base64.b64encode(spelled).decode()) == sent, sent)


def peer(data: bytes) -> None:
    """Check that X-Forwarded-For is ignored without trusted proxies, and raises no exception with them."""
    remote, _, forwarded = header_of(data.replace(b"\n", b"|")).partition("|")
    for trusted in ((), read_networks("127.0.0.0/8,::/0")):
        found = peer_address(remote, forwarded, trusted)
        holds(trusted or found == parse_address(remote), remote, forwarded)
