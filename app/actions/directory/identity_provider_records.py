"""The records of identity providers, and of users' accounts there: what is created, changed and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.fields import Mark
from app.models.identity_provider import LONGEST_SUBJECT
from app.settings import identity_providers as rules
from app.settings.identity_providers import DEFAULT_SCOPES, DEFAULT_USERNAME_CLAIM

MOST_PROVIDERS = 50
Issuer = Annotated[
    str, Field(min_length=1, max_length=rules.LONGEST_ISSUER, description="an https URL, as in its metadata")
]
ProviderName = Annotated[str, Field(min_length=1, max_length=rules.LONGEST_NAME), Mark.NOT_BLANK]
ClientId = Annotated[str, Field(min_length=1, max_length=rules.LONGEST_CLIENT_ID)]
Secret = Annotated[str, Field(min_length=1, max_length=rules.LONGEST_SECRET), Mark.SECRET]
Scope = Annotated[str, Field(min_length=1, max_length=200)]
ProviderScopes = Annotated[tuple[Scope, ...], Field(max_length=rules.MOST_SCOPES, description="to ask for")]
Claim = Annotated[str, Field(min_length=1, max_length=rules.LONGEST_CLAIM)]
GroupsClaim = Annotated[str, Field(max_length=rules.LONGEST_CLAIM, description="the claim that has the groups")]
RoleMap = Annotated[Mapping[str, Any], Field(description="the names of user roles for each group")]
Subject = Annotated[
    str, Field(min_length=1, max_length=LONGEST_SUBJECT, description="who it is there: the `sub` of its ID tokens")
]
ProviderId = Annotated[str, Field(min_length=1, max_length=64, description="the id of an enabled identity provider")]
Required = Annotated[Mapping[str, Any], Field(description="claims that everybody must have, and the value of each")]


@dataclass(frozen=True, slots=True)
class NewIdentityProvider:
    """A provider to add: with the client secret that it gave us, or with private_key_jwt, by our signing key."""

    name: ProviderName
    issuer: Issuer
    client_id: ClientId
    client_secret: Annotated[Secret | None, Mark.NOT_NULL] = field(default=None, repr=False)
    private_key_jwt: bool = False
    scopes: ProviderScopes = DEFAULT_SCOPES
    username_claim: Claim = DEFAULT_USERNAME_CLAIM
    groups_claim: GroupsClaim = ""
    roles: RoleMap = field(default_factory=dict)
    create_users: bool = False
    required_claims: Required = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class IdentityProviderChanges:
    """Changes of a provider; a field left UNSET is not changed. The issuer stays: it says who its users are."""

    name: ProviderName | Unset = UNSET
    client_id: ClientId | Unset = UNSET
    client_secret: Secret | Unset = field(default=UNSET, repr=False)
    private_key_jwt: bool | Unset = UNSET
    scopes: ProviderScopes | Unset = UNSET
    username_claim: Claim | Unset = UNSET
    groups_claim: GroupsClaim | Unset = UNSET
    roles: RoleMap | Unset = UNSET
    create_users: bool | Unset = UNSET
    required_claims: Required | Unset = UNSET
    enabled: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class IdentityProviderView:
    """A provider as it is shown, never its secret; the two URIs are what to enter at the provider."""

    id: str
    name: str
    issuer: str
    client_id: str
    private_key_jwt: bool
    scopes: tuple[str, ...]
    username_claim: str
    groups_claim: str
    roles: dict[str, Any]
    create_users: bool
    required_claims: dict[str, Any]
    enabled: bool
    from_file: bool
    redirect_uri: str
    backchannel_logout_uri: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewIdentityLink:
    """An account at an identity provider to link to a user."""

    provider: ProviderId
    subject: Subject


@dataclass(frozen=True, slots=True)
class IdentityLinkView:
    """A link as it is shown; `provider` is the name of a provider with this issuer, None without one.

    `last_used_at` is at first when it was linked.
    """

    id: str
    issuer: str
    subject: str
    provider: str | None
    created_at: datetime
    last_used_at: datetime
