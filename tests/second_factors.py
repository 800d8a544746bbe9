"""Users with an app or a passkey, for tests of what is below the pages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pyotp

from app.actions.audit.actor import Actor, anonymous
from app.actions.sign_in.passkeys import Ceremony, PasskeyAnswer
from app.errors import LatchkeyError
from tests.authenticator import Authenticator
from tests.core import Core

NOBODY = anonymous("192.0.2.1", None)
HERE = "a session"


def set_up_app(core: Core, who: Actor) -> pyotp.TOTP:
    """Add an app; its first code belongs to the present step."""
    factors = core.actions.second_factors
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    factors.add_app(who, sealed, app.at(core.clock()), HERE)
    return app


def set_up_passkey(core: Core, who: Actor, **false: object) -> Authenticator:
    """Add a passkey, whose authenticator has these false values."""
    factors = core.actions.second_factors
    made = Authenticator("https://login.example", "login.example")
    for name, value in false.items():
        setattr(made, name, value)
    asked = factors.ask_for_new_passkey(who, "Alice")
    factors.add_passkey(who, "phone", answered(core, asked, made.make(asked.options)), HERE)
    return made


def answered(core: Core, asked: Ceremony, credential: str) -> PasskeyAnswer:
    return PasskeyAnswer(credential, asked.challenge, core.clock() + timedelta(minutes=10))


def use(core: Core, made: Authenticator, who: Actor = NOBODY) -> str:
    asked = core.actions.second_factors.ask_for_passkey(who.id if who.type == "user" else None)
    return core.actions.second_factors.use_passkey(who, answered(core, asked, made.use(asked.options)))


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all of this together; return what each returned, or the refusal it met."""
    together = Barrier(len(works))

    def begin(work: Callable[[], object]) -> object:
        together.wait(10)
        try:
            return work()
        except LatchkeyError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))
