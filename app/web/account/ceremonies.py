"""What a browser keeps in its signed cookie between two requests: a half sign-in, the challenge of a passkey, a set-up.

Each expires after ten minutes, and only the browser that began it has it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, request, session

from app.actions.sign_in.passkeys import Ceremony, PasskeyAnswer
from app.compose import Actions
from app.errors import Unauthenticated

PENDING, CHALLENGE, SET_UP = "pending", "challenge", "set_up"  # in the cookie
LIFETIME = timedelta(minutes=10)
CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in whose user gave the first factor and has a second one."""

    user_id: str
    methods: tuple[str, ...]
    provider: str | None = None
    provider_session: str | None = None

    def keep(self, now: datetime) -> None:
        """Keep it in the browser, in place of any other."""
        _keep(PENDING, now, **asdict(self))

    @classmethod
    def read(cls, now: datetime) -> PendingSignIn | None:
        """Return the one that the browser has; None when there is none any more."""
        kept = _read(PENDING, now)
        return None if kept is None else cls(**kept | {"methods": tuple(kept["methods"])})


def begin_ceremony(actions: Actions, purpose: str, ceremony: Ceremony) -> Response:
    """Answer a script with what to ask the browser's authenticators for, and keep the challenge for its answer."""
    challenge = base64.b64encode(ceremony.challenge).decode("ascii")
    _keep(CHALLENGE, actions.clock(), value=challenge, purpose=purpose)
    response = Response(ceremony.options, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def read_answer(actions: Actions, purpose: str) -> PasskeyAnswer:
    """Return the answer in a form, with the challenge that this browser was sent. Raises Unauthenticated."""
    kept = _read(CHALLENGE, actions.clock())
    session.pop(CHALLENGE, None)
    if kept is None or kept["purpose"] != purpose:
        raise Unauthenticated("the question to the passkey has expired: try again")
    try:
        challenge = base64.b64decode(kept["value"], validate=True)
    except binascii.Error:
        raise Unauthenticated("the question to the passkey has expired: try again") from None
    return PasskeyAnswer(request.form.get(CREDENTIAL, ""), challenge, actions.clock() + LIFETIME)


def keep_set_up(sealed: str, now: datetime) -> None:
    """Keep the encrypted secret of an authenticator app that no code has confirmed yet."""
    _keep(SET_UP, now, sealed=sealed)


def read_set_up(now: datetime) -> str | None:
    """Return that secret, encrypted; None when there is none any more."""
    kept = _read(SET_UP, now)
    return None if kept is None else str(kept["sealed"])


def end_set_up() -> None:
    """Forget it."""
    session.pop(SET_UP, None)


def _keep(name: str, now: datetime, **values: Any) -> None:
    session[name] = values | {"until": int((now + LIFETIME).timestamp())}


def _read(name: str, now: datetime) -> dict[str, Any] | None:
    """Return what the browser keeps; its signature says that this server wrote it."""
    kept = session.get(name)
    if not isinstance(kept, dict) or now >= datetime.fromtimestamp(kept["until"], UTC):
        return None
    return {key: value for key, value in kept.items() if key != "until"}
