"""/compare in real Chromium: at phone and desk width and on paper, by keyboard, with and without JavaScript."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.comparison.latest import keep
from app.comparison.report import Cell, Report, measured_row, stated_rows
from app.comparison.stated import COLUMNS
from app.web.assets import STATIC
from tests.browser import Browser
from tests.conftest import StartServer
from tests.live import LiveServer
from tests.management.face import Face, start_face, stop_face

TIMES = {"median_ms": 1.0, "min_ms": 0.5, "max_ms": 2.0}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("pages"))
    yield made
    stop_face(made)


def save_comparison(face: Face, cell: Cell) -> None:
    """Store a comparison in which every measured cell is this one."""
    rows = [measured_row(key, dict.fromkeys(COLUMNS, cell)) for key in ("time_to_issue", "theft")]
    at = face.core.clock()
    keep(face.core.actions.settings, Report(face.core.actions.settings.issuer, at, "here", (*stated_rows(), *rows)))


def test_before_anything_was_measured_it_says_how(fresh_server: StartServer) -> None:
    page = fresh_server().http.get("/compare").text
    assert "latchkey compare" in page and "not measured yet" in page


def test_nothing_runs_or_loads_but_our_own(face: Face) -> None:
    response = face.http.get("/compare")
    assert response.status_code == 200 and response.content_type == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
    assert "script-src" not in policy and "'unsafe-inline'" not in str(policy)
    assert "style=" not in response.text and "<script" not in response.text


def test_measured_values_are_escaped(face: Face) -> None:
    save_comparison(face, Cell(HOSTILE, TIMES, agrees=False))
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


@pytest.mark.contract("the page `/compare` shows the same")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_looks_right(browser: Browser, server: LiveServer, width: int) -> None:
    with browser.page(width) as watched:
        watched.open(f"{server.url}/compare")
        assert not watched.scrolls_sideways()
        assert not watched.errors and not watched.foreign and not watched.serious_findings()


@pytest.mark.contract("the page `/compare` shows the same")
def test_on_a_phone_each_cell_names_its_kind_and_on_paper_the_head_does(browser: Browser, server: LiveServer) -> None:
    named = "getComputedStyle(document.querySelector('td[data-kind]'), '::before').content"
    with browser.page(390) as watched:
        watched.open(f"{server.url}/compare")
        assert "Password" in watched.page.evaluate(named)
        watched.page.emulate_media(media="print")
        assert watched.page.evaluate(named) == "none"
        assert not watched.page.locator("#guide").is_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_the_guide_ends_in_a_kind_and_its_commands_by_keyboard_alone(
    browser: Browser, server: LiveServer, javascript: bool
) -> None:
    with browser.page(javascript=javascript) as watched:
        watched.open(f"{server.url}/compare")
        keyboard = watched.page.keyboard
        keyboard.press("Tab")
        assert watched.page.locator(":focus").inner_text() == "Skip to the content"
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
