"""The tables, without any rules; importing this package declares every table."""

from app.models.api_key import ApiKey, ApiKeyScope, ApiKeySecret
from app.models.audit_event import AuditEvent, AuditHead
from app.models.authority import Authority, watch
from app.models.client import Client, ClientRole, ClientSecret, ClientServes
from app.models.federated_credential import FederatedCredential
from app.models.known_address import KnownAddress
from app.models.personal_access_token import PersonalAccessToken, PersonalAccessTokenScope
from app.models.resource import Permission, Resource
from app.models.revoked_token import RevokedToken, UsedAssertion, UsedProof
from app.models.role import Role, RolePermission
from app.models.signing_key import SigningKey
from app.models.spent_limit import SpentLimit
from app.models.user import User, UserRole
from app.models.user_session import UserSession

__all__ = [
    "ApiKey",
    "ApiKeyScope",
    "ApiKeySecret",
    "AuditEvent",
    "AuditHead",
    "Authority",
    "Client",
    "ClientRole",
    "ClientSecret",
    "ClientServes",
    "FederatedCredential",
    "KnownAddress",
    "Permission",
    "PersonalAccessToken",
    "PersonalAccessTokenScope",
    "Resource",
    "RevokedToken",
    "Role",
    "RolePermission",
    "SigningKey",
    "SpentLimit",
    "UsedAssertion",
    "UsedProof",
    "User",
    "UserRole",
    "UserSession",
]

watch(User.metadata)
