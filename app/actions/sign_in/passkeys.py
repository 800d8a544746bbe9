"""Passkeys (WebAuthn): made by a user who is signed in, and used as the second factor or as the whole sign-in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, func, or_, select, update
from sqlalchemy.orm import Session

from app.database.statements import delete_expired, insert_once
from app.database.types import new_id
from app.errors import Conflict, Invalid
from app.models import Passkey, SpentChallenge

MOST = 20  # passkeys of a user
LONGEST_ANSWER = 20_000  # characters of what a browser sends
LONGEST_ID = 1_400  # characters of a credential's id: 1,023 bytes (WebAuthn §4)
SERVER_NAME = "Latchkey"
NOT_MADE = "the browser's answer is not a new passkey of this server: try again"
TOO_MANY = f"a user has at most {MOST} passkeys: remove one first"
NO_NAME = "passkeys need a server with a name: its address here is an IP address"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a browser is asked (JSON of WebAuthn §5.4, §5.5), and the challenge that its answer must hold."""

    options: str
    challenge: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """What a browser answered, the challenge it was asked with, and until when that is valid."""

    credential: str = field(repr=False)
    challenge: bytes = field(repr=False)
    expires_at: datetime


class UnusablePasskey(Exception):
    """A passkey is not accepted; `reason` is for the audit trail, `user_id` is its owner where that is known."""

    def __init__(self, reason: str, user_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.user_id = user_id


class Passkeys:
    """The ceremonies of one relying party: the issuer's host, and its origin."""

    def __init__(self, issuer: str) -> None:
        parts = urlsplit(issuer)
        self.rp_id = parts.hostname or ""
        self._origin = f"{parts.scheme}://{parts.netloc}"

    @property
    def available(self) -> bool:
        """Whether browsers accept the server's host: WebAuthn §5.1.2 takes a domain, never an IP address."""
        try:
            ip_address(self.rp_id)
        except ValueError:
            return bool(self.rp_id)
        return False

    def ask_for_new(self, session: Session, user_id: str, username: str, display_name: str) -> Ceremony:
        """Ask the browser to make a passkey that the user's authenticators do not have yet. Raises Conflict."""
        import webauthn  # a server whose users have no passkey saves its memory
        from webauthn.helpers import structs

        if not self.available:
            raise Conflict(NO_NAME)
        present = passkeys_of(session, user_id)
        if len(present) >= MOST:
            raise Conflict(TOO_MANY)
        options = webauthn.generate_registration_options(
            rp_id=self.rp_id,
            rp_name=SERVER_NAME,
            user_id=user_id.encode("ascii"),
            user_name=username,
            user_display_name=display_name,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.PREFERRED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_describe(present),
        )
        return Ceremony(webauthn.options_to_json(options), options.challenge)

    def ask(self, session: Session, user_id: str | None) -> Ceremony:
        """Ask the browser for a passkey of a user, or of anybody whose authenticator has one for this server."""
        import webauthn
        from webauthn.helpers import structs

        options = webauthn.generate_authentication_options(
            rp_id=self.rp_id,
            allow_credentials=_describe(passkeys_of(session, user_id)) if user_id else None,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
        return Ceremony(webauthn.options_to_json(options), options.challenge)

    def add(self, session: Session, user_id: str, name: str, answer: PasskeyAnswer, at: datetime) -> str:
        """Store the passkey that a browser made; return its id. Raises Invalid, Conflict."""
        made = self._verify_new(answer)
        credential_id = _text(made.credential_id)
        known = session.scalar(select(func.count()).where(Passkey.credential_id == credential_id))
        if known or len(credential_id) > LONGEST_ID or not _spend(session, answer, at):
            raise Invalid.field("", NOT_MADE)
        if len(passkeys_of(session, user_id)) >= MOST:
            raise Conflict(TOO_MANY)
        row = Passkey(
            id=new_id("psk"),
            user_id=user_id,
            name=name,
            credential_id=credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            transports=_transports(answer.credential),
            backed_up=made.credential_backed_up,
            created_at=at,
        )
        session.add(row)
        return row.id

    def use(self, session: Session, answer: PasskeyAnswer, user_id: str | None, at: datetime) -> str:
        """Return the user whose passkey answered; `user_id`, if given, must be that user. Raises UnusablePasskey."""
        row = self._find(session, answer)
        if user_id is not None and row.user_id != user_id:
            raise UnusablePasskey("a passkey of another account", row.user_id)
        count = self._verify(answer, row)
        # the row decides between two uses at once; without a counter (§6.1.1) both counts are 0
        later = or_(Passkey.sign_count < count, (Passkey.sign_count == 0) & (count == 0))
        used = update(Passkey).where(Passkey.id == row.id, later).values(sign_count=count, last_used_at=at)
        if session.execute(used.returning(Passkey.id)).first() is None:
            raise UnusablePasskey("its signature counter went back: it may have been copied", row.user_id)
        if not _spend(session, answer, at):
            raise UnusablePasskey("its challenge was used before", row.user_id)
        return str(row.user_id)

    def _find(self, session: Session, answer: PasskeyAnswer) -> Row[str, str, bytes, int]:
        columns = Passkey.id, Passkey.user_id, Passkey.public_key, Passkey.sign_count
        sent = _read(answer.credential)
        credential_id, handle = str(sent.get("id", "")), _user_handle(sent)
        if len(credential_id) > LONGEST_ID or not (credential_id.isascii() and credential_id.isprintable()):
            raise UnusablePasskey("not a passkey")
        row = session.execute(select(*columns).where(Passkey.credential_id == credential_id)).one_or_none()
        if row is None:
            raise UnusablePasskey("an unknown passkey")
        if handle is not None and handle != _text(row.user_id.encode("ascii")):  # WebAuthn §7.2, step 6
            raise UnusablePasskey("it names another user than its own", row.user_id)
        return row

    def _verify(self, answer: PasskeyAnswer, row: Row[str, str, bytes, int]) -> int:
        """Return the new signature counter; the row compares it with the old one, so none is passed on."""
        import webauthn

        verify = partial(
            webauthn.verify_authentication_response,
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=self.rp_id,
            expected_origin=self._origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        try:
            return verify().new_sign_count
        except _unreadable() as error:
            raise UnusablePasskey("its signature, origin or challenge is wrong", row.user_id) from error

    def _verify_new(self, answer: PasskeyAnswer) -> Any:
        import webauthn

        _read(answer.credential, Invalid.field("", NOT_MADE))
        try:
            return webauthn.verify_registration_response(
                credential=answer.credential,
                expected_challenge=answer.challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except _unreadable() as error:
            raise Invalid.field("", NOT_MADE) from error


def passkeys_of(session: Session, user_id: str) -> Sequence[Passkey]:
    """Return the passkeys of a user, the oldest first."""
    return session.scalars(select(Passkey).where(Passkey.user_id == user_id).order_by(Passkey.created_at)).all()


def _describe(passkeys: Sequence[Passkey]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes, structs

    return [
        structs.PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(one.credential_id),
            transports=[structs.AuthenticatorTransport(name) for name in one.transports],
        )
        for one in passkeys
    ]


def _spend(session: Session, answer: PasskeyAnswer, at: datetime) -> bool:
    """Return whether the challenge was not used before; it is kept until it expires by itself."""
    delete_expired(session, SpentChallenge, SpentChallenge.expires_at <= at)
    digest = sha256(answer.challenge).hexdigest()
    return insert_once(session, SpentChallenge, digest=digest, expires_at=answer.expires_at)


def _read(credential: str, refusal: Exception | None = None) -> dict[str, Any]:
    """Return what the browser sent, before anything else reads it."""
    try:
        sent = json.loads(credential) if len(credential) <= LONGEST_ANSWER else None
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise refusal or UnusablePasskey("not a passkey")
    return sent


def _user_handle(sent: dict[str, Any]) -> str | None:
    response = sent.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    return handle.rstrip("=") if isinstance(handle, str) and handle else None


def _transports(credential: str) -> list[str]:
    """Return how the authenticator can be reached: hints for the next time, of which unknown ones are dropped."""
    from webauthn.helpers.structs import AuthenticatorTransport

    response = _read(credential).get("response")
    sent = response.get("transports") if isinstance(response, dict) else None
    known = {one.value for one in AuthenticatorTransport}
    return sorted(known.intersection(one for one in sent if isinstance(one, str))) if isinstance(sent, list) else []


def _text(octets: bytes) -> str:
    from webauthn.helpers import bytes_to_base64url

    return bytes_to_base64url(octets)


def _unreadable() -> tuple[type[Exception], ...]:
    """Return what the library raises for an answer that it refuses or cannot read."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from webauthn.helpers.exceptions import WebAuthnException

    malformed = ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError
    return WebAuthnException, InvalidSignature, UnsupportedAlgorithm, *malformed
