"""The resources of this server: what of the schemas of RFC 7643 it keeps, and so advertises.

Not kept, and so ignored where a client sends it: `password` (people set theirs themselves), roles, entitlements,
photos, addresses of messengers, and certificates.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator
from scim2_models import (
    URN,
    Address,
    CaseExact,
    ComplexAttribute,
    Extension,
    External,
    GroupMembership,
    Mutability,
    Name,
    PhoneNumber,
    Reference,
    Required,
    Resource,
    ResourceType,
    Returned,
    ScimPolicy,
    ScimProvider,
    Uniqueness,
)
from scim2_models.resources.resource import AnyExtension

USER, GROUP = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
POLICY = ScimPolicy(  # what Okta and Entra send beside the standard
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class Email(ComplexAttribute):
    """An address; the primary one, or else the first, is the user's address on this server."""

    value: str | None = None
    display: str | None = None
    type: Annotated[str | None, Field(examples=["work", "home", "other"])] = None
    primary: bool | None = None


class User(Resource[AnyExtension]):
    """A user."""

    __schema__ = URN(USER)

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: Name | None = None
    display_name: str | None = None
    nick_name: str | None = None
    profile_url: Reference[External] | None = None
    title: str | None = None
    user_type: str | None = None
    preferred_language: str | None = None
    locale: str | None = None
    timezone: str | None = None
    active: Annotated[bool | None, Required.true] = None  # it never is without a value; a new user is active
    emails: list[Email] | None = None
    phone_numbers: list[PhoneNumber] | None = None
    addresses: list[Address] | None = None
    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None


class Manager(ComplexAttribute):
    """The manager of a user, by the id of the organisation's directory or of this server."""

    value: Annotated[str | None, CaseExact.true] = None
    ref: Annotated[Reference[User[Any]] | None, Field(alias="$ref")] = None
    display_name: Annotated[str | None, Mutability.read_only] = None


class EnterpriseUser(Extension):
    """The extension for employees (RFC 7643 §4.3)."""

    __schema__ = URN(ENTERPRISE)

    employee_number: str | None = None
    cost_center: str | None = None
    organization: str | None = None
    division: str | None = None
    department: str | None = None
    manager: Manager | None = None

    @field_validator("manager", mode="before")
    @classmethod
    def _read_plain_manager(cls, value: Any) -> Any:
        """Read the bare id that Entra sends."""
        return {"value": value} if isinstance(value, str) else value


class GroupMember(ComplexAttribute):
    """A user in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User[Any]] | None, Mutability.immutable, Field(alias="$ref")] = None
    type: Annotated[str | None, Mutability.immutable, Field(examples=["User"])] = None
    display: Annotated[str | None, Mutability.read_only, Returned.request] = None


class Group(Resource[Any]):
    """A user role that is provisioned."""

    __schema__ = URN(GROUP)

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[GroupMember] | None = None


Employee = User[EnterpriseUser]
PROVIDER = ScimProvider(
    models=[User, EnterpriseUser, Group],
    resource_types=[ResourceType.from_resource(Employee), ResourceType.from_resource(Group)],
    policy=POLICY,
)
