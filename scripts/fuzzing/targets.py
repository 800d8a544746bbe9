"""The targets: a parser each, with what must hold whatever bytes come. Only documented exceptions are let pass."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import click
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask, Request
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm
from marshmallow import ValidationError

from app.access.scopes import SCOPE_TOKEN, Grants, MalformedScope, Scopes
from app.actions import api_keys, client_keys, exchange, issue_machine_token
from app.actions.lifetime import AskedLifetime, Policy
from app.cli.options import Duration, Instant, Rate
from app.credentials import signing
from app.credentials.access_token import kind_of
from app.credentials.kind import Claims
from app.credentials.opaque import ALPHABET, Prefix, check_characters, digest, hint, prefix_of
from app.errors import BadSettings, Invalid, InvalidScope, InvalidTarget, LatchkeyError
from app.fast_lane import shape
from app.management import api_keys as api_key_views
from app.management import clients, credentials, me, personal_access_tokens, resources, roles, users
from app.management.blueprint import PageQuery, read_json
from app.management.fields import Moment
from app.oauth import client_authentication, door, forward_auth, introspection
from app.operations import peer as peers
from app.settings import Settings, load_settings

NOW = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)
LANE_FIELDS = frozenset({"grant_type", "scope", "resource", "token", "token_type_hint"})
FLASK = Flask("targets")
SECRET = "x" * 32
_known: Any = SimpleNamespace(settings=SimpleNamespace(forward_auth_query_key="", trusted_proxies=()))
forward_auth.actions = peers.actions = lambda: _known  # type: ignore[attr-defined]  # what they read of the server


def holds(truth: object, *about: object) -> None:
    """Raise unless something is as it must be."""
    if not truth:
        raise AssertionError(f"it does not hold of {about!r}")


def text_of(data: bytes) -> str:
    """Give any text, halves of surrogate pairs too, as JSON can spell them."""
    return data.decode("utf-8", "surrogateescape")


def header_of(data: bytes) -> str:
    """Give a header's value as a server hands it over."""
    return data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").decode("latin-1").strip(" \t")


def query_of(data: bytes) -> str:
    """Give a query as a server hands it over: it takes no bytes that are not UTF-8."""
    return header_of(data.decode("utf-8", "ignore").encode())


def planted(data: bytes) -> None:
    """Break, so that it is seen that a target that breaks is found."""
    holds(b"!" not in data, data)


def opaque(data: bytes) -> None:
    """A secret is well-formed exactly when it is what minting gives; one changed character is always seen."""
    text = text_of(data)
    prefix, random_part, check = text[:7], text[7:39], text[39:]
    spelled = len(text) == 45 and all(c in ALPHABET for c in text[7:]) and prefix in set(Prefix)
    holds((prefix_of(text) is not None) == (spelled and check_characters(random_part) == check), text)
    holds(len(digest(text)) == 64 and hint(text), text)
    chosen = "".join(ALPHABET[byte % 62] for byte in data[:32].ljust(32, b"\0"))
    secret = f"lk_pat_{chosen}{check_characters(chosen)}"
    place = 7 + (data[0] if data else 0) % 38
    other = ALPHABET[(ALPHABET.index(secret[place]) + 1) % 62]
    holds(
        prefix_of(secret) is Prefix.PAT and prefix_of(f"{secret[:place]}{other}{secret[place + 1 :]}") is None, secret
    )


def scopes(data: bytes) -> None:
    """What is read is exactly the words, and reads the same when it is printed."""
    text = text_of(data)
    words = {word for word in text.split(" ") if word}
    fit = all(len(word) <= 200 and SCOPE_TOKEN.fullmatch(word) for word in words)
    try:
        read = Scopes.parse(text)
    except MalformedScope:
        return holds(not fit, text)
    holds(fit and read.names == words and Scopes.parse(str(read)) == read, text)
    return None


