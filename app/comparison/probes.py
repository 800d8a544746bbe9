"""The probes: each kind is used, weakened and taken away for real, and what is seen becomes the measured rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, TypeVar

import httpx

from app.comparison.namespace import Namespace
from app.comparison.report import MEASURED, Cell, Report, Row, measured_row, stated_rows
from app.comparison.specimens import ApiKey, Got, Http, MachineToken, Password, PersonalAccessToken, Specimen
from app.comparison.stated import API_KEY, COLUMNS, M2M, PASSWORD, PAT
from app.comparison.theft import calls_that_succeed, mints
from app.compose import Actions
from app.errors import LatchkeyError

T = TypeVar("T")
Progress = Callable[[str], None]
Probe = Callable[[Http, Specimen], Cell]
PATIENCE = 2.0  # seconds in which a refusal must come
SHORT = 1  # second: the shortest life that can be asked for
SAMPLES = 15
KINDS: tuple[Callable[[Http], Specimen], ...] = (Password, PersonalAccessToken, ApiKey, MachineToken)
NAMED = ("sub", "username", "client_id")
REVEALED = {PAT: ["sub", "username"], API_KEY: [], M2M: ["sub", "client_id"]}
LIVES = range(60, 86_401)  # seconds that a JWT may live


def compare(
    actions: Actions, client: httpx.Client, via: str, progress: Progress, columns: Sequence[str] = ()
) -> Report:
    """Probe the server behind `client`, on whose database `actions` work too; about ten seconds.

    `via` says how the server is reached; `columns` leaves other kinds out.
    """
    rows = list(stated_rows())
    wanted = [column for column in COLUMNS if not columns or column in columns]
    with Namespace(actions) as space:
        http = Http(client, space)
        specimens = [specimen for kind in KINDS if (specimen := kind(http)).column in wanted]
        for key, probe in PROBES.items():
            progress(MEASURED[key][0])
            rows.append(measured_row(key, {it.column: _cell(http, it, key, probe) for it in specimens}))
    return Report(actions.settings.issuer, actions.clock(), via, tuple(_only(row, wanted) for row in rows))


def in_process(wsgi_app: Callable[..., Any], url: str) -> httpx.Client:
    """Give a client of the application itself, without a socket between."""
    return httpx.Client(base_url=url, transport=httpx.WSGITransport(app=wsgi_app))


def _only(row: Row, columns: Sequence[str]) -> Row:
    cells = {column: row.cells[column] for column in columns}
    return Row(row.name, row.title, row.measured, row.source, cells)


def _cell(http: Http, specimen: Specimen, key: str, probe: Probe) -> Cell:
    lacks = specimen.lacks.get(key)
    try:
        return Cell(lacks) if lacks else probe(http, specimen)
    except (httpx.HTTPError, LatchkeyError, KeyError, ValueError) as error:  # the others must still be seen
        return Cell(f"the probe could not finish: {type(error).__name__}", agrees=False)


def _names(http: Http, specimen: Specimen) -> Cell:
    if specimen.column == PASSWORD:
        works = specimen.works(specimen.get())
        return Cell("the account itself: whoever sends it is the user", ["username"], agrees=works)
    told = http.introspect(specimen.get().secret)
    named = [member for member in NAMED if member in told]
    text = f"named by {', '.join(named)}" if named else "nobody: an answer names no subject and no client"
    return Cell(text, named, agrees=told["active"] and named == REVEALED[specimen.column])


def _fields(http: Http, specimen: Specimen) -> Cell:
    told = http.introspect(specimen.get().secret)
    return Cell(", ".join(told), list(told), agrees=told["active"])


def _smallest(http: Http, specimen: Specimen) -> Cell:
    scopes = specimen.scopes(specimen.get())
    alone = scopes == [http.space.read]
    if specimen.column == PASSWORD:
        text = f"the whole account: all {len(scopes)} scopes of its roles, and no way to ask for less"
        return Cell(text, len(scopes), agrees=len(scopes) == len(http.space.scopes))
    return Cell("one scope: it may read, not list or write", len(scopes), agrees=alone)


def _requests(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return Cell(f"{got.requests}", got.requests, agrees=specimen.works(got))


def _characters(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return Cell(f"{len(got.secret)}", len(got.secret), agrees=specimen.works(got))


def _time_to_issue(http: Http, specimen: Specimen) -> Cell:
    return _timed(specimen.get, lambda got: bool(got.secret))


def _time_to_verify(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return _timed(lambda: specimen.works(got), bool)


def _time_to_verify_locally(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    signed = specimen.signed(got) or ""
    cell = _timed(lambda: http.locally(signed), lambda seen: seen is not None)
    return cell if signed == got.secret else Cell(f"{cell.text}, once exchanged for a JWT", cell.value, cell.agrees)


def _timed(action: Callable[[], T], good: Callable[[T], bool]) -> Cell:
    """Do it some times; give the median and the spread in milliseconds. It must come out well each time."""
    taken, agrees = [], True
    for _ in range(SAMPLES):
        began = time.perf_counter()
        seen = action()
        taken.append((time.perf_counter() - began) * 1000)
        agrees = agrees and good(seen)
    spread = {"median_ms": round(median(taken), 3), "min_ms": round(min(taken), 3), "max_ms": round(max(taken), 3)}
    return Cell(f"{median(taken):.2f} ms ({min(taken):.2f} to {max(taken):.2f})", spread, agrees)


def _harmed(key: str) -> Probe:
    """Give the probe of what happens `key`: asking, and beside it what a resource server sees that does not ask."""

    def probe(http: Http, specimen: Specimen) -> Cell:
        got = specimen.get()
        harm, signed = specimen.harms(got)[key], specimen.signed(got)
        worked = specimen.works(got) and (signed is None or http.locally(signed) is not None)
        harm.do()
        try:
            asked = _still_works(specimen, got, harm.survived) if harm.survived else _refusal(specimen, got)
            text, left = _unasked(http, signed)
        finally:
            harm.undo()
        seconds = {"introspection": asked.value, "locally": left}
        instead = f"{harm.instead}: " if harm.instead else ""
        return Cell(instead + asked.text + text, seconds, agrees=worked and asked.agrees)

    return probe


def _still_works(specimen: Specimen, got: Got, why: str) -> Cell:
    works = specimen.works(got)
    return Cell(f"{'goes on' if works else 'refused'}: {why}", None, agrees=works)


def _refusal(specimen: Specimen, got: Got) -> Cell:
    """The contract's promise: the first question that begins after the change is refused."""
    began = time.monotonic()
    if not specimen.works(got):
        took = time.monotonic() - began
        return Cell(f"refused at the first call, {took * 1000:.0f} ms later", round(took, 4), agrees=True)
    while time.monotonic() - began < PATIENCE and specimen.works(got):
        time.sleep(0.05)
    took = time.monotonic() - began
    return Cell(f"still worked, {took:.1f} s later", round(took, 4), agrees=False)


