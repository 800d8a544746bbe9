"""The phrases of measured cells, in English: a probe fills them in, and a page recognizes them to translate them.

A report holds English texts and nothing else: so do its file, the API and the command's output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from app.texts import mark, read_values

ACCOUNT = mark("the account itself: anyone who sends it is the user")
NAMED = mark("named by %(members)s")
NOBODY = mark("nobody: an answer names no subject and no client")
ALL_SCOPES = mark("the whole account: all %(count)s scopes of its roles, and no way to ask for less")
ONE_SCOPE = mark("one scope: it may read, not list or write")
TIMING = mark("%(median)s ms (%(least)s to %(most)s)")
BESIDE_PASSWORD = mark("%(timing)s, and a request that only checks that password takes %(password)s ms")
ONCE_EXCHANGED = mark("%(timing)s, once exchanged for a JWT")
REFUSED_AT_ONCE = mark("refused at the first call, %(later)s ms later")
REFUSED = mark("refused: %(why)s")
GOES_ON = mark("goes on: %(why)s")
STILL_WORKED = mark("still worked, %(later)s s later")
REFUSED_LOCALLY = mark("refused locally too")
PASSES_LOCALLY = mark("as a JWT checked locally it passes until its exp, %(left)s s more")
ENDS_WITH_LIST = mark("with the status list it passes until the next fetch, %(most)s s at most")
PASSES_WITH_LIST = mark("with the status list too")
ENDED = mark("refused %(took)s s after it got %(lifetime)s s to live")
JWT_ENDED = mark("refused %(lifetime)s s after it was issued, also where nobody is asked")
JWT_NOT_ENDED = mark("refused %(lifetime)s s after it was issued, NOT also where nobody is asked")
NOTHING = mark("nothing")
ITS_REFRESH_TOKEN = mark("its refresh token")
BY_REFRESH = mark("later, by a refresh")
RENEWED = mark("its refresh token gets another one")
LEFT_OUT = mark("the user left the others out, and a refresh can narrow it further")
STOLEN_REFRESH_TOKEN = mark("with its refresh token, until the app's own next refresh ends the grant")
STOLEN_CODE = mark("with its code, without the verifier")
YES, NO = mark("yes"), mark("no")
UNFINISHED = mark("the probe could not finish: %(error)s")
LABELLED = mark("%(label)s: %(text)s")
LISTED = mark("%(first)s; %(further)s")
OVER_HTTP, IN_PROCESS = mark("over HTTP"), mark("in one process")  # how the probes reached the server
PHRASES = (  # with placeholders; a list comes first, and of two others that fit a text, the narrower one
    LISTED,
    *(NAMED, ALL_SCOPES, ENDED, JWT_ENDED, JWT_NOT_ENDED, UNFINISHED),
    *(TIMING, BESIDE_PASSWORD, ONCE_EXCHANGED),
    *(REFUSED_AT_ONCE, STILL_WORKED, PASSES_LOCALLY, ENDS_WITH_LIST),
    *(REFUSED, GOES_ON, LABELLED),
)


def recognize(text: str) -> tuple[str, Mapping[str, str]] | None:
    """Return the phrase that a text was made from, and what was filled in; None for a text of another version."""
    found = ((phrase, read_values(phrase, text)) for phrase in PHRASES)
    return next(((phrase, values) for phrase, values in found if values is not None), None)


def list_all(texts: Sequence[str]) -> str:
    """Return the texts as one."""
    return reduce(lambda first, further: LISTED % {"first": first, "further": further}, texts)
