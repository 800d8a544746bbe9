"""The probes use, restrict and revoke a real credential of each kind; their results are the measured rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, TypeVar

import httpx

from app.comparison import phrases
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
PATIENCE = 2.0  # seconds to wait for a refusal
SHORT = 1  # second: the shortest lifetime that can be requested
SAMPLES = 15
KINDS: tuple[Callable[[Http], Specimen], ...] = (Password, PersonalAccessToken, ApiKey, MachineToken)
NAMED = ("sub", "username", "client_id")
REVEALED = {PAT: ["sub", "username"], API_KEY: [], M2M: ["sub", "client_id"]}
LIVES = range(60, 86_401)  # seconds: the lifetimes that a JWT may have


def compare(
    actions: Actions, client: httpx.Client, via: str, progress: Progress, columns: Sequence[str] = ()
) -> Report:
    """Probe the server behind `client`, which shares its database with `actions`; takes about ten seconds.

    `via` describes how the server is reached; with `columns`, other kinds are left out.
    """
    rows = list(stated_rows())
    wanted = [column for column in COLUMNS if not columns or column in columns]
    with Namespace(actions) as space:
        http = Http(client, space)
        specimens = [specimen for kind in KINDS if (specimen := kind(http)).column in wanted]
        for key, probe in PROBES.items():
            progress(MEASURED[key][0])
            rows.append(measured_row(key, {it.column: _measure_cell(http, it, key, probe) for it in specimens}))
    return Report(actions.settings.issuer, actions.clock(), via, tuple(_select_columns(row, wanted) for row in rows))


def in_process(wsgi_app: Callable[..., Any], url: str) -> httpx.Client:
    """Return a client that calls the application directly, without a socket."""
    return httpx.Client(base_url=url, transport=httpx.WSGITransport(app=wsgi_app))


def _select_columns(row: Row, columns: Sequence[str]) -> Row:
    cells = {column: row.cells[column] for column in columns}
    return Row(row.name, row.title, row.measured, row.source, cells)


def _measure_cell(http: Http, specimen: Specimen, key: str, probe: Probe) -> Cell:
    lacks = specimen.lacks.get(key)
    try:
        return Cell(lacks) if lacks else probe(http, specimen)
    except (httpx.HTTPError, LatchkeyError, KeyError, ValueError) as error:  # the other cells are still measured
        return Cell(phrases.UNFINISHED % {"error": type(error).__name__}, agrees=False)


def _names(http: Http, specimen: Specimen) -> Cell:
    if specimen.column == PASSWORD:
        works = specimen.works(specimen.get())
        return Cell(phrases.ACCOUNT, ["username"], agrees=works)
    response = http.introspect(specimen.get().secret)
    named = [member for member in NAMED if member in response]
    text = phrases.NAMED % {"members": ", ".join(named)} if named else phrases.NOBODY
    return Cell(text, named, agrees=response["active"] and named == REVEALED[specimen.column])


def _fields(http: Http, specimen: Specimen) -> Cell:
    response = http.introspect(specimen.get().secret)
    return Cell(", ".join(response), list(response), agrees=response["active"])


def _smallest(http: Http, specimen: Specimen) -> Cell:
    scopes = specimen.scopes(specimen.get())
    alone = scopes == [http.space.read]
    if specimen.column == PASSWORD:
        text = phrases.ALL_SCOPES % {"count": len(scopes)}
        return Cell(text, len(scopes), agrees=len(scopes) == len(http.space.scopes))
    return Cell(phrases.ONE_SCOPE, len(scopes), agrees=alone)


def _requests(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return Cell(f"{got.requests}", got.requests, agrees=specimen.works(got))


def _characters(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return Cell(f"{len(got.secret)}", len(got.secret), agrees=specimen.works(got))


def _time_to_issue(http: Http, specimen: Specimen) -> Cell:
    cell = _measure_time(specimen.get, lambda got: bool(got.secret))
    text = phrases.LABELLED % {"label": cell.text, "text": specimen.issuing}
    if specimen.column != PAT:
        return Cell(text, cell.value, cell.agrees)
    password = _measure_time(lambda: Password(http).works(Got(http.space.password, 0)), bool).value["median_ms"]
    text = phrases.BESIDE_PASSWORD % {"timing": text, "password": f"{password:.2f}"}
    return Cell(text, {**cell.value, "password_ms": password}, cell.agrees)


def _time_to_verify(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return _measure_time(lambda: specimen.works(got), bool)


def _time_to_verify_locally(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    signed = specimen.signed(got) or ""
    cell = _measure_time(lambda: http.verify_locally(signed), lambda seen: seen is not None)
    text = cell.text if signed == got.secret else phrases.ONCE_EXCHANGED % {"timing": cell.text}
    return Cell(text, cell.value, cell.agrees)


def _measure_time(action: Callable[[], T], good: Callable[[T], bool]) -> Cell:
    """Run the action SAMPLES times; return the median and the spread in milliseconds. Each result must be `good`."""
    taken, agrees = [], True
    for _ in range(SAMPLES):
        began = time.perf_counter()
        seen = action()
        taken.append((time.perf_counter() - began) * 1000)
        agrees = agrees and good(seen)
    spread = {"median_ms": round(median(taken), 3), "min_ms": round(min(taken), 3), "max_ms": round(max(taken), 3)}
    ends = {"median": f"{median(taken):.2f}", "least": f"{min(taken):.2f}", "most": f"{max(taken):.2f}"}
    return Cell(phrases.TIMING % ends, spread, agrees)


def _probe_harm(key: str) -> Probe:
    """Return the probe of the row `key`: introspection, and local verification, after the same change."""

    def probe(http: Http, specimen: Specimen) -> Cell:
        got = specimen.get()
        harm, signed = specimen.harms(got)[key], specimen.signed(got)
        worked = specimen.works(got) and (signed is None or http.verify_locally(signed) is not None)
        harm.do()
        try:
            asked = _still_works(specimen, got, harm.survived) if harm.survived else _refusal(specimen, got)
            local, left = _verify_locally(http, signed)
        finally:
            harm.undo()
        seconds = {"introspection": asked.value, "locally": left}
        text = phrases.LISTED % {"first": asked.text, "further": local} if local else asked.text
        text = phrases.LABELLED % {"label": harm.instead, "text": text} if harm.instead else text
        return Cell(text, seconds, agrees=worked and asked.agrees)

    return probe


def _still_works(specimen: Specimen, got: Got, why: str) -> Cell:
    works = specimen.works(got)
    return Cell((phrases.GOES_ON if works else phrases.REFUSED) % {"why": why}, None, agrees=works)


def _refusal(specimen: Specimen, got: Got) -> Cell:
    """Check the contract's promise: the first request that begins after the change is refused."""
    began = time.monotonic()
    if not specimen.works(got):
        took = time.monotonic() - began
        return Cell(phrases.REFUSED_AT_ONCE % {"later": f"{took * 1000:.0f}"}, round(took, 4), agrees=True)
    while time.monotonic() - began < PATIENCE and specimen.works(got):
        time.sleep(0.05)
    took = time.monotonic() - began
    return Cell(phrases.STILL_WORKED % {"later": f"{took:.1f}"}, round(took, 4), agrees=False)