def environ_of(**given: Any) -> Any:
    """Give a WSGI environment."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/oauth/token",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(b""),
        "wsgi.input_terminated": True,
    } | given


def form(data: bytes) -> None:
    """What the fast lane reads of a form, the door reads alike; what the lane hands on is whole."""
    given = {"CONTENT_TYPE": door.FORM, "CONTENT_LENGTH": str(len(data))}
    lane = environ_of(**given, **{"wsgi.input": BytesIO(data)})
    body = shape.posted(lane)
    if body is not None:
        holds(body == data == lane["wsgi.input"].read(), data)
    found = shape.fields(data.decode("latin-1"), LANE_FIELDS)
    try:
        read = door.read_form(Request(environ_of(**given, **{"wsgi.input": BytesIO(data)})))
    except InvalidRequestError:
        return holds(found is None, data)
    if found is not None:
        holds(found == {name: read.getlist(name)[0] for name in read} and len(found) == len(list(read.values())), data)
    return None


def form_headers(data: bytes) -> None:
    """Whatever the lane takes for a plain form, the door takes for one too."""
    lines = [*data.split(b"\n")[:4], b"", b"", b"", b""]
    parts = [header_of(line) for line in lines]
    given = {"CONTENT_TYPE": parts[0], "CONTENT_LENGTH": parts[1], "HTTP_ACCEPT": parts[2]}
    given["QUERY_STRING"] = query_of(lines[3])
    body = b"token=x"
    taken = shape.posted(environ_of(**given, **{"wsgi.input": BytesIO(body)}))
    shape.is_common(environ_of(HTTP_HOST=parts[0]))
    given["CONTENT_LENGTH"] = str(len(body))
    try:
        read = door.read_form(Request(environ_of(**given, **{"wsgi.input": BytesIO(body)})))
    except InvalidRequestError:
        return holds(taken is None, parts)
    holds(taken is None or read.to_dict() == {"token": "x"}, parts)
    return None


def query(data: bytes) -> None:
    """What the lane reads of a gateway's question, the oauth room reads alike."""
    text = query_of(data)
    found = shape.fields(text, frozenset({"resource", "scope", "challenge"}))
    try:
        asked = forward_auth._asked(Request(environ_of(REQUEST_METHOD="GET", QUERY_STRING=text)))
    except forward_auth.Refusal:
        if found and "resource" in found:
            with contextlib.suppress(MalformedScope):
                Scopes.parse(found.get("scope", ""))
                holds(False, text)
        return
    if found and "resource" in found:
        holds(found["resource"] == asked.resource and Scopes.parse(found.get("scope", "")) == asked.scopes, text)


def bearer(data: bytes) -> None:
    """The credential that the lane sees is the one that the oauth room sees."""
    authorization, _, key = data.partition(b"\n")
    given = {"HTTP_AUTHORIZATION": header_of(authorization), "HTTP_X_API_KEY": header_of(key)}
    given = {name: value for name, value in given.items() if value}
    seen = shape.bearer(environ_of(**given))
    try:
        found, from_url = forward_auth._credential(Request(environ_of(REQUEST_METHOD="GET", **given)))
    except forward_auth.Refusal:
        return holds(seen is None, given)
    holds(seen is None or (seen == found and not from_url), given)
    return None


def basic(data: bytes) -> None:
    """Two strings whatever comes, the pair that was sent when one was; the lane sees what Flask sees."""
    value = header_of(data)
    pair = client_authentication.pair_in(value)
    holds(all(isinstance(part, str) for part in pair), value)
    with FLASK.test_request_context(headers={"Authorization": f"Basic {value}"}):
        seen = shape.basic(f"Basic {value}")
        holds(seen is None or seen == client_authentication.basic_header(), value)
        holds(client_authentication.basic_pair() == client_authentication.pair_in(value.strip()), value)
    sent = data.decode("utf-8", "replace").partition("\n")[::2]
    spelled = ":".join(quote_plus(part) for part in sent).encode()
    holds(client_authentication.pair_in(base64.b64encode(spelled).decode()) == sent, sent)


