"""Every action, built once with its dependencies; the interfaces are handed this and nothing below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from app.access.epoch import AuthorityEpoch
from app.actions.audit.prune import PruneAudit
from app.actions.audit.read import ReadAudit
from app.actions.audit.redact import RedactAudit
from app.actions.delegation.app_tokens import REUSED, IssueAppTokens
from app.actions.delegation.apps import Apps
from app.actions.delegation.codes import Codes
from app.actions.delegation.consents import Consents
from app.actions.delegation.devices import Devices
from app.actions.delegation.refresh import Refresh
from app.actions.delegation.refresh_tokens import IntrospectRefreshToken, RefreshTokens
from app.actions.directory.api_keys import ApiKeyActions
from app.actions.directory.client_documents import ClientDocuments
from app.actions.directory.client_secrets import ClientSecretActions
from app.actions.directory.clients import ClientActions
from app.actions.directory.federated_credentials import FederatedCredentialActions
from app.actions.directory.federation import Federation
from app.actions.directory.lifetime import Policy
from app.actions.directory.one_time_links import OneTimeLinks
from app.actions.directory.personal_access_tokens import PersonalAccessTokenActions
from app.actions.directory.provisioning import Provisioning
from app.actions.directory.registered_apps import RegisteredApps
from app.actions.directory.reseal import Reseal
from app.actions.directory.reset_requests import ResetRequests
from app.actions.directory.resources import ResourceActions
from app.actions.directory.revoke_many import RevokeMany, Revoker
from app.actions.directory.roles import RoleActions
from app.actions.directory.second_factors import SecondFactors
from app.actions.directory.signing_keys import RotateSigningKey
from app.actions.directory.users import UserActions
from app.actions.directory.webhooks import WebhookActions
from app.actions.insight.choices import Choices
from app.actions.insight.consequences import Consequences
from app.actions.insight.credentials import ListCredentials
from app.actions.insight.event_names import EventNames
from app.actions.insight.holders import Holders
from app.actions.insight.known_credentials import KnownCredentials, Revoke
from app.actions.insight.members import Members
from app.actions.insight.overview import Overview
from app.actions.insight.reach import Reach
from app.actions.insight.usage import ReadUsage
from app.actions.limits.abuse import AbuseLimits
from app.actions.limits.windows import Limiter, SpendKeyLimit
from app.actions.notices.find_due import FindDueNotices
from app.actions.notices.join import join_notices, make_notices
from app.actions.notices.preferences import NoticePreferences
from app.actions.notices.webhook_delivery import WebhookDelivery
from app.actions.outbox.notices import Notices
from app.actions.sign_in.breached_passwords import BreachedPasswords
from app.actions.sign_in.client_secret import ClientSecrets
from app.actions.sign_in.clients import AuthenticateClient
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.passwords import Passwords
from app.actions.sign_in.sessions import SessionActions
from app.actions.sign_in.users import AuthenticateUser
from app.actions.status.indexes import StatusIndexes
from app.actions.status.judge import JudgeIndexes
from app.actions.status.lists import StatusLists
from app.actions.tokens.check_proof import CheckProof
from app.actions.tokens.exchange import ExchangeToken
from app.actions.tokens.inspect import Inspect
from app.actions.tokens.issue import IssueMachineToken
from app.actions.tokens.refusals import ExplainRefusal, Refusals
from app.actions.tokens.report_leak import ReportLeak
from app.actions.tokens.reuse import Reuse, report_to
from app.actions.tokens.revoke import RevokeToken
from app.actions.tokens.usage import Usage
from app.actions.tokens.verify import Verify
from app.actions.trust.fetch_jwks import FetchJwks
from app.actions.trust.issuers import TrustedIssuers
from app.clock import Clock
from app.credentials.api_key import ApiKeys
from app.credentials.exchanged import ExchangedTokens
from app.credentials.kind import CredentialKind, SecretKind
from app.credentials.m2m import MachineTokens
from app.credentials.oauth_token import OAuthTokens
from app.credentials.pat import PersonalAccessTokens
from app.crypto.nonce import Nonces
from app.crypto.note_keys import NoteKeys
from app.crypto.pseudonym import Pseudonyms
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.settings.settings import Settings

if TYPE_CHECKING:
    from app.actions.notices.mail_delivery import MailDelivery

FurtherKinds = Callable[[Settings, SigningKeys], Sequence[CredentialKind]]


@dataclass(frozen=True, slots=True)
class Delegation:
    """The actions of delegated OAuth."""

    consents: Consents
    codes: Codes
    refresh: Refresh
    devices: Devices
    apps: Apps
    introspect_refresh_token: IntrospectRefreshToken

    def parts(self) -> dict[str, object]:
        """Return the actions by their names."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True, slots=True)
