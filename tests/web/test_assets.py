"""The assets: compressed once, named by their content, and small enough for a first load."""

import gzip
import re
from collections.abc import Iterator

import pytest

from app.http.asset import FOR_GOOD
from app.web.assets import ASSETS, STATIC
from tests.browser import Browser
from tests.live import LiveServer
from tests.management.face import Face, start_face, stop_face

LINK = re.compile(r'(?:href|src)="(/assets/[^"#]+)')
FIRST_LOAD = 150_000  # bytes on the wire


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application."""
    made = start_face(tmp_path_factory.mktemp("files"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with its first administrator and nothing else."""
    started = LiveServer(tmp_path_factory.mktemp("assets") / "instance").start()
    yield started
    started.stop()


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_is_sent_compressed_to_clients_that_accept_it(face: Face, name: str) -> None:
    content = (STATIC / name).read_bytes()
    plain = face.http.get(f"/assets/{name}")
    packed = face.http.get(f"/assets/{name}", headers={"Accept-Encoding": "br, gzip"})
    refused = face.http.get(f"/assets/{name}", headers={"Accept-Encoding": "gzip;q=0"})
    assert plain.data == refused.data == content == gzip.decompress(packed.data)
    assert packed.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (plain, packed))


def test_an_address_with_the_hash_of_the_content_is_cached_for_good(face: Face) -> None:
    links = set(LINK.findall(face.http.get("/login").text))
    assert len(links) >= 4
    for link in links:
        answer = face.http.get(link)
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == FOR_GOOD, link
        again = face.http.get(link, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304 and not again.data


def test_an_address_with_another_hash_is_cached_for_a_day(face: Face) -> None:
    for link in ("/assets/latchkey.css", "/assets/latchkey.css?v=0", "/assets/latchkey.css?v="):
        assert face.http.get(link).headers["Cache-Control"] == "public, max-age=86400", link


def test_the_first_load_of_a_page_is_small(browser: Browser, live: LiveServer) -> None:
    with browser.page() as watched:
        session = watched.page.context.new_cdp_session(watched.page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        watched.open(f"{live.url}/login")
        watched.page.wait_for_load_state("networkidle")
        assert len(sizes) >= 5 and sum(sizes) < FIRST_LOAD
