"""Every action, built once with its dependencies; the interfaces are handed this and nothing below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.access.epoch import AuthorityEpoch
from app.actions.audit.read import ReadAudit
from app.actions.audit.redact import RedactAudit
from app.actions.directory.api_keys import ApiKeyActions
from app.actions.directory.client_secrets import ClientSecretActions
from app.actions.directory.clients import ClientActions
from app.actions.directory.federated_credentials import FederatedCredentialActions
from app.actions.directory.lifetime import Policy
from app.actions.directory.personal_access_tokens import PersonalAccessTokenActions
from app.actions.directory.reseal import Reseal
from app.actions.directory.resources import ResourceActions
from app.actions.directory.revoke_many import RevokeMany, Revoker
from app.actions.directory.roles import RoleActions
from app.actions.directory.signing_keys import RotateSigningKey
from app.actions.directory.users import UserActions
from app.actions.insight.choices import Choices
from app.actions.insight.consequences import Consequences
from app.actions.insight.credentials import ListCredentials
from app.actions.insight.event_names import EventNames
from app.actions.insight.holders import Holders
from app.actions.insight.known_credentials import KnownCredentials, Revoke
from app.actions.insight.members import Members
from app.actions.insight.overview import Overview
from app.actions.insight.reach import Reach
from app.actions.limits.abuse import AbuseLimits
from app.actions.limits.windows import Limiter, SpendKeyLimit
from app.actions.sign_in.breached_passwords import BreachedPasswords
from app.actions.sign_in.client_secret import ClientSecrets
from app.actions.sign_in.clients import AuthenticateClient
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.passwords import Passwords
from app.actions.sign_in.sessions import SessionActions
from app.actions.sign_in.users import AuthenticateUser
from app.actions.tokens.check_proof import CheckProof
from app.actions.tokens.exchange import ExchangeToken
from app.actions.tokens.inspect import Inspect
from app.actions.tokens.issue import IssueMachineToken
from app.actions.tokens.report_leak import ReportLeak
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
from app.credentials.pat import PersonalAccessTokens
from app.crypto.nonce import Nonces
from app.crypto.note_keys import NoteKeys
from app.crypto.pseudonym import Pseudonyms
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.settings.settings import Settings

FurtherKinds = Callable[[Settings, SigningKeys], Sequence[CredentialKind]]


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

    check_proof: CheckProof = field(init=False)
    failed_authentications: FailedAuthentications = field(init=False)
    federated_credentials: FederatedCredentialActions = field(init=False)
    trusted_issuers: TrustedIssuers = field(init=False)
    note_keys: NoteKeys = field(init=False)
    audit: ReadAudit = field(init=False)
    event_names: EventNames = field(init=False)
    redact_audit: RedactAudit = field(init=False)
    reseal: Reseal = field(init=False)
    reach: Reach = field(init=False)
    choices: Choices = field(init=False)
    consequences: Consequences = field(init=False)
    members: Members = field(init=False)
    overview: Overview = field(init=False)
    holders: Holders = field(init=False)
    known_credentials: KnownCredentials = field(init=False)
    credentials: ListCredentials = field(init=False)
    revoke_many: RevokeMany = field(init=False)

    def __post_init__(self) -> None:
        """Build once what follows from the other parts."""
        settings, store, clock = self.settings, self.store, self.clock
        nonces, note_keys = Nonces(settings.secret_keys), NoteKeys(settings.sealing_keys)
        parts_of_directory = self.personal_access_tokens, self.api_keys, self.client_secrets
        revokers = _revokers(*parts_of_directory)
        secrets: tuple[SecretKind, ...] = (*self.kinds, ClientSecrets())
        listed = ListCredentials(store, secrets, clock)
        parts: dict[str, object] = {
            "check_proof": CheckProof(store, nonces, clock, nonce_required=settings.dpop_nonce == "required"),
            "failed_authentications": self.authenticate_client.failures,
            "federated_credentials": FederatedCredentialActions(store, settings, clock),
            "trusted_issuers": TrustedIssuers(store, self.fetch_jwks, settings.issuer),
            "note_keys": note_keys,
            "audit": ReadAudit(store),
            "event_names": EventNames(store, secrets, clock),
            "redact_audit": RedactAudit(store, note_keys, clock),
            "reseal": Reseal(store, self.signing_keys, clock),
            "reach": Reach(store),
            "choices": Choices(store),
            "consequences": Consequences(store, clock),
            "members": Members(store),
            "overview": Overview(store, self.kinds, listed, clock),
            "holders": Holders(store, self.kinds, clock),
            "known_credentials": KnownCredentials(store, secrets, revokers, clock),
            "credentials": listed,
            "revoke_many": RevokeMany(store, secrets, _many_revokers(*parts_of_directory), clock),
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)


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
    tokens: PersonalAccessTokenActions, keys: ApiKeyActions, secrets: ClientSecretActions
) -> dict[str, Revoker]:
    """Return how each kind is revoked as one of many, and the scope that revoking one alone needs."""
    return {
        PersonalAccessTokens.target: Revoker("tokens:write", tokens.revoke_all),
        ApiKeys.target: Revoker("api-keys:write", keys.revoke_all),
        ClientSecrets.target: Revoker("clients:write", secrets.revoke_all),
    }


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


def join(
    settings: Settings, store: Store, clock: Clock, limiter: Limiter, further_kinds: FurtherKinds | None = None
) -> Actions:
    """Join kinds and actions; a fourth kind is a line here, or comes from `further_kinds`."""
    epoch = AuthorityEpoch(store)
    keys = SigningKeys(settings.sealing_keys, epoch)
    pat, api_key, m2m = PersonalAccessTokens(), ApiKeys(), MachineTokens(keys, settings.issuer)
    exchanged, kinds = _join_kinds(settings, keys, (pat, api_key, m2m), further_kinds)
    spend, usage, failures = SpendKeyLimit(limiter), Usage(store, kinds, clock), FailedAuthentications(store, clock)
    abuse = AbuseLimits(limiter, clock, on=settings.rate_limits == "on")
    management, passwords = settings.management_identifier, _passwords(settings)
    return Actions(
        settings=settings,
        store=store,
        clock=clock,
        kinds=kinds,
        epoch=epoch,
        signing_keys=keys,
        resources=ResourceActions(store, clock),
        roles=RoleActions(store, management, clock),
        users=UserActions(store, passwords, management, clock),
        clients=ClientActions(store, settings, clock),
        client_secrets=ClientSecretActions(store, management, clock),
        abuse_limits=abuse,
        authenticate_user=AuthenticateUser(store, passwords, abuse, failures, settings, clock),
        sessions=SessionActions(store, management, clock),
        verify=Verify(store, kinds, clock),
        authenticate_client=AuthenticateClient(store, abuse, failures, Pseudonyms(settings.secret_keys), clock),
        fetch_jwks=FetchJwks(allow_private=settings.allow_private_jwks_uri),
        issue_machine_token=IssueMachineToken(store, m2m, clock),
        exchange_token=ExchangeToken(store, kinds, exchanged, spend, usage, clock),
        revoke_token=RevokeToken(store, kinds, clock),
        personal_access_tokens=PersonalAccessTokenActions(store, pat, _policy(settings), management, clock),
        api_keys=ApiKeyActions(store, api_key, clock),
        rotate_signing_key=RotateSigningKey(store, keys, clock, settings.publish_ahead, settings.signing_key_rotation),
        report_leak=ReportLeak(store, (*kinds, ClientSecrets()), clock),
        inspect=Inspect(store, (*kinds, ClientSecrets()), clock),
        spend_key_limit=spend,
        usage=usage,
    )