class Actions:
    """What can be done on this server; `join` builds it."""

    settings: Settings
    store: Store
    clock: Clock
    kinds: tuple[CredentialKind, ...]
    epoch: AuthorityEpoch
    signing_keys: SigningKeys
    resources: ResourceActions
    roles: RoleActions
    users: UserActions
    clients: ClientActions
    client_secrets: ClientSecretActions
    abuse_limits: AbuseLimits
    authenticate_user: AuthenticateUser
    sessions: SessionActions
    verify: Verify
    authenticate_client: AuthenticateClient
    fetch_jwks: FetchJwks
    issue_machine_token: IssueMachineToken
    exchange_token: ExchangeToken
    revoke_token: RevokeToken
    personal_access_tokens: PersonalAccessTokenActions
    api_keys: ApiKeyActions
    rotate_signing_key: RotateSigningKey
    report_leak: ReportLeak
    inspect: Inspect
    spend_key_limit: SpendKeyLimit
    usage: Usage
    delegation: Delegation
    status_lists: StatusLists
    reuse: Reuse
    one_time_links: OneTimeLinks

    reset_requests: ResetRequests = field(init=False)
    check_proof: CheckProof = field(init=False)
    explain_refusal: ExplainRefusal = field(init=False)
    refusals: Refusals = field(init=False)
    failed_authentications: FailedAuthentications = field(init=False)
    federated_credentials: FederatedCredentialActions = field(init=False)
    trusted_issuers: TrustedIssuers = field(init=False)
    registered_apps: RegisteredApps = field(init=False)
    client_documents: ClientDocuments = field(init=False)
    second_factors: SecondFactors = field(init=False)
    note_keys: NoteKeys = field(init=False)
    audit: ReadAudit = field(init=False)
    event_names: EventNames = field(init=False)
    redact_audit: RedactAudit = field(init=False)
    prune_audit: PruneAudit = field(init=False)
    provisioning: Provisioning = field(init=False)
    reseal: Reseal = field(init=False)
    reach: Reach = field(init=False)
    choices: Choices = field(init=False)
    consequences: Consequences = field(init=False)
    members: Members = field(init=False)
    overview: Overview = field(init=False)
    holders: Holders = field(init=False)
    known_credentials: KnownCredentials = field(init=False)
    read_usage: ReadUsage = field(init=False)
    credentials: ListCredentials = field(init=False)
    revoke_many: RevokeMany = field(init=False)
    notices: Notices = field(init=False)
    notice_preferences: NoticePreferences = field(init=False)
    find_due_notices: FindDueNotices = field(init=False)
    mail_delivery: MailDelivery | None = field(init=False)
    consents: Consents = field(init=False)
    codes: Codes = field(init=False)
    refresh: Refresh = field(init=False)
    devices: Devices = field(init=False)
    apps: Apps = field(init=False)
    introspect_refresh_token: IntrospectRefreshToken = field(init=False)
    federation: Federation = field(init=False)
    webhooks: WebhookActions = field(init=False)
    webhook_delivery: WebhookDelivery = field(init=False)

    def __post_init__(self) -> None:
        """Build once what follows from the other parts."""
        settings, store, clock, failures = self.settings, self.store, self.clock, self.authenticate_client.failures
        nonces, note_keys = Nonces(settings.secret_keys), NoteKeys(settings.sealing_keys)
        parts_of_directory = self.personal_access_tokens, self.api_keys, self.client_secrets
        secrets = _secrets(self.kinds)
        listed = ListCredentials(store, secrets, clock)
        parts: dict[str, object] = {
            "reset_requests": ResetRequests(self.one_time_links),
            "check_proof": CheckProof(store, nonces, clock, nonce_required=settings.dpop_nonce == "required"),
            "failed_authentications": failures,
            "federated_credentials": FederatedCredentialActions(store, settings, clock),
            "second_factors": self._join_second_factors(),
            "trusted_issuers": TrustedIssuers(store, self.fetch_jwks, settings.issuer),
            "registered_apps": RegisteredApps(store, self.abuse_limits, clock, is_open=settings.registration == "open"),
            "client_documents": ClientDocuments(store, settings, self.abuse_limits, clock),
            "note_keys": note_keys,
            "audit": ReadAudit(store),
            "event_names": EventNames(store, secrets, clock),
            "redact_audit": RedactAudit(store, note_keys, clock),
            "prune_audit": PruneAudit(store, note_keys, clock),
            "provisioning": Provisioning(store, self.settings.management_identifier, clock),
            "reseal": Reseal(store, self.signing_keys, clock),
            "reach": Reach(store),
            "choices": Choices(store),
            "consequences": Consequences(store, clock),
            "members": Members(store),
            "overview": Overview(store, self.kinds, listed, clock),
            "holders": Holders(store, self.kinds, clock),
            "known_credentials": KnownCredentials(store, secrets, _revokers(*parts_of_directory), clock),
            "credentials": listed,
            "read_usage": ReadUsage(store, clock),
            "revoke_many": RevokeMany(store, secrets, _many_revokers(self.delegation.apps, *parts_of_directory), clock),
            "federation": Federation(settings, store, self.signing_keys, self.abuse_limits, failures, clock),
            **self._join_refusals(secrets),
            **join_notices(settings, store, secrets, self.one_time_links, clock),
            **self.delegation.parts(),
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def _join_second_factors(self) -> SecondFactors:
        failures, notices = self.authenticate_client.failures, make_notices(self.settings)
        return SecondFactors(self.store, self.settings, self.abuse_limits, failures, notices, self.clock)

    def _join_refusals(self, secrets: Sequence[SecretKind]) -> dict[str, object]:
        explain = ExplainRefusal(self.store, self.kinds, secrets, self.verify, self.clock)
        return {"explain_refusal": explain, "refusals": Refusals(explain, (self.usage.count_refusal,))}


def _revokers(
    tokens: PersonalAccessTokenActions, keys: ApiKeyActions, secrets: ClientSecretActions
) -> dict[str, Revoke]:
    """Return the directory's own ways to revoke, which refuse more than the kinds do."""
    return {
        PersonalAccessTokens.target: lambda actor, found: tokens.revoke(actor, str(found.owner_row_id), str(found.id)),
        ApiKeys.target: lambda actor, found: keys.revoke(actor, str(found.id)),
        ClientSecrets.target: lambda actor, found: secrets.revoke(actor, str(found.owner_row_id), str(found.id)),
    }


def _many_revokers(
    apps: Apps, tokens: PersonalAccessTokenActions, keys: ApiKeyActions, secrets: ClientSecretActions
) -> dict[str, Revoker]:
    """Return how each kind is revoked as one of many, and the scope that revoking one alone needs."""
    return {
        PersonalAccessTokens.target: Revoker("tokens:write", tokens.revoke_all),
        ApiKeys.target: Revoker("api-keys:write", keys.revoke_all),
        ClientSecrets.target: Revoker("clients:write", secrets.revoke_all),
        RefreshTokens.target: Revoker("tokens:write", apps.revoke_all),
    }


def _secrets(kinds: Sequence[CredentialKind]) -> tuple[SecretKind, ...]:
    """Return all that can be looked up, reported and revoked."""
    return (*kinds, RefreshTokens(), ClientSecrets())


def _passwords(settings: Settings) -> Passwords:
    return Passwords(issuer=settings.issuer, breached=BreachedPasswords(settings.breached_passwords))


def _policy(settings: Settings) -> Policy:
    return Policy(settings.pat_default_lifetime, settings.pat_max_lifetime)


def _join_kinds(
    settings: Settings, keys: SigningKeys, own: tuple[CredentialKind, ...], further: FurtherKinds | None
) -> tuple[ExchangedTokens, tuple[CredentialKind, ...]]:
    """Return the kind of the tokens that are made from the exchangeable kinds, and all kinds together."""
    kinds = (*own, *(further(settings, keys) if further else ()))
    exchanged = ExchangedTokens(keys, settings.issuer, {kind.name: kind for kind in kinds if kind.exchangeable})
    return exchanged, (*kinds, exchanged)


def _join_directory(
    settings: Settings, store: Store, passwords: Passwords, pat: PersonalAccessTokens, api_key: ApiKeys, clock: Clock
) -> dict[str, Any]:
    management = settings.management_identifier
    return {
        "resources": ResourceActions(store, clock),
        "roles": RoleActions(store, management, clock),
        "users": UserActions(store, passwords, management, clock, mails=settings.smtp_server is not None),
        "clients": ClientActions(store, settings, clock),
        "client_secrets": ClientSecretActions(store, management, clock),
        "personal_access_tokens": PersonalAccessTokenActions(store, pat, _policy(settings), management, clock),
        "api_keys": ApiKeyActions(store, api_key, clock),
    }


def _join_presented(
    settings: Settings, store: Store, kinds: tuple[CredentialKind, ...], clock: Clock
) -> dict[str, Any]:
    """Return what is done with a secret that somebody presents, reports or looks up."""
    secrets = _secrets(kinds)
    return {
        "revoke_token": RevokeToken(store, (*kinds, RefreshTokens()), clock),
        "report_leak": ReportLeak(store, secrets, make_notices(settings), clock),
        "inspect": Inspect(store, secrets, clock),
        "reuse": Reuse(
            store, secrets, settings.reuse, {RefreshTokens.target: REUSED}, clock, report_to(make_notices(settings))
        ),
    }


def _join_delegation(
    settings: Settings,
    store: Store,
    kind: OAuthTokens,
    indexes: StatusIndexes,
    authenticate_client: AuthenticateClient,
    abuse: AbuseLimits,
    reuse: Reuse,
    clock: Clock,
) -> Delegation:
    management = settings.management_identifier
    issue, consents = IssueAppTokens(kind, indexes, settings, clock), Consents(store, management, clock)
    return Delegation(
        consents=consents,
        codes=Codes(store, issue, abuse, clock),
        refresh=Refresh(store, issue, reuse, clock),
        devices=Devices(store, issue, consents, authenticate_client, abuse, management, clock),
        apps=Apps(store, management, clock),
        introspect_refresh_token=IntrospectRefreshToken(store, RefreshTokens(), settings.issuer, clock),
    )


def join(
    settings: Settings, store: Store, clock: Clock, limiter: Limiter, further_kinds: FurtherKinds | None = None
) -> Actions:
    """Join kinds and actions; a fourth kind is a line here, or comes from `further_kinds`."""
    epoch = AuthorityEpoch(store)
    keys = SigningKeys(settings.sealing_keys, epoch)
    pat, api_key, m2m = PersonalAccessTokens(), ApiKeys(), MachineTokens(keys, settings.issuer)
    delegated = OAuthTokens(keys, settings.issuer, settings.management_identifier)
    exchanged, kinds = _join_kinds(settings, keys, (pat, api_key, m2m, delegated), further_kinds)
    presented = _join_presented(settings, store, kinds, clock)
    judge = JudgeIndexes(store, (m2m, delegated, exchanged))
    indexes = StatusIndexes(store, keys, judge, settings.issuer, clock)
    spend, failures = SpendKeyLimit(limiter), FailedAuthentications(store, clock)
    usage = Usage(store, kinds, clock, full_addresses=settings.keep_addresses == "full")
    abuse, passwords = AbuseLimits(limiter, clock, on=settings.rate_limits == "on"), _passwords(settings)
    clients = AuthenticateClient(store, abuse, failures, Pseudonyms(settings.secret_keys), clock)
    return Actions(
        settings=settings,
        store=store,
        clock=clock,
        kinds=kinds,
        epoch=epoch,
        signing_keys=keys,
        **_join_directory(settings, store, passwords, pat, api_key, clock),
        abuse_limits=abuse,
        authenticate_user=AuthenticateUser(store, passwords, abuse, failures, make_notices(settings), settings, clock),
        sessions=SessionActions(store, settings, clock),
        verify=Verify(store, kinds, clock),
        authenticate_client=clients,
        fetch_jwks=FetchJwks(allow_private=settings.allow_private_jwks_uri),
        issue_machine_token=IssueMachineToken(store, m2m, indexes, clock),
        exchange_token=ExchangeToken(store, kinds, exchanged, indexes, spend, usage, clock),
        rotate_signing_key=RotateSigningKey(store, keys, clock, settings.publish_ahead, settings.signing_key_rotation),
        one_time_links=OneTimeLinks(store, passwords, abuse, settings, clock),
        spend_key_limit=spend,
        usage=usage,
        **presented,
        delegation=_join_delegation(settings, store, delegated, indexes, clients, abuse, presented["reuse"], clock),
        status_lists=StatusLists(store, keys, judge, epoch, settings, clock),
    )
