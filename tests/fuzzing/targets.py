"""The targets: each checks one parser with arbitrary bytes. Only its documented exceptions are allowed."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm
from marshmallow import ValidationError

from app.access.scopes import SCOPE_TOKEN, Grants, MalformedScope, Scopes
from app.actions.directory import api_keys
from app.actions.directory.lifetime import AskedLifetime, Policy
from app.actions.tokens import issue as issue_machine_token
from app.actions.trust import registration as client_keys
from app.cli.options import Duration, Instant, Rate
from app.credentials.kind import Claims
from app.crypto import signing
from app.crypto.access_token import kind_of
from app.crypto.opaque import ALPHABET, check_characters, prefix_of
from app.errors import BadSettings, Invalid, InvalidScope, InvalidTarget, LatchkeyError
from app.http.envelope import id_for
from app.maintenance.sightings import sightings as sightings_of
from app.management import api_keys as api_key_views
from app.management import clients, credentials, me, personal_access_tokens, resources, roles, users
from app.management.fields import Moment
from app.management.paging import PageQuery, read_cursor, write_cursor
from app.management.parser import read_body
from app.oauth import introspection
from app.oauth.assertions import read_assertion
from app.settings.checks import read_networks
from app.settings.load import load_settings
from app.settings.settings import Settings
from tests.fuzzing.inputs import header_of, holds, text_of, tokens_of

NOW = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)
SECRET = "x" * 32


def sightings(data: bytes) -> None:
    """Check that a secret is found at any place in a file, and once."""
    chosen = "".join(ALPHABET[byte % 62] for byte in data[:32].ljust(32, b"\0"))
    secret = f"lk_key_{chosen}{check_characters(chosen)}"
    around, _, after = data[32:].partition(b"\n")
    text = around + secret.encode() + after
    found = [seen.secret for seen in sightings_of(BytesIO(text))]
    holds(secret in found and len(found) <= len(text) // 45, text)
    holds(all(prefix_of(one) for one in found), text)


def cursor(data: bytes) -> None:
    """Check that a cursor is read as it was written, or refused."""
    text = text_of(data)
    with contextlib.suppress(ValidationError):
        holds(write_cursor(read_cursor(text)) == text, text)
    place = "".join(ALPHABET[byte % 62] for byte in data[:40]) or "x"
    holds(read_cursor(write_cursor(place)) == place, place)


def request_id(data: bytes) -> None:
    """Check that a request's id is short, printable ASCII without spaces."""
    offered = header_of(data)
    taken = id_for({"HTTP_X_REQUEST_ID": offered})
    holds(0 < len(taken) <= 64 and taken.isascii() and taken.isprintable() and " " not in taken, offered)


def scopes(data: bytes) -> None:
    """Check that a scope string is read as exactly its words, and is read the same after printing."""
    text = text_of(data)
    words = {word for word in text.split(" ") if word}
    fit = all(len(word) <= 200 and SCOPE_TOKEN.fullmatch(word) for word in words)
    try:
        read = Scopes.parse(text)
    except MalformedScope:
        return holds(not fit, text)
    holds(fit and read.names == words and Scopes.parse(str(read)) == read, text)
    return None


def jwt(data: bytes) -> None:
    """Check that a JWT without a valid signature is refused."""
    for token in tokens_of(data):
        kind = kind_of(token)
        holds(kind is None or isinstance(kind, str), token)
        holds(signing._read(token, "https://issuer.example", _key_of) is None, token)


_JWK = PyJWK(json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())))
_KEY = signing._PublicKey(_JWK, None)


def _key_of(kid: object) -> signing._PublicKey:
    return _KEY


def assertion(data: bytes) -> None:
    """Check that a client's assertion is read, or refused with InvalidClientError."""
    for token in tokens_of(data):
        with contextlib.suppress(InvalidClientError):
            read_assertion(token)


def networks(data: bytes) -> None:
    """Check that networks and addresses are read or refused, and are read the same again."""
    text = text_of(data)
    with contextlib.suppress(Invalid):
        kept = api_keys._checked_networks((text,))
        holds(api_keys._checked_networks(kept) == kept, text)
        claims = Claims("api_key", "", (), Grants(), NOW, None, allowed_networks=tuple(map(ip_network, kept)))
        holds(isinstance(claims.allows_address(ip_address("192.0.2.1")), bool), text)
    with contextlib.suppress(InvalidRequestError):
        introspection.read_client_ip(text)
    with contextlib.suppress(ValueError):
        read_networks(text)


def durations(data: bytes) -> None:
    """Check that a command's durations, rates and instants are read, or refused with BadParameter."""
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
    """Check that an instant of the API is read the same after printing."""
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
    """Check that a body is read, or refused with LatchkeyError."""
    with contextlib.suppress(LatchkeyError):
        read_body(data)


def schemas(data: bytes) -> None:
    """Check that every schema accepts or refuses values of any type."""
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
    """Check that a setting is accepted, or refused in one line that does not contain its value."""
    if len(data) < 2:
        return
    names = [name for name in Settings.model_fields if name != "instance_dir"]
    name, text = names[data[0] % len(names)], text_of(data[1:])
    if name == "secret_key" and not text:
        return  # a new key would be generated and stored
    try:
        load_settings(**{"instance_dir": SCRATCH, "secret_key": SECRET} | {name: text})
    except BadSettings as error:
        holds("\n" not in str(error) and (len(text) < 12 or text not in str(error)), name, text)


def settings_file(data: bytes) -> None:
    """Check that a settings file is read, or refused in one line."""
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
    """Make from the bytes the available grants, the requested scope and the named resources."""
    bits, places = data[:1] or b"\0", [f"urn:{place}" for place in range(3)]
    pairs = [(places[byte % 3], f"s{byte // 3 % 8}-{byte % 3}") for byte in data[1:6]]
    named = tuple(place for number, place in enumerate(places) if bits[0] >> number & 1)
    scope = text_of(data[6:]) if bits[0] & 8 else " ".join(f"s{byte // 3 % 8}-{byte % 3}" for byte in data[6:10])
    return Grants.of(pairs), scope or None, named


def _check_choice(
    choose: Callable[..., Grants], given: Grants, of: Any, scope: str | None, named: tuple[str, ...]
) -> None:
    """Check that only available grants are chosen, and only requested scopes."""
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
    """Check that a client gets only scopes that its roles grant and that it requested."""
    given, scope, named = _choice(data)
    _check_choice(issue_machine_token.choose, given, given, scope, named)


def _narrow_source(given: Grants, scope: str | None, resources: Sequence[str]) -> Grants:
    return issue_machine_token.narrow(given, given.audience, scope, resources, "the subject_token")


def exchange_choice(data: bytes) -> None:
    """Check that an exchanged token has only scopes of its source."""
    given, scope, named = _choice(data)
    _check_choice(_narrow_source, given, given, scope, named)


def jwks(data: bytes) -> None:
    """Check that a client's keys are accepted or refused, and that accepted keys are accepted again unchanged."""
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