def _verify_locally(http: Http, signed: str | None) -> tuple[str, float | None]:
    """Return for how many more seconds local verification accepts a JWT, as text and as a number."""
    seen = http.verify_locally(signed) if signed else None
    if seen is None or seen.expires_at is None:
        return (phrases.REFUSED_LOCALLY, 0.0) if signed else ("", None)
    left = round(seen.expires_at - time.time())
    return phrases.PASSES_LOCALLY % {"left": left}, float(left)


def _probe_expiry(http: Http, specimen: Specimen) -> Cell:
    if specimen.column == M2M:
        return _probe_jwt_expiry(http, specimen.get().secret)
    got = specimen.get(SHORT)
    began = time.monotonic()
    while specimen.works(got) and time.monotonic() - began < SHORT + PATIENCE:
        time.sleep(0.05)
    took = time.monotonic() - began
    text = phrases.ENDED % {"took": f"{took:.1f}", "lifetime": SHORT}
    return Cell(text, round(took, 2), agrees=took < SHORT + 1)


def _probe_jwt_expiry(http: Http, token: str) -> Cell:
    claims = http.introspect(token)
    life = claims["exp"] - claims["iat"]
    before, after = http.verify_locally(token, claims["exp"] - 1), http.verify_locally(token, claims["exp"])
    text = (phrases.JWT_ENDED if after is None else phrases.JWT_NOT_ENDED) % {"lifetime": life}
    return Cell(text, life, agrees=before is not None and after is None and life in LIVES)


def _theft(http: Http, specimen: Specimen) -> Cell:
    calls = calls_that_succeed(http, specimen)
    return Cell("; ".join(calls) or phrases.NOTHING, calls, agrees=_as_promised(specimen.column, calls))


def _as_promised(column: str, calls: Sequence[str]) -> bool:
    """Return whether a stolen credential opened only what the contract allows: neither writing nor managing."""
    writes = {"write to the API", "manage the server"} & set(calls)
    return not writes and ("read the API" in calls) == (column != PASSWORD)


def _mints(http: Http, specimen: Specimen) -> Cell:
    makes: Any = mints(http, specimen)
    return Cell(phrases.YES if makes else phrases.NO, makes, agrees=makes == (specimen.column == PASSWORD))


PROBES: dict[str, Probe] = {
    "user_context_revealed": _names,
    "fields": _fields,
    "smallest_scope": _smallest,
    "requests": _requests,
    "characters": _characters,
    "time_to_issue": _time_to_issue,
    "time_to_verify": _time_to_verify,
    "time_to_verify_locally": _time_to_verify_locally,
    "after_revocation": _probe_harm("after_revocation"),
    "after_rotation": _probe_harm("after_rotation"),
    "after_role_removal": _probe_harm("after_role_removal"),
    "after_disabling": _probe_harm("after_disabling"),
    "after_password_change": _probe_harm("after_password_change"),
    "after_expiry": _probe_expiry,
    "theft": _theft,
    "mints": _mints,
}
