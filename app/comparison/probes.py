"""The probes use, restrict and revoke a real credential of each kind; their results are the measured rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from app.comparison import phrases
from app.comparison.delegated import DelegatedToken
from app.comparison.delegated_probes import DELEGATED
from app.comparison.jwt_expiry import measure_jwt_expiry
from app.comparison.local import ListCopy
from app.comparison.namespace import Namespace
from app.comparison.report import MEASURED, Cell, Report, Row, measured_row, stated_rows
from app.comparison.specimens import ApiKey, Got, Http, MachineToken, Password, PersonalAccessToken, Specimen
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT
from app.comparison.theft import as_promised, calls_that_succeed, mints, steal
from app.comparison.timing import measure_time
from app.compose import Actions
from app.errors import LatchkeyError
from app.resource_server import Credential, ServiceUnavailable

Progress = Callable[[str], None]
Probe = Callable[[Http, Specimen], Cell]
PATIENCE = 2.0  # seconds to wait for a refusal
SHORT = 1  # second: the shortest lifetime that can be requested
KINDS: tuple[Callable[[Http], Specimen], ...] = (
    Password,
    PersonalAccessToken,
    DelegatedToken,
    ApiKey,
    MachineToken,
)
FAILURES = (httpx.HTTPError, LatchkeyError, ServiceUnavailable, KeyError, ValueError)
NAMED = ("sub", "username", "client_id")
REVEALED = {PAT: ["sub", "username"], OAUTH: [*NAMED], API_KEY: [], M2M: ["sub", "client_id"]}


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
        if lacks:
            return Cell(lacks)
        if isinstance(specimen, DelegatedToken) and key in DELEGATED:
            return DELEGATED[key](http, specimen)
        return probe(http, specimen)
    except FAILURES as error:  # the other cells are still measured
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
    cell = measure_time(specimen.get, lambda got: bool(got.secret))
    text = phrases.LABELLED % {"label": cell.text, "text": specimen.issuing}
    if specimen.column != PAT:
        return Cell(text, cell.value, cell.agrees)
    password = measure_time(lambda: Password(http).works(Got(http.space.password, 0)), bool).value["median_ms"]
    text = phrases.BESIDE_PASSWORD % {"timing": text, "password": f"{password:.2f}"}
    return Cell(text, {**cell.value, "password_ms": password}, cell.agrees)


def _time_to_verify(http: Http, specimen: Specimen) -> Cell:
    got = specimen.get()
    return measure_time(lambda: specimen.works(got), bool)


def _time_to_verify_locally(http: Http, specimen: Specimen) -> Cell:
    return _time_verification(http.verify_locally, specimen)


def _time_to_verify_with_list(http: Http, specimen: Specimen) -> Cell:
    return _time_verification(http.read_lists().verify, specimen)


def _time_verification(verify: Callable[[str], Credential | None], specimen: Specimen) -> Cell:
    got = specimen.get()
    signed = specimen.signed(got) or ""
    verify(signed)  # what it fetches for this, it keeps
    cell = measure_time(lambda: verify(signed), lambda seen: seen is not None)
    text = cell.text if signed == got.secret else phrases.ONCE_EXCHANGED % {"timing": cell.text}
    return Cell(text, cell.value, cell.agrees)


def _probe_harm(key: str) -> Probe:
    """Return the probe of the row `key`: introspection, and local verification, after the same change."""

    def probe(http: Http, specimen: Specimen) -> Cell:
        got = specimen.get()
        harm, signed = specimen.harms(got)[key], specimen.signed(got)
        worked = specimen.works(got) and (signed is None or http.verify_locally(signed) is not None)
        copy = ListCopy.fetch(http.read_lists(), signed) if signed else None
        harm.do()
        try:
            asked = _still_works(specimen, got, harm.survived) if harm.survived else _refusal(specimen, got)
            local, listed = _verify_locally(http, signed), _verify_with_list(copy, bool(harm.survived))
        finally:
            harm.undo()
        ways = {"introspection": asked, "locally": local, "with_status_list": listed}
        text = phrases.list_all([cell.text for cell in ways.values() if cell.text])
        text = phrases.LABELLED % {"label": harm.instead, "text": text} if harm.instead else text
        agrees = worked and all(cell.agrees is not False for cell in ways.values())
        return Cell(text, {way: cell.value for way, cell in ways.items()}, agrees)

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


def _verify_locally(http: Http, signed: str | None) -> Cell:
    """Measure for how many more seconds local verification by the keys alone accepts a JWT."""
    seen = http.verify_locally(signed) if signed else None
    if seen is None or seen.expires_at is None:
        return Cell(phrases.REFUSED_LOCALLY, 0.0) if signed else Cell("")
    left = round(seen.expires_at - time.time())
    return Cell(phrases.PASSES_LOCALLY % {"left": left}, float(left))


def _verify_with_list(copy: ListCopy | None, survived: bool) -> Cell:
    """Measure when a JWT is refused by its status list, which must say what introspection says."""
    if copy is None:
        return Cell("")
    most = copy.measure_refusal()
    if most is None:
        return Cell(phrases.PASSES_WITH_LIST, None, copy.accepted and survived)
    return Cell(phrases.ENDS_WITH_LIST % {"most": f"{most:.1f}"}, round(most, 4), copy.accepted and not survived)


def _probe_expiry(http: Http, specimen: Specimen) -> Cell:
    if specimen.column == M2M:
        return measure_jwt_expiry(http, specimen.get().secret)
    got = specimen.get(SHORT)
    began = time.monotonic()
    while specimen.works(got) and time.monotonic() - began < SHORT + PATIENCE:
        time.sleep(0.05)
    took = time.monotonic() - began
    text = phrases.ENDED % {"took": f"{took:.1f}", "lifetime": SHORT}
    return Cell(text, round(took, 2), agrees=took < SHORT + 1)


def _theft(http: Http, specimen: Specimen) -> Cell:
    calls = calls_that_succeed(http, steal(http, specimen))
    return Cell("; ".join(calls) or phrases.NOTHING, calls, agrees=as_promised(specimen.column, calls))


def _mints(http: Http, specimen: Specimen) -> Cell:
    makes: Any = mints(http, steal(http, specimen))
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
    "time_to_verify_with_list": _time_to_verify_with_list,
    "after_revocation": _probe_harm("after_revocation"),
    "after_rotation": _probe_harm("after_rotation"),
    "after_role_removal": _probe_harm("after_role_removal"),
    "after_disabling": _probe_harm("after_disabling"),
    "after_password_change": _probe_harm("after_password_change"),
    "after_app_end": _probe_harm("after_app_end"),
    "after_expiry": _probe_expiry,
    "theft": _theft,
    "mints": _mints,
}
