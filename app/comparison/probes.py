"""The probes: each kind is used, weakened and taken away for real, and what is seen becomes the measured rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeVar

import httpx

from app.actions.catalogue import Actions
from app.comparison.namespace import Namespace
from app.comparison.report import Cell, Report, Row, measured_row, stated_rows
from app.comparison.specimens import ApiKey, Got, Http, MachineToken, Password, PersonalAccessToken, Specimen
from app.comparison.stated import API_KEY, M2M, PASSWORD, PAT

T = TypeVar("T")
Progress = Callable[[str], None]
PATIENCE = 5.0  # seconds in which a refusal must come
SHORT = 1  # second: the shortest life that can be asked for
SAMPLES = 15
HARMS = (  # the row, its title, and whether the contract promises that it is felt at once
    ("revocation", "After its revocation", True),
    ("rotation", "After its rotation", True),
    ("role", "After its role is taken away", True),
    ("owner", "After its owner is disabled", True),
    ("password", "After the owner's password changes", None),
)


def compare(actions: Actions, client: httpx.Client, progress: Progress) -> Report:
    """Probe the server behind `client`, on whose database `actions` work too; about ten seconds."""
    with Namespace(actions) as space:
        http = Http(client, space)
        specimens: tuple[Specimen, ...] = (Password(http), PersonalAccessToken(http), ApiKey(http), MachineToken(http))
        rows = [*_used(http, specimens, progress), *_harmed(specimens, progress)]
        progress("expiry")
        rows.append(_expired(http, specimens))
        progress("what a JWT that is checked locally does not notice")
        rows.append(_locally(http))
        progress("what a thief reaches")
        rows += _stolen(http, specimens)
    return Report(actions.settings.issuer, actions.clock(), (*stated_rows(), *rows))


def _used(http: Http, specimens: Sequence[Specimen], progress: Progress) -> list[Row]:
    requests, characters, issuing, asking, revealed = {}, {}, {}, {}, {}
    for specimen in specimens:
        progress(f"using the {specimen.column}")
        issuing[specimen.column], got = _timed(specimen.get)
        requests[specimen.column] = Cell(f"{got.requests}", got.requests)
        characters[specimen.column] = Cell(f"{len(got.secret)}", len(got.secret))
        asking[specimen.column], worked = _timed(lambda it=specimen, secret=got: it.works(secret))  # type: ignore[misc]
        told = sorted(http.introspect(got.secret)) if specimen.column != PASSWORD else []
        revealed[specimen.column] = Cell(", ".join(told) or "nothing: it is not introspected", told, agrees=worked)
    nothing = Cell("nothing to issue: a person chose it")
    return [
        measured_row("requests", "Requests before the first API call", "counted", requests),
        measured_row("characters", "Characters to carry", "counted", characters),
        measured_row("time_to_issue", "Time to issue", "median (spread)", issuing | {PASSWORD: nothing}),
        measured_row("time_to_verify", "Time to verify by asking", "median (spread)", asking),
        measured_row("revealed", "What introspection reveals", "the members of an answer", revealed),
    ]


def _timed(action: Callable[[], T]) -> tuple[Cell, T]:
    """Do it some times; give the median and the spread in milliseconds, and what the last one gave."""
    taken = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        given = action()
        taken.append((time.perf_counter() - began) * 1000)
    spread = {"median_ms": round(median(taken), 3), "min_ms": round(min(taken), 3), "max_ms": round(max(taken), 3)}
    return Cell(f"{median(taken):.2f} ms ({min(taken):.2f} to {max(taken):.2f})", spread), given


def _harmed(specimens: Sequence[Specimen], progress: Progress) -> list[Row]:
    rows = []
    for key, title, at_once in HARMS:
        progress(title.lower())
        cells = {specimen.column: _harm(specimen, key, at_once) for specimen in specimens}
        rows.append(measured_row(key, title, "asked until it is refused", cells))
    return rows


def _harm(specimen: Specimen, key: str, at_once: bool | None) -> Cell:
    got = specimen.get()
    harm = specimen.harms(got).get(key)
    if harm is None:
        return Cell(specimen.lacks[key])
    worked = specimen.works(got)
    harm.do()
    try:
        if key == "password" and specimen.column == PAT:
            return Cell("goes on: it is not the password", True, agrees=worked and specimen.works(got))
        return _refusal(lambda: specimen.works(got), worked)
    finally:
        harm.undo()


def _refusal(works: Callable[[], bool], worked: bool) -> Cell:
    """The contract's promise: the first question that begins after the change is refused."""
    began = time.monotonic()
    if not works():
        took = time.monotonic() - began
        return Cell(f"refused at the first call, {took * 1000:.0f} ms later", round(took, 4), agrees=worked)
    while time.monotonic() - began < PATIENCE:
        if not works():
            break
        time.sleep(0.05)
    took = time.monotonic() - began
    return Cell(f"still worked, {took:.1f} s later", round(took, 4), agrees=False)


