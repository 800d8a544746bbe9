"""Every action, joined once with what it stands on; the faces are handed this and nothing below it."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.audit import ReadAudit
from app.actions.clock import Clock
from app.actions.issue_machine_token import IssueMachineToken
from app.actions.key_limits import Limiter, SpendKeyLimit
from app.actions.verify import Verify
from app.credentials.api_key import ApiKeys
from app.credentials.exchanged import ExchangedTokens
from app.credentials.m2m import MachineTokens
from app.credentials.pat import PersonalAccessTokens
from app.credentials.signing import SigningKeys
from app.database import Store
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Actions:
    """What can be done on this server."""

    settings: Settings
    store: Store
    clock: Clock
    signing_keys: SigningKeys
    verify: Verify
    issue_machine_token: IssueMachineToken
    spend_key_limit: SpendKeyLimit
    audit: ReadAudit


def join(settings: Settings, store: Store, clock: Clock, limiter: Limiter) -> Actions:
    """Join kinds and actions; a fourth kind is a line here."""
    keys = SigningKeys(settings.secret_key.get_secret_value())
    pat, api_key, m2m = PersonalAccessTokens(), ApiKeys(), MachineTokens(keys, settings.issuer)
    exchanged = ExchangedTokens(keys, settings.issuer, {pat.name: pat, api_key.name: api_key})
    return Actions(
        settings=settings,
        store=store,
        clock=clock,
        signing_keys=keys,
        verify=Verify(store, (pat, api_key, m2m, exchanged), clock),
        issue_machine_token=IssueMachineToken(store, m2m, clock),
        spend_key_limit=SpendKeyLimit(limiter),
        audit=ReadAudit(store),
    )
