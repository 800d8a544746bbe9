"""The parts of signing in at identity providers, each joined when it is first used: most servers never load them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from app.actions.limits.abuse import AbuseLimits
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.providers import Providers
from app.clock import Clock
from app.crypto.signing import SigningKeys
from app.database.store import Store
from app.settings.settings import Settings

if TYPE_CHECKING:
    from app.actions.directory.admit_identity import AdmitIdentity
    from app.actions.directory.identity_links import IdentityLinks
    from app.actions.directory.identity_providers import IdentityProviderActions
    from app.actions.directory.provider_logout import ProviderLogout
    from app.actions.outbox.notices import Notices
    from app.actions.sign_in.ask_provider import AskProvider
    from app.actions.sign_in.provider_tokens import ProviderTokens

ASSERTION_TYPE = "JWT"  # the `typ` of an assertion: none of our access tokens has it


class Federation:
    """What the pages and the API need of it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        keys: SigningKeys,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._limits = limits
        self._failures = failures
        self._clock = clock
        self.providers = Providers(store, settings)

    @cached_property
    def ask(self) -> AskProvider:
        """What begins and accepts sign-ins."""
        from app.actions.sign_in.ask_provider import AskProvider
        from app.actions.sign_in.provider_client import ProviderClient

        private = self._settings.allow_private_jwks_uri
        client = ProviderClient(self._settings.issuer, self._sign, self._clock, allow_private=private)
        return AskProvider(client, self._tokens, self._limits, self._failures, self._clock)

    @cached_property
    def admit(self) -> AdmitIdentity:
        """What makes a signed-in user of an identity."""
        from app.actions.directory.admit_identity import AdmitIdentity

        return AdmitIdentity(self._store, self._notices, self._settings.management_identifier, self._clock)

    @cached_property
    def logout(self) -> ProviderLogout:
        """What ends the sessions that a provider names."""
        from app.actions.directory.provider_logout import ProviderLogout

        return ProviderLogout(self._store, self._tokens, self._limits, self._clock)

    @cached_property
    def manage(self) -> IdentityProviderActions:
        """What operators do with providers."""
        from app.actions.directory.identity_providers import IdentityProviderActions

        return IdentityProviderActions(self._store, self._settings, self._clock)

    @cached_property
    def links(self) -> IdentityLinks:
        """The accounts of users at providers."""
        from app.actions.directory.identity_links import IdentityLinks

        management = self._settings.management_identifier
        return IdentityLinks(self._store, self.providers, self._notices, management, self._clock)

    @cached_property
    def _notices(self) -> Notices:
        from app.actions.outbox.notices import Notices

        return Notices(mails=self._settings.smtp_server is not None)

    @cached_property
    def _tokens(self) -> ProviderTokens:
        """Keep what providers publish apart from clients' keys, whose hosts may hang."""
        from app.actions.sign_in.provider_tokens import ProviderTokens
        from app.actions.trust.fetch_jwks import FetchJwks

        private = self._settings.allow_private_jwks_uri
        return ProviderTokens(FetchJwks(allow_private=private, what="keys of an identity provider"), self._clock)

    def _sign(self, claims: Mapping[str, Any]) -> str:
        with self._store.connection() as connection:
            return self._keys.sign(connection, claims, ASSERTION_TYPE)
