"""What an app states about itself, when it registers (RFC 7591 §2) or in its client metadata document.

Members that are not named here are ignored; so are addresses of pages that nobody should be sent to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from app.actions.directory.names import checked_name
from app.actions.trust.page_uris import checked_page_uri
from app.actions.trust.redirect_uris import checked_redirect_uris
from app.actions.trust.registration import checked_jwks, checked_jwks_uri
from app.errors import Invalid
from app.models.auth_methods import CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, NONE, PRIVATE_KEY_JWT, Method
from app.models.grant_types import AUTHORIZATION_CODE, DEVICE_CODE, OF_USERS, REFRESH_TOKEN, GrantType
from app.settings.strict_json import read_json

LARGEST = 16_384  # bytes of a registration or a document
MOST_MEMBERS = 100  # of an object, and elements of a list
DEEPEST = 8  # objects and lists inside each other
LONGEST_TEXT = 2_000  # characters of a member that is read
METHODS: tuple[str, ...] = (NONE, CLIENT_SECRET_BASIC, CLIENT_SECRET_POST, PRIVATE_KEY_JWT)
DOCUMENT_METHODS: tuple[str, ...] = (NONE, PRIVATE_KEY_JWT)  # draft-ietf-oauth-client-id-metadata-document-02 §4
GRANTS: tuple[GrantType, ...] = (AUTHORIZATION_CODE, REFRESH_TOKEN, DEVICE_CODE)
RESPONSE_TYPES = ("code",)
SHARED_SECRETS = ("client_secret", "client_secret_expires_at")
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")  # RFC 6749 §3.3
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AppMetadata:
    """The checked metadata of an app; `name` is None where it states none, `scopes` where it asks for any."""

    name: str | None
    method: Method
    grant_types: tuple[GrantType, ...]
    redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    dpop_bound: bool = False


def parse_metadata(body: bytes) -> Document:
    """Return the JSON object of a registration request. Raises Invalid."""
    if len(body) > LARGEST:
        raise Invalid.field("", f"a registration has at most {LARGEST} bytes")
    try:
        document = read_json(body.decode())
    except (ValueError, RecursionError):
        raise Invalid.field("", "a registration is a JSON object in UTF-8, without repeated members") from None
    if not isinstance(document, dict):
        raise Invalid.field("", "a registration is a JSON object")
    return document


def read_registration(document: Document, *, private: bool) -> AppMetadata:
    """Return the metadata of a registration; raises Invalid. `private` is ALLOW_PRIVATE_JWKS_URI."""
    return _read(document, METHODS, CLIENT_SECRET_BASIC, private=private)  # RFC 7591 §2: the default method


def read_client_document(document: Document, *, private: bool) -> AppMetadata:
    """Return the metadata of a client metadata document, which shares no secret with us; raises Invalid."""
    for name in SHARED_SECRETS:
        if name in document:
            raise Invalid.field(name, "must not be in a client metadata document")
    return _read(document, DOCUMENT_METHODS, NONE, private=private)


def _read(document: Document, methods: Sequence[str], default: str, *, private: bool) -> AppMetadata:
    _check_size(document)
    method = cast(Method, _read_word(document, "token_endpoint_auth_method", methods, default))
    grants = _read_grants(document)
    name = _read_text(document, "client_name")
    keys = _read_keys(document, private=private) if method == PRIVATE_KEY_JWT else (None, None)
    return AppMetadata(
        name=None if name is None else checked_name(name, "client_name"),
        method=method,
        grant_types=grants,
        redirect_uris=_read_redirect_uris(document, grants),
        scopes=_read_scopes(document),
        jwks=keys[0],
        jwks_uri=keys[1],
        client_uri=_read_page(document, "client_uri"),
        logo_uri=_read_page(document, "logo_uri"),
        policy_uri=_read_page(document, "policy_uri"),
        dpop_bound=document.get("dpop_bound_access_tokens") is True,  # RFC 9449 §5.2
    )


def _check_size(document: Document) -> None:
    """Raise Invalid for more members or a deeper value than metadata has."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        if any(len(value) > MOST_MEMBERS for value in level):
            raise Invalid.field("", f"an object or a list has at most {MOST_MEMBERS} elements")
        inner = (item for value in level for item in (value.values() if isinstance(value, dict) else value))
        level = [item for item in inner if isinstance(item, dict | list)]
    if level:
        raise Invalid.field("", f"a value is nested more than {DEEPEST} deep")


def _read_text(document: Document, name: str) -> str | None:
    """Return a text; null is as if it were left out (RFC 7592 §2.2)."""
    value = document.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > LONGEST_TEXT):
        raise Invalid.field(name, f"must be a text of at most {LONGEST_TEXT} characters")
    return value


def _read_texts(document: Document, name: str) -> list[str] | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid.field(name, "must be a list of texts")
    return value


def _read_word(document: Document, name: str, words: Collection[str], default: str) -> str:
    value = _read_text(document, name)
    if value is not None and value not in words:
        raise Invalid.field(name, f"must be one of {', '.join(words)}")
    return value or default


def _read_grants(document: Document) -> tuple[GrantType, ...]:
    """Return the grants in which a user agrees, and no other (RFC 7591 §2.1: in keeping with the response types)."""
    grants = _read_texts(document, "grant_types") or [AUTHORIZATION_CODE]
    if any(grant not in GRANTS for grant in grants):
        raise Invalid.field("grant_types", f"must be among {', '.join(GRANTS)}")
    if not OF_USERS & set(grants):
        raise Invalid.field("grant_types", f"must have {AUTHORIZATION_CODE} or {DEVICE_CODE}")
    if any(kind not in RESPONSE_TYPES for kind in _read_texts(document, "response_types") or ()):
        raise Invalid.field("response_types", "must be code")
    return tuple(grant for grant in GRANTS if grant in grants)


def _read_redirect_uris(document: Document, grants: Collection[GrantType]) -> tuple[str, ...]:
    """Return the redirect URIs; an app without the grant that redirects has none."""
    uris = _read_texts(document, "redirect_uris") or []
    if AUTHORIZATION_CODE in grants and not uris:
        raise Invalid.field("redirect_uris", f"must have one, for the grant {AUTHORIZATION_CODE}")
    return tuple(checked_redirect_uris(uris)) if AUTHORIZATION_CODE in grants else ()


def _read_scopes(document: Document) -> tuple[str, ...] | None:
    text = _read_text(document, "scope")
    scopes = tuple(dict.fromkeys(text.split(" "))) if text else None
    if scopes is not None and not all(SCOPE.fullmatch(scope) for scope in scopes):
        raise Invalid.field("scope", "must be scopes, separated by one space")
    return scopes


def _read_keys(document: Document, *, private: bool) -> tuple[dict[str, Any] | None, str | None]:
    """Return the keys or their address (RFC 7591 §2: not both)."""
    jwks, uri = document.get("jwks"), _read_text(document, "jwks_uri")
    if (jwks is None) == (uri is None):
        raise Invalid.field("jwks", f"{PRIVATE_KEY_JWT} needs either jwks or jwks_uri")
    if uri is not None:
        return None, checked_jwks_uri(uri, private=private)
    if not isinstance(jwks, dict):
        raise Invalid.field("jwks", "must be a JWK set")
    return checked_jwks(jwks), None


def _read_page(document: Document, name: str) -> str | None:
    """Return the address of a page or picture to show; None for one that nobody should be sent to."""
    uri = _read_text(document, name)
    with suppress(Invalid):
        return checked_page_uri(uri or None, name)
    return None
