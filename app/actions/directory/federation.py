"""The parts of signing in at identity providers, joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.actions.directory.admit_identity import AdmitIdentity
from app.actions.directory.identity_links import IdentityLinks
from app.actions.directory.identity_providers import IdentityProviderActions
from app.actions.directory.provider_logout import ProviderLogout
from app.actions.limits.abuse import AbuseLimits
from app.actions.outbox.notices import Notices
from app.actions.sign_in.ask_provider import AskProvider
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.known_addresses import KnownAddresses
from app.actions.sign_in.provider_client import ProviderClient, SignAssertion
from app.actions.sign_in.provider_tokens import ProviderTokens
from app.actions.sign_in.providers import Providers
from app.actions.trust.fetch_jwks import FetchJwks
from app.clock import Clock
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.settings.settings import Settings

ASSERTION_TYPE = "JWT"  # the `typ` of an assertion: none of our access tokens has it


@dataclass(frozen=True, slots=True)
class Federation:
    """What the pages and the API need of it."""

    providers: Providers
    ask: AskProvider
    admit: AdmitIdentity
    logout: ProviderLogout
    manage: IdentityProviderActions
    links: IdentityLinks


def join_federation(
    settings: Settings,
    store: Store,
    keys: SigningKeys,
    limits: AbuseLimits,
    failures: FailedAuthentications,
    clock: Clock,
    documents: FetchJwks | None = None,
) -> Federation:
    """Join the parts; what providers publish is kept apart from clients' keys, whose hosts may hang."""
    private, providers = settings.allow_private_jwks_uri, Providers(store, settings)
    fetched = documents or FetchJwks(allow_private=private, what="keys of an identity provider")
    tokens = ProviderTokens(fetched, clock)
    client = ProviderClient(settings.issuer, _sign_with(store, keys), clock, allow_private=private)
    addresses = KnownAddresses(store, Notices(mails=settings.smtp_server is not None), clock)
    return Federation(
        providers=providers,
        ask=AskProvider(client, tokens, limits, failures, clock),
        admit=AdmitIdentity(store, addresses, settings.management_identifier, clock),
        logout=ProviderLogout(store, tokens, limits, clock),
        manage=IdentityProviderActions(store, settings, clock),
        links=IdentityLinks(store, providers, clock),
    )


def _sign_with(store: Store, keys: SigningKeys) -> SignAssertion:
    def sign(claims: Mapping[str, Any]) -> str:
        with store.connection() as connection:
            return keys.sign(connection, claims, ASSERTION_TYPE)

    return sign