def tokens_of(data: bytes) -> Iterator[str]:
    """Give the bytes as a token as they are, and as the parts of one."""
    yield text_of(data)
    parts = [*data.split(b"\n"), b"", b"", b""][:3]
    yield ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def jwt(data: bytes) -> None:
    """No JWT that we did not sign is read, whatever stands in it."""
    for token in tokens_of(data):
        kind = kind_of(token)
        holds(kind is None or isinstance(kind, str), token)
        holds(signing._read(token, "https://issuer.example", _key_of) is None, token)


_JWK = PyJWK(json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())))


def _key_of(kid: object) -> PyJWK:
    return _JWK


def assertion(data: bytes) -> None:
    """A client's assertion is read, or refused in the one way."""
    reader = client_authentication.PrivateKeyJwt()
    for token in tokens_of(data):
        with contextlib.suppress(InvalidClientError):
            reader.extract_assertion(token)


def networks(data: bytes) -> None:
    """Networks and addresses are read or refused; what was read reads the same again."""
    text = text_of(data)
    with contextlib.suppress(Invalid):
        kept = api_keys._networks((text,))
        holds(api_keys._networks(kept) == kept, text)
        claims = Claims("api_key", "", (), Grants(), NOW, None, allowed_networks=tuple(map(ip_network, kept)))
        holds(isinstance(claims.allows_address(ip_address("192.0.2.1")), bool), text)
    with contextlib.suppress(InvalidRequestError):
        introspection._client_ip(text)
    with contextlib.suppress(ValueError):
        Settings._networks(text)


def durations(data: bytes) -> None:
    """A command's durations, rates and instants are numbers, or one line that says why not."""
    text = text_of(data)
    for option in (Duration(), Rate(), Instant()):
        with contextlib.suppress(click.BadParameter):
            read: Any = option.convert(text, None, None)
            if isinstance(read, datetime):
                _lifetime(read)
    if text.isascii() and text.isdigit() and len(text) <= 12:
        holds(Duration().convert(text, None, None) == int(text), text)


def _lifetime(moment: datetime) -> None:
    with contextlib.suppress(Invalid):
        ends = AskedLifetime(expires_at=moment).resolve(NOW, Policy(60, None))
        holds(ends is not None and ends.astimezone(UTC) > NOW, moment)


def moments(data: bytes) -> None:
    """An instant of the API is read to the microsecond and printed so that it reads the same."""
    field, text = Moment(), text_of(data)
    with contextlib.suppress(ValidationError):
        read = field.deserialize(text)
        holds(field.deserialize(field._serialize(read, None, None)) == read, text)


SCHEMAS: tuple[Any, ...] = tuple(
    schema()
    for module in (api_key_views, clients, credentials, me, personal_access_tokens, resources, roles, users)
    for name, schema in vars(module).items()
    if name.endswith(("Schema", "Query")) and isinstance(schema, type) and hasattr(schema, "makes")
)


def json_body(data: bytes) -> None:
    """A body is a JSON object or a refusal of ours."""
    with contextlib.suppress(LatchkeyError):
        read_json(data)


def schemas(data: bytes) -> None:
    """Every body and query is taken or refused field by field, whatever types come."""
    if not data:
        return
    schema = SCHEMAS[data[0] % len(SCHEMAS)]
    names = list(schema.fields)
    try:
        value = json.loads(data[2:])
    except (ValueError, RecursionError):
        value = text_of(data[2:])
    bodies = [value, {names[data[1 % len(data)] % len(names)]: value}] if names else [value]
    for body in bodies:
        with contextlib.suppress(ValidationError, LatchkeyError):
            schema.load(body)
    with contextlib.suppress(ValidationError, LatchkeyError):
        PageQuery().load({"cursor": text_of(data[2:]), "limit": text_of(data[2:4])})


SCRATCH = Path(tempfile.gettempdir())


