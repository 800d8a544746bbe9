"""Sign in at an identity provider: the request that begins it, and the checks of the answer that ends it.

What a browser has begun is in its own signed cookie: nothing is stored before a sign-in has succeeded.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from cachetools import LRUCache

from app.actions.audit.actor import Actor
from app.actions.limits.abuse import PROVIDER_SIGN_INS_OF_ADDRESS, WAIT, AbuseLimits
from app.actions.limits.concurrency import ConcurrencyLimit
from app.actions.sign_in.failed_authentications import FailedAuthentications
from app.actions.sign_in.provider_client import ProviderClient
from app.actions.sign_in.provider_tokens import LONGEST_SID, ProviderTokens, unfit
from app.actions.sign_in.providers import FOREIGN, BegunSignIn, Provider
from app.actions.trust.fetch_jwks import Keys
from app.clock import Clock
from app.errors import SignInRefused, TooManyRequests

PATIENCE = timedelta(minutes=10)  # of a person at the provider
AT_ONCE, WAITING, WAIT_FOR = 5, 2, 1.0  # sign-ins under way in a process, others that wait, and for how many seconds
OF_ONE, WAITING_FOR_ONE = 2, 1  # of these at one provider: one that hangs leaves room for the others
MOST_LIMITS = 200  # providers whose sign-ins are limited apart; there are at most a hundred
LONGEST_CODE = 4096  # characters
MOST_GROUPS = 1_000  # of one person
LONGEST_TEXT = 1_000  # characters of a claim


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a provider signed in: the issuer and the subject say who it is, nothing else does."""

    provider: Provider
    subject: str
    username: str
    email: str | None  # only an address that the provider has verified
    display_name: str
    groups: frozenset[str]
    session: str | None
    multi_factor: bool
    state: str = field(repr=False)
    until: datetime  # the state is not accepted any more


class AskProvider:
    """Begins sign-ins at providers, and accepts their answers."""

    def __init__(
        self,
        client: ProviderClient,
        tokens: ProviderTokens,
        limits: AbuseLimits,
        failures: FailedAuthentications,
        clock: Clock,
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._limits = limits
        self._failures = failures
        self._clock = clock
        self._limit = ConcurrencyLimit(AT_ONCE, WAITING, WAIT_FOR)
        self._limits_of: LRUCache[str, ConcurrencyLimit] = LRUCache(MOST_LIMITS)
        self._lock = Lock()

    def begin(self, provider: Provider, next_path: str, user_id: str | None = None) -> tuple[str, BegunSignIn]:
        """Return where the browser goes, and what it has begun. Raises ProviderAway, Busy."""
        with self._at_once(provider):
            metadata = self._tokens.describe(provider)
        state, nonce, verifier = (secrets.token_urlsafe(size) for size in (24, 24, 48))
        url = self._client.authorization_url(provider, metadata, state, nonce, verifier)
        begun_at = int(self._clock().timestamp())
        return url, BegunSignIn(provider.id, state, nonce, verifier, next_path, begun_at, user_id)

    def finish(
        self, actor: Actor, provider: Provider, begun: BegunSignIn | None, answer: Mapping[str, str]
    ) -> Identity:
        """Return whom the provider signed in, by the parameters of its answer.

        Raises SignInRefused, ProviderAway, Busy, and TooManyRequests after too many failures of an address.
        """
        counter = PROVIDER_SIGN_INS_OF_ADDRESS.at(actor.address)
        if wait := self._limits.wait(counter):
            raise TooManyRequests(WAIT, wait)
        try:
            with self._at_once(provider):
                return self._check(provider, begun, answer)
        except SignInRefused:
            counted = self._limits.count(counter)
            self._failures.record(actor, counted.traces, "identity_provider", provider.id, by="provider")
            raise

    @contextmanager
    def _at_once(self, provider: Provider) -> Iterator[None]:
        """Run the body of the `with`; raise Busy while too many ask this provider, or all of them."""
        with self._lock:
            of_one = self._limits_of.setdefault(provider.id, ConcurrencyLimit(OF_ONE, WAITING_FOR_ONE, WAIT_FOR))
        with of_one(), self._limit():
            yield

    def _check(self, provider: Provider, begun: BegunSignIn | None, answer: Mapping[str, str]) -> Identity:
        if begun is None or not self._is_answer(begun, provider, answer.get("state", "")):
            raise SignInRefused(FOREIGN)
        metadata = self._tokens.describe(provider)
        _check_issuer(provider, metadata, answer)
        code = answer.get("code", "")
        if "error" in answer or not 1 <= len(code) <= LONGEST_CODE:
            raise SignInRefused(f"{provider.name} did not sign you in: begin again")
        given = self._client.exchange(provider, metadata, code, begun.verifier)
        claims = self._tokens.read_id_token(provider, given.id_token, begun.nonce, given.access_token)
        claims = self._complete(provider, metadata, claims, given.access_token)
        if not all(_holds(claims.get(name), wanted) for name, wanted in provider.required_claims.items()):
            raise SignInRefused(f"{provider.name} does not say that you may sign in here: ask an operator")
        return _identity(provider, claims, begun.state, self._clock() + PATIENCE)

    def _is_answer(self, begun: BegunSignIn, provider: Provider, state: str) -> bool:
        """Return whether an answer is to what this browser began, at this provider, a short while ago."""
        same = hmac.compare_digest(begun.state.encode(), state.encode("utf-8", "surrogatepass"))
        age = int(self._clock().timestamp()) - begun.begun_at
        return same and begun.provider_id == provider.id and 0 <= age <= PATIENCE.total_seconds()

    def _complete(
        self, provider: Provider, metadata: Keys, claims: dict[str, Any], access_token: str | None
    ) -> dict[str, Any]:
        """Add what the ID token lacks from the userinfo endpoint (OpenID Connect Core §5.3)."""
        needed = {provider.groups_claim, *provider.required_claims} - {""}
        if provider.create_users:
            needed.add(provider.username_claim)
        if needed <= claims.keys() or access_token is None or "userinfo_endpoint" not in metadata:
            return claims
        further = self._client.userinfo(provider, metadata, access_token)
        if further.get("sub") != claims["sub"]:  # §5.3.2: it may be of another user
            raise unfit(provider)
        return {**further, **claims}


def _check_issuer(provider: Provider, metadata: Keys, answer: Mapping[str, str]) -> None:
    """Refuse an answer of another server (RFC 9207 §2.4)."""
    issuer = answer.get("iss")
    if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is not True:
        return
    if issuer != provider.issuer:
        raise unfit(provider)


def _holds(value: object, wanted: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(type(one) is type(wanted) and one == wanted for one in values)


def _identity(provider: Provider, claims: Mapping[str, Any], state: str, until: datetime) -> Identity:
    session, methods = claims.get("sid"), claims.get("amr")
    return Identity(
        provider=provider,
        subject=claims["sub"],
        username=_text(claims.get(provider.username_claim)),
        email=_text(claims.get("email")) or None if claims.get("email_verified") is True else None,
        display_name=_text(claims.get("name")),
        groups=_groups(claims.get(provider.groups_claim)),
        session=session if isinstance(session, str) and 1 <= len(session) <= LONGEST_SID else None,
        multi_factor=isinstance(methods, list) and "mfa" in methods,
        state=state,
        until=until,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= LONGEST_TEXT else ""


def _groups(value: object) -> frozenset[str]:
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return frozenset(name for name in names[:MOST_GROUPS] if isinstance(name, str))