def _unasked(http: Http, signed: str | None) -> tuple[str, float | None]:
    """Tell for how many seconds more a JWT passes where it is only checked locally."""
    seen = http.locally(signed) if signed else None
    if seen is None or seen.expires_at is None:
        return ("; refused locally too", 0.0) if signed else ("", None)
    left = round(seen.expires_at - time.time())
    return f"; as a JWT checked locally it passes until its exp, {left} s more", float(left)


def _expired(http: Http, specimen: Specimen) -> Cell:
    if specimen.column == M2M:
        return _ended_by_itself(http, specimen.get().secret)
    got = specimen.get(SHORT)
    began = time.monotonic()
    while specimen.works(got) and time.monotonic() - began < SHORT + PATIENCE:
        time.sleep(0.05)
    took = time.monotonic() - began
    return Cell(f"refused {took:.1f} s after it got {SHORT} s to live", round(took, 2), agrees=took < SHORT + 1)


def _ended_by_itself(http: Http, token: str) -> Cell:
    claims = http.introspect(token)
    life = claims["exp"] - claims["iat"]
    before, after = http.locally(token, claims["exp"] - 1), http.locally(token, claims["exp"])
    text = f"refused {life} s after it was issued, {'' if after is None else 'NOT '}also where nobody is asked"
    return Cell(text, life, agrees=before is not None and after is None and life in LIVES)


def _theft(http: Http, specimen: Specimen) -> Cell:
    calls = calls_that_succeed(http, specimen)
    return Cell("; ".join(calls) or "nothing", calls, agrees=_as_promised(specimen.column, calls))


def _as_promised(column: str, calls: Sequence[str]) -> bool:
    """A thief of anything but a password stays within the scope it was given, and nobody manages the server."""
    writes = {"write to the API", "manage the server"} & set(calls)
    return not writes and ("read the API" in calls) == (column != PASSWORD)


def _mints(http: Http, specimen: Specimen) -> Cell:
    makes: Any = mints(http, specimen)
    return Cell("yes" if makes else "no", makes, agrees=makes == (specimen.column == PASSWORD))


PROBES: dict[str, Probe] = {
    "user_context_revealed": _names,
    "fields": _fields,
    "smallest_scope": _smallest,
    "requests": _requests,
    "characters": _characters,
    "time_to_issue": _time_to_issue,
    "time_to_verify": _time_to_verify,
    "time_to_verify_locally": _time_to_verify_locally,
    "after_revocation": _harmed("after_revocation"),
    "after_rotation": _harmed("after_rotation"),
    "after_role_removal": _harmed("after_role_removal"),
    "after_disabling": _harmed("after_disabling"),
    "after_password_change": _harmed("after_password_change"),
    "after_expiry": _expired,
    "theft": _theft,
    "mints": _mints,
}
