"""The device authorization grant (RFC 8628): a device shows a user code, the user answers, the device polls."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.access.scopes import Grants
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.delegation.app_tokens import AppTokens, IssueAppTokens, Wanted, keep_parties
from app.actions.delegation.codes import read_grants, store_grants
from app.actions.delegation.consents import ConsentQuestion, Consents, without_openid
from app.actions.limits.abuse import DEVICE_REQUESTS, USER_CODES, USER_CODES_OF_ADDRESS, WAIT, AbuseLimits
from app.actions.sign_in.clients import AuthenticateClient, KnownClient
from app.actions.tokens.issue import choose
from app.clock import Clock
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.opaque import Prefix, digest, mint, prefix_of
from app.database.locks import for_update
from app.database.statements import add_row, delete_expired
from app.database.store import Store
from app.errors import (
    AccessDenied,
    AuthorizationPending,
    DeviceCodeExpired,
    InvalidGrant,
    InvalidScope,
    NotFound,
    SlowDown,
    TooManyRequests,
)
from app.models import Client, DeviceCode, Permission, Resource

CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no word comes of them, and none looks like a digit
LENGTH = 8
LIFETIME = timedelta(minutes=10)
INTERVAL, LONGER = 5, 5  # seconds between two polls, and by how much a poll too early makes it longer
LONGEST_INTERVAL = 60  # seconds
LEAST_PAUSE = timedelta(seconds=1)  # a poll sooner than this is refused without a write
UNKNOWN = "the code is unknown, used or expired: compare it with the one on the device"


@dataclass(frozen=True, slots=True)
class DeviceCodes:
    """The answer to a device; `expires_in` and `interval` are seconds."""

    device_code: str = field(repr=False)
    user_code: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class DeviceQuestion:
    """What a device asks of the user who entered its code."""

    question: ConsentQuestion
    user_code: str


class Devices:
    """Make codes for devices, ask the user, and answer the polls."""

    def __init__(
        self,
        store: Store,
        issue: IssueAppTokens,
        consents: Consents,
        clients: AuthenticateClient,
        limits: AbuseLimits,
        management_identifier: str,
        clock: Clock,
    ) -> None:
        self._store = store
        self._issue = issue
        self._consents = consents
        self._clients = clients
        self._limits = limits
        self._management = management_identifier
        self._clock = clock

    def begin(self, actor: Actor, client: KnownClient, scope: str | None, resources: Sequence[str]) -> DeviceCodes:
        """Return new codes (RFC 8628 §3.2). Raises InvalidScope, InvalidTarget and TooManyRequests."""
        self._limits.refuse_beyond(DEVICE_REQUESTS.at(actor.address))
        wanted, now = without_openid(scope), self._clock()
        with self._store.reading() as session:
            self._refuse_impossible(session, client, wanted, resources)
        device_code, user_code = mint(Prefix.DEVICE_CODE), _new_user_code()
        with self._store.transaction() as session:
            delete_expired(session, DeviceCode, DeviceCode.expires_at <= now - LIFETIME)
            add_row(
                session,
                DeviceCode,
                digest=digest(device_code),
                user_code_digest=digest(user_code),
                client_id=client.row_id,
                scope=wanted,
                resources=[*resources],
                created_at=now,
                expires_at=now + LIFETIME,
                interval=INTERVAL,
            )
        return DeviceCodes(device_code, _with_dash(user_code), int(LIFETIME.total_seconds()), INTERVAL)

    def question(self, actor: Actor, user_code: str) -> DeviceQuestion:
        """Return what the device with this code asks of the user `actor`; case, spaces and dashes do not matter.

        Raises NotFound, TooManyRequests after too many unknown codes (RFC 8628 §5.1), InvalidScope and InvalidTarget.
        """
        plain, guesses = _plain(user_code), (USER_CODES_OF_ADDRESS.at(actor.address), USER_CODES.of(actor.id))
        if wait := self._limits.wait(*guesses):  # of so few letters, also the right code must wait
            raise TooManyRequests(WAIT, wait)
        with self._store.reading() as session:
            row = session.scalar(select(DeviceCode).where(*_open(plain, self._clock())))
            client_id = session.scalar(select(Client.client_id).where(Client.id == row.client_id)) if row else None
        client = self._clients.find(client_id) if client_id else None
        if row is None or client is None or not client.exists:
            self._limits.refuse_beyond(*guesses)
            raise NotFound(UNKNOWN)
        question = self._consents.question(actor.id, client, row.scope, row.resources)
        return DeviceQuestion(question, _with_dash(plain))

    def allow(self, actor: Actor, user_code: str, chosen: Collection[str]) -> None:
        """Agree to these scopes for the device; raises what `question` raises, and Invalid."""
        asked = self.question(actor, user_code).question
        self._answer(actor, user_code, asked.client, self._consents.agree(actor, asked, chosen))

    def deny(self, actor: Actor, user_code: str) -> None:
        """Refuse; raises what `question` raises."""
        client = self.question(actor, user_code).question.client
        self._answer(actor, user_code, client, None)

    def poll(
        self, actor: Actor, client: KnownClient, device_code: str, confirmation: Confirmation = UNBOUND
    ) -> AppTokens:
        """Return the tokens once the user has agreed (RFC 8628 §3.5).

        Raises AuthorizationPending, SlowDown, DeviceCodeExpired, AccessDenied and InvalidGrant.
        """
        now = self._clock()
        mine = DeviceCode.digest == digest(device_code), DeviceCode.client_id == client.row_id
        user_id = self._refuse_unknown(device_code, client, now)
        with self._store.transaction() as session:
            keep_parties(session, client.row_id, user_id)
            row = session.scalar(for_update(select(DeviceCode).where(*mine), DeviceCode))
            if row is None or row.used_at is not None:
                raise InvalidGrant("the device code is unknown or used, or of another client")
            if row.expires_at <= now:
                raise DeviceCodeExpired("the device code has expired: begin again")
            if row.user_id is not None and row.granted is not None:
                row.used_at = now
                wanted = Wanted(confirmation=confirmation)
                return self._issue.begin(session, actor, client, row.user_id, read_grants(row.granted), wanted)
            if row.user_id is not None:
                raise AccessDenied("the user refused")
            early = row.polled_at is not None and now < row.polled_at + timedelta(seconds=row.interval)
            row.interval = min(row.interval + LONGER, LONGEST_INTERVAL) if early else row.interval
            row.polled_at = now
        if early:
            raise SlowDown("the device polls too often: wait 5 seconds longer between two requests")
        raise AuthorizationPending("the user has not answered yet")

    def _refuse_unknown(self, device_code: str, client: KnownClient, now: datetime) -> str | None:
        """Return who answered; refuse what needs no write: an invented code, and a poll right after another."""
        query = select(DeviceCode.polled_at, DeviceCode.user_id).where(
            DeviceCode.digest == digest(device_code), DeviceCode.client_id == client.row_id
        )
        with self._store.connection() as connection:
            found = connection.execute(query).one_or_none()
        if prefix_of(device_code) is not Prefix.DEVICE_CODE or found is None:
            raise InvalidGrant("the device code is unknown or used, or of another client")
        if found.user_id is None and found.polled_at is not None and now < found.polled_at + LEAST_PAUSE:
            raise SlowDown("the device polls too often: wait between two requests")
        return None if found.user_id is None else str(found.user_id)

    def _answer(self, actor: Actor, user_code: str, client: KnownClient, granted: Grants | None) -> None:
        """Store the answer, unless another one was first; raises NotFound."""
        now, stored = self._clock(), None if granted is None else store_grants(granted)
        query = update(DeviceCode).where(*_open(_plain(user_code), now))
        answered = query.values(user_id=actor.id, granted=stored).returning(DeviceCode.digest)
        with self._store.transaction() as session:
            if session.execute(answered.execution_options(synchronize_session=False)).first() is None:
                raise NotFound(UNKNOWN)
            if granted is None:
                record(session, actor, "consent.refuse", "client", client.client_id, now)

    def _refuse_impossible(
        self, session: Session, client: KnownClient, scope: str | None, resources: Sequence[str]
    ) -> None:
        """Raise InvalidScope or InvalidTarget for what no user could agree to; who the user is, is not known yet."""
        query = select(Resource.identifier, Permission.name).join(Permission, Permission.resource_id == Resource.id)
        if client.scopes is not None:
            query = query.where(Permission.name.in_(client.scopes))
        else:
            query = query.where(Resource.identifier != self._management)
        if scope is not None or resources:
            choose(Grants.of((i, n) for i, n in session.execute(query)), scope, resources)
        elif session.execute(query.limit(1)).first() is None:
            raise InvalidScope("there is no scope that this app may have")


def _new_user_code() -> str:
    return "".join(secrets.choice(CONSONANTS) for _ in range(LENGTH))


def _with_dash(code: str) -> str:
    return f"{code[:4]}-{code[4:]}"


def _plain(user_code: str) -> str:
    """Return a code as it is stored: in capitals, without what is not one of its letters."""
    return "".join(character for character in user_code[:100].upper() if character in CONSONANTS)


def _open(plain: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the criteria of a code that waits for an answer."""
    row = DeviceCode
    return row.user_code_digest == digest(plain), row.user_id.is_(None), row.expires_at > now
