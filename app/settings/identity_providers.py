"""Identity providers: the rules for each field of one, and the entries `[[identity_provider]]` of latchkey.toml."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.settings.text_input import clean_text, decode_utf8, lower_names, read_once

MOST_ENTRIES = 50
LONGEST_NAME, LONGEST_ISSUER, LONGEST_CLIENT_ID, LONGEST_SECRET = 100, 500, 500, 1000  # characters
LONGEST_CLAIM, LONGEST_VALUE, LONGEST_GROUP, LONGEST_ROLE = 200, 500, 500, 200  # characters
MOST_SCOPES, MOST_GROUPS, MOST_ROLES, MOST_CLAIMS = 50, 500, 50, 10
OPENID = "openid"
DEFAULT_SCOPES = (OPENID, "profile", "email")
DEFAULT_USERNAME_CLAIM = "preferred_username"
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,200}")  # RFC 6749 §3.3
URL = re.compile(r"[A-Za-z0-9._~:/\[\]@!$&'()*+,;=%-]+")  # neither a query nor a fragment
NOT_IN_ID = re.compile(r"[^a-z0-9]+")
LONGEST_ID = 40  # characters
EXPECTED = "must be tables [[identity_provider]] of latchkey.toml"
FROM_FILE = "client_secret_file"
Roles = Mapping[str, tuple[str, ...]]
Claims = Mapping[str, str | bool | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEntry:
    """An identity provider of the settings file; an empty `client_secret` is private_key_jwt."""

    name: str
    issuer: str
    client_id: str
    client_secret: SecretStr = field(default_factory=lambda: SecretStr(""))
    private_key_jwt: bool = False
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    username_claim: str = DEFAULT_USERNAME_CLAIM
    groups_claim: str = ""
    roles: Roles = field(default_factory=dict)
    create_users: bool = False
    required_claims: Claims = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id in its URLs: its name in small ASCII letters, digits and hyphens."""
        plain = unicodedata.normalize("NFKD", self.name).encode("ascii", "ignore").decode().lower()
        slug = NOT_IN_ID.sub("-", plain).strip("-")[:LONGEST_ID].strip("-")
        return slug or f"p-{sha256(self.name.encode()).hexdigest()[:12]}"


def read_entries(value: object) -> tuple[ProviderEntry, ...]:
    """Return the entries; raise ValueError that names the entry and its field."""
    if not isinstance(value, list | tuple) or not all(isinstance(one, dict | ProviderEntry) for one in value):
        raise ValueError(EXPECTED)
    if len(value) > MOST_ENTRIES:
        raise ValueError(f"must be at most {MOST_ENTRIES}")
    entries = tuple(
        one if isinstance(one, ProviderEntry) else _read_entry(number, one) for number, one in enumerate(value, 1)
    )
    for seen, one in enumerate(entries):
        if one.id in {other.id for other in entries[:seen]}:
            raise ValueError(f"{_place(seen + 1, one.name)}: another entry has this name, or one too much like it")
    return entries


def check_entry_issuers(entries: tuple[ProviderEntry, ...], own: str, *, private: bool) -> None:
    """Raise ValueError for an issuer that may not be asked, such as our `own`; `private` allows plain http."""
    for number, entry in enumerate(entries, 1):
        try:
            check_provider_issuer(entry.issuer, own, private=private)
        except ValueError as error:
            raise ValueError(f"{_place(number, entry.name)}: issuer {error}") from None


def _read_entry(number: int, table: Mapping[str, Any]) -> ProviderEntry:
    place = _place(number, table.get("name"))
    values = _lower_names(place, table)
    if FROM_FILE in values:
        values["client_secret"] = _read_secret(place, values)
    known = {one.name for one in fields(ProviderEntry)}
    if unknown := sorted(values.keys() - known):
        raise ValueError(f"{place}: {ascii(unknown[0])[1:-1]} is not one of {', '.join(sorted(known))}")
    if missing := [name for name in ("name", "issuer", "client_id") if name not in values]:
        raise ValueError(f"{place}: {missing[0]} is needed")
    read = {name: _apply(place, name, value) for name, value in values.items()}
    entry = ProviderEntry(**{**read, "client_secret": SecretStr(read.get("client_secret", ""))})
    try:
        has_secret = bool(entry.client_secret.get_secret_value())
        check_authentication(has_secret, entry.private_key_jwt)
        check_groups(entry.groups_claim, entry.roles)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    return entry


