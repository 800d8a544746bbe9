"""/compare in real Chromium: at phone and desk width and on paper, by keyboard, with and without JavaScript."""

import hashlib
import re
from datetime import datetime
from html import unescape
from pathlib import Path

import httpx
import pytest

from app.comparison import measure, probes
from app.comparison.latest import keep
from app.comparison.report import Cell, Report, measured_row, stated_rows
from app.comparison.stated import COLUMNS, M2M, PAT, ROWS
from app.settings.settings import Settings
from app.web.assets import STATIC
from tests.browser import Browser
from tests.conftest import StartServer
from tests.core import ISSUER, START
from tests.live import LiveServer
from tests.management.face import Face
from tests.web.visitor import browser_of

TIMES = {"median_ms": 1.0, "min_ms": 0.5, "max_ms": 2.0}
RUN = "/compare/run"
HEAD = re.compile(r'scope="col">([^<]+)</th>')
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def measured_report(issuer: str, at: datetime, cell: Cell) -> Report:
    """Return a comparison in which every measured cell is this one."""
    rows = [measured_row(key, dict.fromkeys(COLUMNS, cell)) for key in ("time_to_issue", "theft")]
    return Report(issuer, at, "here", (*stated_rows(), *rows))


def save_comparison(instance: Path, report: Report) -> None:
    """Store a comparison for the page."""
    keep(Settings(instance_dir=instance, issuer=report.issuer, secret_key="k" * 40), report)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the comparisons instead of making them."""
    made: list[str] = []

    def run(_actions: object, _client: object, via: str, _progress: object) -> Report:
        made.append(via)
        return measured_report(ISSUER, START, Cell("seen", 3, agrees=True))

    monkeypatch.setattr(probes, "compare", run)
    return made


def test_before_the_first_comparison_everybody_reads_how_and_nobody_sees_empty_cells(unmeasured: Face) -> None:
    page = unmeasured.http.get("/compare").text
    assert "latchkey compare" in page and "not measured yet" in page
    assert "row-measured" not in page and 'action="/compare/run"' not in page
    someone = browser_of(unmeasured, unmeasured.person("users:read"))
    assert RUN not in someone.get("/compare").text


def test_an_operator_measures_with_a_button(unmeasured: Face, runs: list[str]) -> None:
    operator = browser_of(unmeasured, unmeasured.person("manage"))
    assert "Measure this server" in operator.get("/compare").text
    assert operator.post(RUN).location == "/compare" and runs == ["in one process"]
    page = operator.get("/compare").text
    assert "The server was measured just now" in page and "row-measured" in page and "Measure again" in page
    assert "The server was measured just now" not in operator.get("/compare").text


def test_the_button_is_for_operators_and_needs_the_token_of_its_page(face: Face, runs: list[str]) -> None:
    assert face.app.test_client().post(RUN).location.startswith("/login")
    someone = browser_of(face, face.person("users:read"))
    someone.get("/compare")
    assert someone.post(RUN).status_code == 403
    operator = browser_of(face, face.person("manage"))
    assert operator.http.post(RUN, data={"csrf_token": "forged"}).status_code == 400
    assert face.http.get(RUN).status_code == 405 and not runs


def test_a_second_measurement_at_once_is_refused(face: Face, runs: list[str]) -> None:
    operator = browser_of(face, face.person("manage"))
    operator.get("/compare")
    with measure.running:
        refused = operator.post(RUN)
    assert refused.status_code == 409 and "being made right now" in refused.text and not runs


def test_a_result_that_cannot_be_stored_is_said(
    unmeasured: Face, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(measure, "keep", fail)
    operator = browser_of(unmeasured, unmeasured.person("manage"))
    operator.get("/compare")
    operator.post(RUN)
    assert "cannot be stored" in operator.get("/compare").text


def test_no_probe_has_the_session_of_the_operator_who_measures(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []

    def run(_actions: object, client: httpx.Client, via: str, _progress: object) -> Report:
        statuses.append(client.get("/api/v1/me").status_code)
        return measured_report(ISSUER, START, Cell("seen"))

    monkeypatch.setattr(probes, "compare", run)
    operator = browser_of(face, face.person("manage"))
    operator.get("/compare")
    assert operator.post(RUN).status_code == 303 and statuses == [401]


def test_the_page_sets_no_cookie_for_a_stranger_and_has_the_sites_header(face: Face) -> None:
    answer = face.app.test_client().get("/compare")
    assert "Set-Cookie" not in answer.headers and 'aria-label="Main"' in answer.text
    assert 'action="/logout"' in browser_of(face, face.person()).get("/compare").text


def test_the_kinds_that_are_picked_are_compared_and_the_answer_stays(face: Face) -> None:
    page = face.http.get("/compare?kind=pat&kind=m2m&signs_in=no&for_person=yes").text
    assert HEAD.findall(page) == ["What", COLUMNS[PAT], COLUMNS[M2M]]
    assert '<input type="hidden" name="kind" value="pat">' in page
    assert '<input type="hidden" name="for_person" value="yes">' in page
    assert HEAD.findall(face.http.get("/compare?kind=x").text) == ["What", *COLUMNS.values()]


def test_each_card_leads_to_the_answer_of_its_kind(face: Face) -> None:
    page = face.http.get("/compare?kind=pat&kind=m2m").text
    links = [unescape(link) for link in re.findall(r'class="more"><a href="([^"]+)"', page)]
    titles = [re.search(r"<h3>(.+?)</h3>", face.http.get(link).text) for link in links]
    assert [found and found[1] for found in titles] == list(COLUMNS.values())
    assert all("kind=pat&kind=m2m" in link for link in links)


def test_each_source_is_a_link(face: Face) -> None:
    page = face.http.get("/compare").text
    sources = [source for row in ROWS for source in row.sources]
    assert all(f'href="{source.url}" rel="noreferrer">{source.label}<' in page for source in sources)


def test_nothing_runs_or_loads_but_our_own(face: Face) -> None:
    response = face.http.get("/compare")
    assert response.status_code == 200 and response.content_type == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert "script-src" not in policy and "'unsafe-inline'" not in str(policy)
    assert "style=" not in response.text and "<script" not in response.text


def test_measured_values_are_escaped(face: Face) -> None:
    settings = face.core.actions.settings
    save_comparison(settings.instance_dir, measured_report(settings.issuer, START, Cell(HOSTILE, TIMES, agrees=False)))
    page = face.http.get("/compare").text
    assert "<script" not in page and "<img" not in page
    assert "cells contradict the contract" in page


@pytest.mark.parametrize("query", ["signs_in=%00", "signs_in=yes&signs_in=no", "x=" + "y" * 5000, "%ff=%fe", "known"])
def test_an_odd_query_is_not_an_error(face: Face, query: str) -> None:
    assert face.http.get(f"/compare?{query}").status_code == 200


def test_only_reading_is_possible(face: Face) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert face.http.open("/compare", method=method).status_code == 405


@pytest.mark.asvs("3.7.1")
def test_the_assets_are_the_vendored_ones(face: Face) -> None:
    lines = [line.split("  ") for line in (STATIC / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in lines}
    assert set(listed) == {file.name for file in STATIC.iterdir()} - {
        "SHA256SUMS",
        "latchkey.css",
        "latchkey.js",
        "passkey.js",
        "logo.svg",
    }
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest
    for name in ("tabler.min.css", "latchkey.css", "comparison.css"):
        response = face.http.get(f"/assets/{name}")
        assert response.status_code == 200 and response.headers["Cache-Control"].startswith("public")
        assert response.mimetype == "text/css"
    for name in ("LICENSE", "..%2fpages.py", "base.html"):
        assert face.http.get(f"/assets/{name}").status_code == 404


@pytest.fixture
def measured(server: LiveServer) -> str:
    """Return the address of the page on a live server with a stored comparison."""
    save_comparison(server.instance, measured_report(server.issuer, START, Cell("seen", TIMES, agrees=True)))
    return f"{server.url}/compare"


@pytest.mark.contract("the page `/compare` shows the same")
@pytest.mark.parametrize("query", ["", "?signs_in=no&for_person=yes"])
def test_the_page_looks_right(browser: Browser, measured: str, query: str) -> None:
    with browser.page() as watched:
        watched.open(measured + query)
        assert watched.faults({390: "dark", 768: "light", 1280: "dark"}) == []


@pytest.mark.contract("the page `/compare` shows the same")
@pytest.mark.parametrize("javascript", [True, False])
def test_a_phone_shows_a_kind_at_a_time_and_paper_all_of_them(
    browser: Browser, measured: str, javascript: bool
) -> None:
    with browser.page(390, javascript=javascript) as watched:
        watched.open(f"{measured}?signs_in=no&for_person=yes")
        cells = {kind: watched.page.locator(f"td.of-{kind}").first for kind in COLUMNS}
        assert [kind for kind, cell in cells.items() if cell.is_visible()] == [PAT]
        watched.page.get_by_role("radio", name="M2M").press("Space")
        cells[M2M].wait_for()
        assert [kind for kind, cell in cells.items() if cell.is_visible()] == [M2M]
        watched.page.emulate_media(media="print")
        assert all(cell.is_visible() for cell in cells.values())
        assert not watched.page.locator("#guide").is_visible()
        assert "latchkey pat create" in watched.page.get_by_role("status").inner_text()


def test_the_head_of_the_table_stays_in_sight(browser: Browser, measured: str) -> None:
    with browser.page(1280) as watched:
        watched.open(measured)
        watched.page.locator("tbody tr").last.scroll_into_view_if_needed()
        assert watched.page.evaluate("document.querySelector('thead th').getBoundingClientRect().top") == 0


def test_the_answer_comes_first(browser: Browser, measured: str) -> None:
    with browser.page(390) as watched:
        watched.open(f"{measured}?signs_in=no&for_person=yes")
        tops = [watched.page.locator(it).bounding_box() for it in (".result", "#guide", ".kinds", "table")]
        assert [box["y"] for box in tops if box] == sorted(box["y"] for box in tops if box) and None not in tops


@pytest.mark.parametrize("javascript", [True, False])
def test_the_guide_ends_in_a_kind_and_its_commands_by_keyboard_alone(
    browser: Browser, server: LiveServer, javascript: bool
) -> None:
    with browser.page(javascript=javascript) as watched:
        watched.open(f"{server.url}/compare")
        keyboard = watched.page.keyboard
        keyboard.press("Tab")
        assert watched.page.locator(":focus").inner_text() == "Skip to the content"
        for _ in range(3):  # the logo, the menu's one link, the first question
            keyboard.press("Tab")
        keyboard.press("ArrowRight")  # from yes to no
        keyboard.press("Tab")
        keyboard.press("Space")  # yes
        keyboard.press("Enter")
        answer = watched.page.get_by_role("status")
        answer.wait_for()
        assert "Personal access token" in answer.inner_text()
        assert "latchkey pat create" in answer.inner_text()
        assert not watched.errors


def test_the_guide_asks_for_the_answers_it_lacks(browser: Browser, server: LiveServer) -> None:
    with browser.page() as watched:
        watched.open(f"{server.url}/compare?signs_in=no")
        assert "The first yes decides" in watched.page.get_by_role("status").inner_text()


def test_it_works_below_the_path_of_an_issuer(fresh_server: StartServer, tmp_path: Path) -> None:
    server = fresh_server(issuer="http://127.0.0.1:8080/tenant")
    page = server.http.get("/tenant/compare")
    assert page.status_code == 200 and 'href="/tenant/assets/tabler.min.css?v=' in page.text
    assert server.http.get("/tenant/assets/tabler.min.css").status_code == 200
