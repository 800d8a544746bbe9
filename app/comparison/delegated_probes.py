"""The probes of delegated OAuth tokens alone: of the refresh token and the code that the other kinds do not have."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import httpx

from app.comparison import phrases, timing
from app.comparison.delegated import DelegatedToken
from app.comparison.jwt_expiry import measure_jwt_expiry
from app.comparison.report import Cell
from app.comparison.specimens import Http
from app.comparison.theft import as_promised, bearer, calls_that_succeed

DelegatedProbe = Callable[[Http, DelegatedToken], Cell]


def _smallest(http: Http, token: DelegatedToken) -> Cell:
    """Narrow twice: the user agrees to one scope of three, and a refresh asks for one of two."""
    space = http.space
    wide = token.get_scopes(space.read, space.list)
    narrowed = token.refreshed(wide.refresh_token, space.read)
    alone = token.scopes(token.get()) == token.scopes(narrowed) == [space.read]
    agrees = alone and set(token.scopes(wide)) == {space.read, space.list}
    return Cell(phrases.LISTED % {"first": phrases.ONE_SCOPE, "further": phrases.LEFT_OUT}, 1, agrees)


def _requests(http: Http, token: DelegatedToken) -> Cell:
    got = token.get()
    later = token.refreshed(got.refresh_token)
    return _count_both(got.requests, phrases.BY_REFRESH, later.requests, token.works(got) and token.works(later))


def _characters(http: Http, token: DelegatedToken) -> Cell:
    got = token.get()
    return _count_both(len(got.secret), phrases.ITS_REFRESH_TOKEN, len(got.refresh_token), token.works(got))


def _count_both(first: int, label: str, second: int, agrees: bool) -> Cell:
    further = phrases.LABELLED % {"label": label, "text": f"{second}"}
    return Cell(phrases.LISTED % {"first": f"{first}", "further": further}, first, agrees)


def _time_to_issue(http: Http, token: DelegatedToken) -> Cell:
    """Time the exchange of codes, then refreshes, each of the refresh token of the one before."""
    refresh_tokens = [token.get().refresh_token]
    codes = iter(token.prepare_codes(timing.SAMPLES))

    def refresh() -> httpx.Response:
        response = token.refresh(refresh_tokens[-1])
        refresh_tokens.append(response.json().get("refresh_token", ""))
        return response

    issued = timing.measure_time(lambda: token.redeem(*next(codes)), lambda response: response.is_success)
    renewed = timing.measure_time(refresh, lambda response: response.is_success)
    first = phrases.LABELLED % {"label": issued.text, "text": token.issuing}
    further = phrases.LABELLED % {"label": phrases.BY_REFRESH, "text": renewed.text}
    value = issued.value | {"refresh_ms": renewed.value["median_ms"]}
    text = phrases.LISTED % {"first": first, "further": further}
    return Cell(text, value, bool(issued.agrees and renewed.agrees))


def _probe_expiry(http: Http, token: DelegatedToken) -> Cell:
    got = token.get()
    ended = measure_jwt_expiry(http, got.secret)
    renewed = token.works(token.refreshed(got.refresh_token))
    text = phrases.LISTED % {"first": ended.text, "further": phrases.RENEWED} if renewed else ended.text
    return Cell(text, ended.value, bool(ended.agrees and renewed))


def _theft(http: Http, token: DelegatedToken) -> Cell:
    """Steal the access token, the refresh token (and let its app use it, too late) and a code."""
    with_access = calls_that_succeed(http, bearer(token.get().secret))
    with_refresh, ends = _steal_refresh_token(http, token)
    with_code = _steal_code(http, token)
    stolen = {phrases.STOLEN_REFRESH_TOKEN: with_refresh, phrases.STOLEN_CODE: with_code}
    labelled = [phrases.LABELLED % {"label": label, "text": _list_calls(calls)} for label, calls in stolen.items()]
    further = phrases.LISTED % {"first": labelled[0], "further": labelled[1]}
    text = phrases.LISTED % {"first": _list_calls(with_access), "further": further}
    value = {"access_token": with_access, "refresh_token": with_refresh, "code": with_code}
    promised = as_promised(token.column, with_access) and as_promised(token.column, with_refresh)
    return Cell(text, value, promised and ends and not with_code)


def _steal_refresh_token(http: Http, token: DelegatedToken) -> tuple[list[str], bool]:
    """Return what a thief reaches who refreshes first, and whether the app's use of its own token then ends both."""
    got = token.get()
    thief = token.refreshed(got.refresh_token)
    calls = calls_that_succeed(http, bearer(thief.secret))
    http.space.end_grace()
    refused = token.refresh(got.refresh_token).is_client_error
    return calls, refused and not token.works(thief) and token.refresh(thief.refresh_token).is_client_error


def _steal_code(http: Http, token: DelegatedToken) -> list[str]:
    """Return what a thief reaches who has a code and not its verifier (RFC 7636), without one and with another one."""
    (first, _), (second, _) = token.prepare_codes(2)
    answers = token.redeem(first, None), token.redeem(second, secrets.token_urlsafe(32))
    tokens = [str(answer.json()["access_token"]) for answer in answers if answer.is_success]
    return [call for stolen in tokens for call in calls_that_succeed(http, bearer(stolen))]


def _list_calls(calls: list[str]) -> str:
    return "; ".join(calls) or phrases.NOTHING


DELEGATED: Mapping[str, DelegatedProbe] = {
    "smallest_scope": _smallest,
    "requests": _requests,
    "characters": _characters,
    "time_to_issue": _time_to_issue,
    "after_expiry": _probe_expiry,
    "theft": _theft,
}