def settings(data: bytes) -> None:
    """A setting is taken, or refused in one line that does not hold its value."""
    if len(data) < 2:
        return
    names = [name for name in Settings.model_fields if name != "instance_dir"]
    name, text = names[data[0] % len(names)], text_of(data[1:])
    if name == "secret_key" and not text:
        return  # it would be made and kept
    try:
        load_settings(**{"instance_dir": SCRATCH, "secret_key": SECRET} | {name: text})
    except BadSettings as error:
        holds("\n" not in str(error) and (len(text) < 12 or text not in str(error)), name, text)


def settings_file(data: bytes) -> None:
    """A file of settings is read or refused in one line, whatever is in it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "latchkey.toml").write_bytes(data)
        os.environ["LATCHKEY_INSTANCE_DIR"] = folder
        try:
            load_settings()
        except BadSettings as error:
            holds("\n" not in str(error), data)
        finally:
            del os.environ["LATCHKEY_INSTANCE_DIR"]


def _choice(data: bytes) -> tuple[Grants, str | None, tuple[str, ...]]:
    """Read what is given, what is asked for and which resources are named, out of a few bytes."""
    bits, places = data[:1] or b"\0", [f"urn:{place}" for place in range(3)]
    pairs = [(places[byte % 3], f"s{byte // 3 % 8}-{byte % 3}") for byte in data[1:6]]
    named = tuple(place for number, place in enumerate(places) if bits[0] >> number & 1)
    scope = text_of(data[6:]) if bits[0] & 8 else " ".join(f"s{byte // 3 % 8}-{byte % 3}" for byte in data[6:10])
    return Grants.of(pairs), scope or None, named


def _chosen(choose: Callable[..., Grants], given: Grants, of: Any, scope: str | None, named: tuple[str, ...]) -> None:
    """Assert that nothing is chosen that is not given, and nothing that was not asked for."""
    try:
        chosen = choose(of, scope, named)
    except (InvalidScope, InvalidTarget):
        return
    holds(chosen.scopes <= given.scopes, given, scope, named)
    holds(not named or set(chosen.audience) == set(named), given, scope, named)
    asked = Scopes.parse(scope) if scope else Scopes()
    holds(not asked or chosen.scopes == asked, given, scope, named)
    for identifier, names in chosen.by_resource.items():
        holds(names <= given.by_resource.get(identifier, Scopes()), given, scope, named)


def machine_choice(data: bytes) -> None:
    """A client never gets what its roles do not give, nor what it did not ask for."""
    given, scope, named = _choice(data)
    _chosen(issue_machine_token.choose, given, given, scope, named)


def exchange_choice(data: bytes) -> None:
    """What is exchanged never reaches further than what it is exchanged for."""
    given, scope, named = _choice(data)
    source = Claims("api_key", "", given.audience, given, NOW, None)
    _chosen(exchange._choose, given, source, scope, named)


def peer(data: bytes) -> None:
    """The peer is an address or unknown; a header is believed only from a proxy that is trusted."""
    remote, _, forwarded = header_of(data.replace(b"\n", b"|")).partition("|")
    for trusted in ((), Settings._networks("127.0.0.0/8,::/0")):
        _known.settings.trusted_proxies = trusted
        with FLASK.test_request_context(headers={"X-Forwarded-For": forwarded}, environ_base={"REMOTE_ADDR": remote}):
            found = peers.peer_address()
        holds(trusted or found == peers._address(remote), remote, forwarded)


def jwks(data: bytes) -> None:
    """A client's keys are taken or refused; what was taken is taken again."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    for keys in (value, {"keys": [value]}):
        if isinstance(keys, dict):
            with contextlib.suppress(Invalid):
                kept = client_keys.checked_jwks(keys)
                holds(client_keys.checked_jwks(kept) == kept, keys)
    with contextlib.suppress(Invalid):
        client_keys.checked_jwks_uri(text_of(data), private=True)