def _expired(http: Http, specimens: Sequence[Specimen]) -> Row:
    cells = {PASSWORD: Cell(Password.lacks["expiry"])}
    for specimen in specimens:
        if specimen.column in (PAT, API_KEY):
            cells[specimen.column] = _ends(specimen)
        elif specimen.column == M2M:
            claims = http.introspect(specimen.get().secret)
            lives = claims["exp"] - claims["iat"]
            cells[M2M] = Cell(f"ends by itself after {lives} s", lives, agrees=60 <= lives <= 86_400)
    return measured_row("end", "When its time is over", "given 1 s to live; a JWT's exp read", cells)


def _ends(specimen: Specimen) -> Cell:
    got = specimen.get(SHORT)
    began = time.monotonic()
    while specimen.works(got) and time.monotonic() - began < SHORT + PATIENCE:
        time.sleep(0.05)
    took = time.monotonic() - began
    return Cell(f"refused {took:.1f} s after it was made to live {SHORT} s", round(took, 2), agrees=took < SHORT + 1)


def _locally(http: Http) -> Row:
    actions, machine = http.space.actions, MachineToken(http)
    got = machine.get()

    def locally() -> bool:
        with actions.store.connection() as connection:
            return actions.signing_keys.read(connection, got.secret, actions.settings.issuer) is not None

    timing, before = _timed(locally)
    machine.harms(got)["revocation"].do()
    after, asked = locally(), machine.works(got)
    text = f"{timing.text}; after its revocation it still passes until exp, while asking refuses it"
    opaque = Cell("not supported: it must be asked about, or exchanged for a JWT")
    cells = {PASSWORD: Cell(Password.lacks["local"]), PAT: opaque, API_KEY: opaque}
    cells[M2M] = Cell(text, {"after_revocation": after, "asked": asked}, agrees=before and after and not asked)
    return measured_row("local", "Verified locally, by its signature", "median (spread); then revoked", cells)


def _stolen(http: Http, specimens: Sequence[Specimen]) -> list[Row]:
    reach, mint = {}, {}
    for specimen in specimens:
        got = specimen.get()
        calls = _reached(http, specimen, got)
        reach[specimen.column] = Cell("; ".join(calls) or "nothing", calls)
        makes = "make a personal access token" in calls
        mint[specimen.column] = Cell("yes" if makes else "no", makes, agrees=makes == (specimen.column == PASSWORD))
    return [
        measured_row("theft", "What a thief reaches", "calls that succeed with it", reach),
        measured_row("mints", "Can it make others", "tried", mint),
    ]


def _reached(http: Http, specimen: Specimen, got: Got) -> list[str]:
    if specimen.column == PASSWORD:
        way: dict[str, object] = {"auth": (http.space.name, got.secret)}
    else:
        way = {"headers": {"Authorization": f"Bearer {got.secret}"}}
    gate = f"/oauth/forward-auth?resource={http.space.identifier}&scope="
    body = {"name": f"stolen-{specimen.column}", "scopes": [http.space.read]}
    tokens = "/api/v1/me/personal-access-tokens"
    tried: tuple[tuple[str, str, str, object], ...] = (
        ("read the API", "GET", gate + http.space.read, None),
        ("write to the API", "GET", gate + http.space.write, None),
        ("read the owner's profile", "GET", "/api/v1/me", None),
        ("list the owner's tokens", "GET", tokens, None),
        ("make a personal access token", "POST", tokens, body),
        ("manage the server", "GET", "/api/v1/users", None),
    )
    return [
        what
        for what, method, path, json in tried
        if http.client.request(method, path, json=json, **way).is_success  # type: ignore[arg-type]
    ]
