"""What the mail of each type of notice says, in English; `mark` gives the texts to the translators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.texts import mark


@dataclass(frozen=True, slots=True)
class Wording:
    """The subject, what happened, and what to do; `facts` are the members of the notice that are shown."""

    subject: str
    happened: str
    advice: str
    facts: tuple[str, ...]
    button: str = mark("Open it")


GREETING = mark("Hello %(name)s,")
REASON = mark("You get this message because of your account %(username)s at %(server)s.")
CHOICE = mark("Choose which notices you get:")
NO_CHOICE = mark("This notice cannot be turned off.")
ENDED = mark("The credential was revoked because of it.")
FACTS: Mapping[str, str] = {
    "name": mark("Name"),
    "hint": mark("Recognized by"),
    "username": mark("Username"),
    "expires_at": mark("Ends"),
    "last_used_at": mark("Last used"),
    "address": mark("Address"),
    "at": mark("When"),
}
TOMORROW = Wording(
    mark("“%(name)s” ends within a day"),
    mark("This credential ends soon. From then on it is refused, and so is everything that uses it."),
    mark("If you still need it, renew it before: regenerate the token, or allow the app again."),
    ("name", "hint", "expires_at", "last_used_at"),
)
WORDINGS: Mapping[str, Wording] = {
    "credential.expiring": Wording(
        mark("“%(name)s” ends in %(days_left)s days"), TOMORROW.happened, TOMORROW.advice, TOMORROW.facts
    ),
    "credential.unused": Wording(
        mark("“%(name)s” was not used for %(days_unused)s days"),
        mark("This credential still works, but nothing has used it for a long time."),
        mark("If you do not need it any more, revoke it, so that nobody else can ever use it."),
        ("name", "hint", "last_used_at", "expires_at"),
    ),
    "credential.leaked": Wording(
        mark("“%(name)s” was reported as leaked and is revoked"),
        mark("Somebody found this credential in public and reported it. It was revoked at once and is now refused."),
        mark("Find out where it became public, remove it there, and make a new one if you need it."),
        ("name", "hint", "last_used_at", "at"),
    ),
    "credential.reused": Wording(
        mark("“%(name)s” was used after it was replaced"),
        mark("A secret of this credential that had been replaced was used again. It was refused."),
        mark("If none of your programs still has the old secret, somebody else has it: revoke the credential."),
        ("name", "hint", "address", "at"),
    ),
    "sign_in.new_place": Wording(
        mark("Sign-in from a new place"),
        mark("Somebody signed in to your account from an address that was not known."),
        mark("If that was you, there is nothing to do. If not, change your password now, and end all other sign-ins."),
        ("username", "address", "at"),
        mark("Open your account"),
    ),
    "account.invitation": Wording(
        mark("Your account at %(server)s"),
        mark("An account was made for you. Set a password with this link: it works once, and for an hour."),
        mark("If you did not expect this, do nothing: without the link nobody can use the account."),
        ("username", "expires_at"),
        mark("Set a password"),
    ),
    "account.reset": Wording(
        mark("Set another password at %(server)s"),
        mark("You, or an operator, asked for a link to set another password. It works once, and for an hour."),
        mark("If that was not you, do nothing: your password is as it was."),
        ("username", "expires_at"),
        mark("Set a password"),
    ),
    "second_factor.changed": Wording(
        mark("A second factor of your account was changed"),
        mark("A passkey, an authenticator app or the recovery codes of your account were added, removed or reset."),
        mark("If that was not you or an operator whom you asked, change your password now, and tell an operator."),
        ("username", "address", "at"),
        mark("Open your account"),
    ),
    "linked_account.changed": Wording(
        mark("How you sign in to your account was changed"),
        mark("An account at an identity provider was linked to yours, or is not linked to it any more."),
        mark("If that was not you or an operator whom you asked, end all other sign-ins now, and tell an operator."),
        ("username", "address", "at"),
        mark("Open your account"),
    ),
    "recovery_code.used": Wording(
        mark("A recovery code of your account was used"),
        mark("Somebody signed in to your account with your password and one of your recovery codes."),
        mark("If that was not you, change your password now, make new recovery codes, and end all other sign-ins."),
        ("username", "address", "at"),
        mark("Open your account"),
    ),
    "mail.test": Wording(
        mark("Latchkey can send mail"),
        mark("This is the test message that you asked for. Notices are sent like it."),
        mark("There is nothing to do."),
        (),
        mark("Open your account"),
    ),
}