def _lower_names(place: str, table: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return lower_names(table)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _apply(place: str, name: str, value: object) -> Any:
    try:
        return RULES[name](value)
    except ValueError as error:
        raise ValueError(f"{place}: {name} {error}") from None


def _place(number: int, name: object) -> str:
    shown = name if isinstance(name, str) and name.isprintable() else ""
    return f"entry {number}" + (f" ({shown[:LONGEST_NAME]})" if shown else "")


def _read_secret(place: str, values: dict[str, Any]) -> str:
    path = values.pop(FROM_FILE)
    if "client_secret" in values:
        raise ValueError(f"{place}: client_secret and {FROM_FILE} are both set: set one of them")
    try:
        return clean_text(decode_utf8(read_once(Path(clean_text(path)))))
    except (OSError, ValueError, TypeError, AttributeError):
        raise ValueError(f"{place}: {FROM_FILE} must be the path of a file with the secret") from None


def check_authentication(secret: bool, private_key_jwt: bool) -> None:
    """Raise ValueError unless there is one way to authenticate."""
    if secret == private_key_jwt:
        raise ValueError("set either client_secret or private_key_jwt")


def check_groups(groups_claim: str, roles: Mapping[str, object]) -> None:
    """Raise ValueError unless there is a claim for the groups that give roles."""
    if roles and not groups_claim:
        raise ValueError("roles needs groups_claim, the claim that has the groups")


def check_provider_issuer(issuer: str, own: str, *, private: bool) -> str:
    """Return the issuer; raise ValueError for our `own`, and unless it is an https URL; with `private`, http too."""
    if issuer.rstrip("/").lower() == own.lower():
        raise ValueError("is this server itself")
    expected = "must be an https URL with a host, without user, query and fragment"
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(expected) from None
    allowed = parts.scheme == "https" or (private and parts.scheme == "http")
    if not allowed or not host or "@" in parts.netloc or URL.fullmatch(issuer) is None:
        raise ValueError(expected)
    return issuer


def _text(longest: int, *, empty: bool = False) -> Callable[[object], str]:
    def check(value: object) -> str:
        least = 0 if empty else 1
        if not isinstance(value, str) or not least <= len(value) <= longest or not value.isprintable():
            raise ValueError(f"must be one line of {least} to {longest} characters")
        if value and not value.strip():
            raise ValueError("must not be blank")
        return value

    return check


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def check_scopes(value: object) -> tuple[str, ...]:
    """Return the scopes to ask for, each once; raise ValueError."""
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or len(items) > MOST_SCOPES:
        raise ValueError(f"must be at most {MOST_SCOPES} scopes")
    if not all(isinstance(item, str) and SCOPE.fullmatch(item) for item in items):
        raise ValueError("must be scopes, such as openid and email")
    if OPENID not in items:
        raise ValueError(f"must have {OPENID}: without it the provider returns no ID token")
    return tuple(dict.fromkeys(items))


def check_role_names(value: object) -> Roles:
    """Return the names of roles for each group; raise ValueError."""
    if not isinstance(value, Mapping) or len(value) > MOST_GROUPS:
        raise ValueError(f"must be a table of at most {MOST_GROUPS} groups, each with a list of roles")
    return {_checked_group(group): _checked_roles(names) for group, names in value.items()}


def _checked_group(group: object) -> str:
    if not isinstance(group, str) or not 1 <= len(group) <= LONGEST_GROUP or not group.isprintable():
        raise ValueError(f"must have groups of 1 to {LONGEST_GROUP} printable characters")
    return group


def _checked_roles(names: object) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not 1 <= len(names) <= MOST_ROLES:
        raise ValueError(f"must have a list of 1 to {MOST_ROLES} roles for each group")
    if not all(isinstance(name, str) and 1 <= len(name) <= LONGEST_ROLE and name.isprintable() for name in names):
        raise ValueError("must have the names of roles for each group")
    return tuple(dict.fromkeys(names))


def check_required_claims(value: object) -> Claims:
    """Return the claims that an ID token must have, with their values; raise ValueError."""
    if not isinstance(value, Mapping) or len(value) > MOST_CLAIMS:
        raise ValueError(f"must be a table of at most {MOST_CLAIMS} claims")
    for name, wanted in value.items():
        fits = isinstance(wanted, bool | int) or (
            isinstance(wanted, str) and 1 <= len(wanted) <= LONGEST_VALUE and wanted.isprintable()
        )
        if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_CLAIM or not name.isprintable() or not fits:
            raise ValueError("must have a text, a whole number, true or false for the name of each claim")
    return dict(value)


RULES: Mapping[str, Callable[[object], Any]] = {
    "name": _text(LONGEST_NAME),
    "issuer": _text(LONGEST_ISSUER),
    "client_id": _text(LONGEST_CLIENT_ID),
    "client_secret": _text(LONGEST_SECRET),
    "private_key_jwt": _flag,
    "scopes": check_scopes,
    "username_claim": _text(LONGEST_CLAIM),
    "groups_claim": _text(LONGEST_CLAIM, empty=True),
    "roles": check_role_names,
    "create_users": _flag,
    "required_claims": check_required_claims,
}
