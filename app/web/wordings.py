"""Texts that other packages word in English and that translated pages show.

The actions stay in English and know nothing of catalogs: a page recognizes what they say by its text in this table, in
which a placeholder takes the place of each value. A text that is not here is shown as it is.
"""

from __future__ import annotations

from flask_babel import gettext, pgettext

from app.texts import mark, read_values

REFUSALS = (
    # of a form
    mark("is needed"),
    mark("must not be blank"),
    mark("must be one line of at most %(longest)s characters"),
    mark("must be at most %(longest)s characters long"),
    mark("must be one of the choices below"),
    mark("must be a day from %(first)s to %(last)s"),
    mark("no day can be chosen: the longest lifetime allowed is shorter than a day"),
    # of a name
    mark("is at most %(longest)s characters long"),
    mark("must be one line of visible characters, without U+%(code)s"),
    mark("must not begin with a mark that belongs to the character before it"),
    # of a personal access token
    mark("the user has a live token of this name"),
    mark("the user has another live token of this name"),
    mark("a revoked token cannot be regenerated: create a new one"),
    mark("only an expired token can be deleted: revoke one that is active"),
    mark("the user has no such token"),
    mark("at least one scope is needed"),
    mark("not given by the user's roles: %(scopes)s"),
    mark("must be set: a lifetime is at most %(longest)s s here"),
    mark("a lifetime is at least 1 s"),
    mark("a lifetime is at most %(longest)s s"),
    # of an app or a device
    mark("choose at least one of the permissions, or refuse"),
    mark("the user's roles give no scope that this app may have"),
    mark("the code is unknown, used or expired: compare it with the one on the device"),
    mark("the user has no such app"),
    mark("the client_id is not that of an app that may be used here"),
    mark("the redirect_uri is not one that the app is registered with"),
    mark("this form has expired: go back to the app and begin again"),
    # of a password or a sign-in
    mark("is wrong"),
    mark("is not the same"),
    mark("must have %(shortest)s to %(longest)s characters"),
    mark("is too common: choose one that is harder to guess"),
    mark("the link is unknown, used or expired: ask for another one"),
    mark("confirm your password on your account's page first"),
    mark("there is no such session"),
    # of a second factor
    mark("the code is wrong, or was used before"),
    mark("is wrong, or has expired: enter the code that the app shows now"),
    mark("the passkey is not accepted"),
    mark("the question to the passkey has expired: try again"),
    mark("the browser's answer is not a new passkey of this server: try again"),
    mark("a user has at most %(most)s passkeys: remove one first"),
    mark("passkeys need a server with a name: its address here is an IP address"),
    mark("this is your last second factor, and your account must have one: add another one first"),
    mark("recovery codes replace a second factor: set one up first"),
    mark("send a second factor"),
    mark("there is no such passkey"),
    mark("there is no authenticator app"),
    # of a sign-in at an identity provider
    mark("sign in again first: this needs a sign-in of the last 15 minutes"),
    mark("%(name)s does not answer: try again later, or sign in another way"),
    mark("the answer of %(name)s cannot be accepted: begin again, or tell an operator"),
    mark("this sign-in was not begun in this browser, or is over: begin again"),
    mark("%(name)s did not sign you in: begin again"),
    mark("%(name)s does not say that you may sign in here: ask an operator"),
    mark("%(name)s knows you, but no account here is linked to you: ask an operator for an invitation"),
    mark("an account has your username already: sign in to it and link %(name)s on its page, or ask an operator"),
    mark("%(name)s gives no username that can be used here: ask an operator"),
    mark("your account is disabled: ask an operator"),
    mark("this account of %(name)s is linked to another user"),
    mark("the same sign-in is under way: begin again"),
    mark("there is no such identity provider"),
    mark("this is the only way to sign in to the account: set up another one first"),
    mark("the user has no such linked account"),
    mark("a user has at most %(most)s linked accounts: unlink one first"),
    mark("passwords are off here: sign in at an identity provider"),
    # of any page
    mark("sign in first"),
    mark("this is for operators, whose roles give the scope manage"),
    mark("there is no such page"),
    mark("there is no such user"),
    mark("too many failed attempts: try again later"),
    mark("too many such requests at once: try again"),
    mark("send %(type)s"),
    mark("a comparison signs users in by a password alone: it needs PASSWORDS on, and no second factor of everybody"),
    mark("a comparison is being made right now: try again in some seconds"),
)
STATES = (
    *(mark("Status"), mark("active"), mark("expired"), mark("revoked"), mark("suspended"), mark("soon")),
    *(mark("revoked by its owner"), mark("revoked by its holder"), mark("revoked by an operator")),
    *(mark("reported as leaked"), mark("a replaced secret was used")),
)
PHRASES = (  # of HTTP statuses; Python 3.13 has new ones for 413 and 422
    *(mark("Bad Request"), mark("Forbidden"), mark("Not Found"), mark("Method Not Allowed"), mark("Conflict")),
    *(mark("Request Entity Too Large"), mark("Content Too Large"), mark("Unsupported Media Type")),
    *(mark("Unprocessable Entity"), mark("Unprocessable Content"), mark("Too Many Requests")),
    *(mark("Internal Server Error"), mark("Service Unavailable")),
)


def translate(text: str) -> str:
    """Return a text that Python marked in the language of the page; never look up "", which is a catalog's header."""
    return str(gettext(text)) if text else ""


def translate_filter(status: str) -> str:
    """Return a status as the name of a list of tokens: many languages inflect it there."""
    names = {
        "active": pgettext("several tokens", "active"),
        "expired": pgettext("several tokens", "expired"),
        "revoked": pgettext("several tokens", "revoked"),
        "suspended": pgettext("several tokens", "suspended"),
    }
    return str(names.get(status, status))


def translate_refusal(text: str) -> str:
    """Return a refusal in the language of the page, with its values."""
    for message in REFUSALS:
        values = read_values(message, text)
        if values is not None:
            return str(gettext(message, **values))
    return text
