"""Decide whether a request may do what it asks for: `Guard` for threads, `AsyncGuard` for an event loop."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from .configuration import Configuration, Verification
from .credential import Credential
from .errors import InsufficientScope, InvalidToken, Refusal
from .introspection import Introspection
from .local_verification import LocalVerification
from .metadata import metadata_url
from .proof import Proofs, prove
from .request import Presented, Request, read_presented
from .steps import Steps
from .transport import AsyncTransport, Transport


class Rules:
    """Hold every decision about a request, as steps that either guard runs."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the API's configuration."""
        self._configuration = configuration
        self._introspection = Introspection(configuration) if configuration.client_id else None
        self._local = LocalVerification(configuration, self._introspection)
        self._proofs = Proofs(configuration.now)
        self._metadata_url = metadata_url(configuration)

    def authenticate(self, request: Request, scopes: Iterable[str], verify: Verification | None) -> Steps[Credential]:
        """Return the credential of a request that has all the scopes; raise a Refusal."""
        chosen = self._configuration.choose_verification(verify)
        try:
            credential = yield from self._verify_once(request, chosen)
            if missing := [scope for scope in scopes if scope not in credential.scopes]:
                raise InsufficientScope(missing)
            return credential
        except Refusal as refusal:
            refusal.resource_metadata = self._metadata_url
            raise

    def verify(self, token: str, client_ip: str | None, verify: Verification | None) -> Steps[Credential | None]:
        """Return the credential of a token, None if it is not active here; an opaque one can only be introspected."""
        presented = Presented(token)
        if not presented.is_well_formed:
            return None
        if self._configuration.choose_verification(verify) == "local" and presented.is_jwt:
            return (yield from self._local.verify(token, client_ip))
        return None if self._introspection is None else (yield from self._introspection.verify(token, client_ip))

    def _verify_once(self, request: Request, verify: Verification) -> Steps[Credential]:
        """Return the credential that the request has proven; a proof that was used for it already is not used again."""
        known = request.verified.setdefault(self, {})
        if credential := known.get(verify) or known.get("introspection"):
            return credential
        presented = read_presented(request)
        credential = yield from self._verify(presented, request, verify)
        if all((one.key, one.certificate) != (credential.key, credential.certificate) for one in known.values()):
            prove(credential, presented, request, self._proofs)
        known[verify] = credential
        return credential

    def _verify(self, presented: Presented, request: Request, verify: Verification) -> Steps[Credential]:
        credential = yield from self.verify(presented.token, request.client_ip, verify)
        if credential is None:
            raise InvalidToken
        return credential


class Guard:
    """Authenticate requests in threads and processes."""

    def __init__(self, configuration: Configuration, http: httpx.Client | None = None) -> None:
        """Take the API's configuration, and a client for all requests instead of an own one; nothing is fetched yet."""
        self.configuration = configuration
        self._rules = Rules(configuration)
        self._transport = Transport(configuration, http)

    def authenticate(
        self, request: Request, scopes: Iterable[str] = (), verify: Verification | None = None
    ) -> Credential:
        """Return the credential of a request that has all the scopes; raise a Refusal."""
        return self._transport.run(self._rules.authenticate(request, scopes, verify))

    def verify(self, token: str, client_ip: str | None = None, verify: Verification | None = None) -> Credential | None:
        """Return the credential of a token, None if it is not active here; raise ServiceUnavailable.

        A credential that is bound to a key or a certificate is returned as it is: to prove that is the caller's.
        """
        return self._transport.run(self._rules.verify(token, client_ip, verify))

    def close(self) -> None:
        """End the connections and the background refresh."""
        self._transport.close()


class AsyncGuard:
    """Authenticate requests in an event loop of asyncio; one guard serves several loops."""

    def __init__(self, configuration: Configuration, http: httpx.AsyncClient | None = None) -> None:
        """Take the API's configuration, and a client for all requests instead of an own one; nothing is fetched yet."""
        self.configuration = configuration
        self._rules = Rules(configuration)
        self._transport = AsyncTransport(configuration, http)

    async def authenticate(
        self, request: Request, scopes: Iterable[str] = (), verify: Verification | None = None
    ) -> Credential:
        """Return the credential of a request that has all the scopes; raise a Refusal."""
        return await self._transport.run(self._rules.authenticate(request, scopes, verify))

    async def verify(
        self, token: str, client_ip: str | None = None, verify: Verification | None = None
    ) -> Credential | None:
        """Return the credential of a token, None if it is not active here; raise ServiceUnavailable.

        A credential that is bound to a key or a certificate is returned as it is: to prove that is the caller's.
        """
        return await self._transport.run(self._rules.verify(token, client_ip, verify))

    async def close(self) -> None:
        """End the connections and the background refresh of the running loop."""
        await self._transport.close()
