"""The tables, without any rules; importing this package declares every table."""

from app.database.leases import JobLease
from app.models.api_key import ApiKey, ApiKeyScope, ApiKeySecret
from app.models.app_grant import AppGrant, AppGrantScope, Consent, ConsentScope, RefreshToken
from app.models.audit_event import AuditEvent, AuditHead
from app.models.authority import Authority, watch
from app.models.authorization_code import AuthorizationCode, DeviceCode
from app.models.client import Client, ClientRole, ClientSecret, ClientServes
from app.models.federated_credential import FederatedCredential
from app.models.identity_provider import IdentityLink, IdentityProvider, ProvidedRole
from app.models.known_address import KnownAddress
from app.models.notice import FoundNotice, NoticePreference
from app.models.one_time_link import OneTimeLink
from app.models.personal_access_token import PersonalAccessToken, PersonalAccessTokenScope
from app.models.replaced_secret import ReplacedSecret, ReusedCredential
from app.models.resource import Permission, Resource
from app.models.revoked_token import RevokedToken, UsedAssertion, UsedProof
from app.models.role import Role, RolePermission
from app.models.second_factor import OneTimeCode, Passkey, RecoveryCode, SpentChallenge
from app.models.signing_key import SigningKey
from app.models.spent_limit import SpentLimit
from app.models.status_list import StatusChange, StatusEntry, StatusList, StatusSubject
from app.models.status_watch import watch_status
from app.models.usage import UsageDay, UsageHour
from app.models.user import User, UserRole
from app.models.user_session import UserSession
from app.models.webhook import OutboxMessage, Webhook

__all__ = [
    "ApiKey",
    "ApiKeyScope",
    "ApiKeySecret",
    "AppGrant",
    "AppGrantScope",
    "AuditEvent",
    "AuditHead",
    "Authority",
    "AuthorizationCode",
    "Client",
    "ClientRole",
    "ClientSecret",
    "ClientServes",
    "Consent",
    "ConsentScope",
    "DeviceCode",
    "FederatedCredential",
    "FoundNotice",
    "IdentityLink",
    "IdentityProvider",
    "JobLease",
    "KnownAddress",
    "NoticePreference",
    "OneTimeCode",
    "OneTimeLink",
    "OutboxMessage",
    "Passkey",
    "Permission",
    "PersonalAccessToken",
    "PersonalAccessTokenScope",
    "ProvidedRole",
    "RecoveryCode",
    "RefreshToken",
    "ReplacedSecret",
    "Resource",
    "ReusedCredential",
    "RevokedToken",
    "Role",
    "RolePermission",
    "SigningKey",
    "SpentChallenge",
    "SpentLimit",
    "StatusChange",
    "StatusEntry",
    "StatusList",
    "StatusSubject",
    "UsageDay",
    "UsageHour",
    "UsedAssertion",
    "UsedProof",
    "User",
    "UserRole",
    "UserSession",
    "Webhook",
]

watch(User.metadata)
watch_status(User.metadata)
