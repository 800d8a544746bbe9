"""Apps whose client_id is the URL of a document (draft-ietf-oauth-client-id-metadata-document-02)."""

import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.app_metadata import LARGEST, read_client_document
from app.actions.directory.client_documents import AGAIN, LONGEST, SHORTEST, USUAL
from app.actions.directory.clients import ClientChanges
from app.actions.limits.abuse import DOCUMENTS_OF_ADDRESS, NEW_APPS
from app.actions.trust import flights
from app.crypto.opaque import Prefix, mint
from app.errors import BadDocument, Busy, TooManyRequests
from tests.oauth.documents import STRANGER, AppHost, discover, events, refresh, row_of
from tests.oauth.test_fetch_jwks import Answer, Held, drips, resolving_to, says
from tests.oauth.wire import Wire, public_jwk

MakeWire = Callable[..., Wire]


def test_a_document_makes_an_app_that_every_endpoint_knows(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    row = row_of(reader, app_host.url)
    assert (row.name, row.registered_by, row.token_endpoint_auth_method) == ("Shopping list", "document", "none")
    assert row.grant_types == ["authorization_code"] and row.redirect_uris == ["https://app.example/callback"]
    known = reader.core.actions.authenticate_client.find(app_host.url)
    assert known.exists and known.method == "none"
    [event] = events(reader, "client.register", app_host.url)
    assert (event.actor_type, event.target, event.details) == ("anonymous", app_host.url, {"name": "Shopping list"})


def test_without_a_method_or_a_name_it_is_public_and_named_by_its_url(reader: Wire, app_host: AppHost) -> None:
    app_host.publish(token_endpoint_auth_method=None, client_name=None)
    discover(reader, app_host.url)
    row = row_of(reader, app_host.url)
    assert (row.token_endpoint_auth_method, row.name) == ("none", app_host.url)


def test_an_unknown_app_is_fetched_where_it_may_be_discovered_only(reader: Wire, app_host: AppHost) -> None:
    refresh(reader, app_host.url)
    assert app_host.asked == 0 and row_of(reader, app_host.url) is None


def test_by_default_nothing_is_fetched(own_wire: MakeWire, app_host: AppHost) -> None:
    made = own_wire(allow_private_jwks_uri=True)
    discover(made, app_host.url)
    assert app_host.asked == 0 and row_of(made, app_host.url) is None


def test_the_metadata_says_that_documents_are_read(reader: Wire) -> None:
    metadata: Any = reader.http.get("/.well-known/oauth-authorization-server").json
    assert metadata["client_id_metadata_document_supported"] is True and "registration_endpoint" not in metadata


LIFETIMES: dict[str, tuple[tuple[str, ...], int]] = {
    "nothing said": ((), USUAL),
    "ten minutes": (("Cache-Control: public, max-age=600",), 600),
    "what is left of it": (("Cache-Control: max-age=600", "Age: 100"), 500),
    "not at all": (("Cache-Control: no-store",), SHORTEST),
    "a second": (("Cache-Control: max-age=1",), SHORTEST),
    "a year": (("Cache-Control: max-age=31536000",), LONGEST),
    "more digits than a number has": (("Cache-Control: max-age=" + "9" * 5000,), USUAL),
    "until a date": (("Date: Sat, 28 Nov 2026 10:00:00 GMT", "Expires: Sat, 28 Nov 2026 10:20:00 GMT"), 1200),
    "until a date that is none": (("Expires: 0",), SHORTEST),
}


@pytest.mark.contract("metadata documents are fetched as keys are, and kept as their headers say")
@pytest.mark.parametrize("case", LIFETIMES)
def test_it_is_kept_as_its_headers_say_within_bounds(reader: Wire, app_host: AppHost, case: str) -> None:
    headers, seconds = LIFETIMES[case]
    app_host.publish(*headers)
    discover(reader, app_host.url)
    reader.core.clock.advance(seconds=seconds - 1)
    refresh(reader, app_host.url)
    assert app_host.asked == 1 and reader.core.actions.authenticate_client.find(app_host.url).exists
    reader.core.clock.advance(seconds=1)
    assert not reader.core.actions.authenticate_client.find(app_host.url).exists
    refresh(reader, app_host.url)
    assert app_host.asked == 2 and reader.core.actions.authenticate_client.find(app_host.url).exists


def test_a_changed_document_changes_the_app_and_leaves_an_event(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    keys = {"keys": [public_jwk(reader.key, "k1")]}
    app_host.publish(
        token_endpoint_auth_method="private_key_jwt", jwks=keys, redirect_uris=["https://app.example/other"]
    )
    reader.core.clock.advance(seconds=USUAL)
    refresh(reader, app_host.url)
    row = row_of(reader, app_host.url)
    assert row.jwks == keys and row.redirect_uris == ["https://app.example/other"]
    [event] = events(reader, "client.update", app_host.url)
    assert event.actor_type == "server" and event.details == {"changed": ["method", "redirect_uris", "jwks"]}
    reader.core.clock.advance(seconds=USUAL)
    refresh(reader, app_host.url)
    assert len(events(reader, "client.update", app_host.url)) == 1


def test_an_app_whose_document_is_away_is_unknown_until_it_is_back(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    good, app_host.answer = app_host.answer, says(b"", "404 Not Found")
    reader.core.clock.advance(seconds=USUAL)
    for _ in range(3):
        with pytest.raises(BadDocument, match="cannot be fetched"):
            refresh(reader, app_host.url)
    assert app_host.asked == 2 and not reader.core.actions.authenticate_client.find(app_host.url).exists
    app_host.answer = good
    reader.core.clock.advance(seconds=AGAIN)
    refresh(reader, app_host.url)
    assert reader.core.actions.authenticate_client.find(app_host.url).exists


def test_a_disabled_app_stays_disabled_and_is_never_fetched(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    reader.core.actions.clients.change(OPERATOR, row_of(reader, app_host.url).id, ClientChanges(enabled=False))
    reader.core.clock.advance(days=3)
    discover(reader, app_host.url)
    assert app_host.asked == 1 and not reader.core.actions.authenticate_client.find(app_host.url).exists


def test_a_deleted_app_may_come_back(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    reader.core.actions.clients.delete(OPERATOR, row_of(reader, app_host.url).id)
    discover(reader, app_host.url)
    assert app_host.asked == 2 and row_of(reader, app_host.url).enabled


def test_apps_that_nobody_agreed_to_are_deleted_after_a_day(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    reader.core.clock.advance(days=1, seconds=1)
    other = AppHost()
    discover(reader, other.url)
    other.close()
    assert row_of(reader, app_host.url) is None and row_of(reader, other.url) is not None


BAD: dict[str, dict[str, Any]] = {
    "another client_id": {"client_id": "https://app.example/app.json"},
    "its client_id in another spelling": {"client_id": "HTTP"},
    "no client_id": {"client_id": None},
    "a client_id that is a list": {"client_id": []},
    "a secret": {"client_secret": "x"},
    "a secret's end": {"client_secret_expires_at": 0},
    "a method by secret": {"token_endpoint_auth_method": "client_secret_basic"},
    "a method by certificate": {"token_endpoint_auth_method": "self_signed_tls_client_auth"},
    "client credentials": {"grant_types": ["client_credentials"]},
    "no redirect URI": {"redirect_uris": None},
    "a bad redirect URI": {"redirect_uris": ["javascript:alert(1)"]},
    "no keys": {"token_endpoint_auth_method": "private_key_jwt"},
    "keys by plain http": {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "ftp://app.example/"},
    "a name that cannot be seen": {"client_name": "\u200b"},
    "a name with a secret": {"client_name": mint(Prefix.PAT)},
}


@pytest.mark.parametrize("case", BAD)
def test_a_document_that_is_not_valid_makes_no_app(reader: Wire, app_host: AppHost, case: str) -> None:
    app_host.publish(**BAD[case])
    with pytest.raises(BadDocument):
        discover(reader, app_host.url)
    assert row_of(reader, app_host.url) is None and events(reader, "client.register", app_host.url) == []


BROKEN: dict[str, Answer] = {
    "a redirect": says(b"{}", "302 Found", "Location: /other"),
    "created": says(b"{}", "201 Created"),
    "no JSON": says(b"<html>"),
    "a list": says(b"[]"),
    "a repeated member": says(b'{"client_id": "a", "client_id": "b"}'),
    "very deep": says(b"[" * 5000),
    "too much": says(b'{"x": "' + b"x" * LARGEST + b'"}'),
    "not UTF-8": says(b"\xff\xfe"),
    "hung up": lambda connection: None,
    "drips": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n", b" "),
    "says nothing": drips(b"", b""),
}


@pytest.mark.contract("metadata documents are fetched as keys are, and kept as their headers say")
@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.contract("metadata documents that hang, redirect, are huge or lead inside")
def test_an_answer_that_is_not_a_document_makes_no_app(reader: Wire, app_host: AppHost, case: str) -> None:
    app_host.answer = BROKEN[case]
    reader.core.actions.client_documents._fetch._patience = 0.3
    started = time.monotonic()
    with pytest.raises(BadDocument, match="cannot be fetched"):
        discover(reader, app_host.url)
    assert row_of(reader, app_host.url) is None and time.monotonic() - started < 5


@pytest.mark.contract("metadata documents are fetched as keys are, and kept as their headers say")
@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "10.0.0.1", "::1", "fd00::1"])
@pytest.mark.contract("metadata documents that hang, redirect, are huge or lead inside")
def test_no_inside_address_is_asked(
    outward: Wire, app_host: AppHost, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    literal = f"[{address}]" if ":" in address else address
    for url in ("https://app.example/app.json", f"https://{literal}/app.json"):
        monkeypatch.setattr(socket, "getaddrinfo", resolving_to(address))
        outward.core.actions.client_documents._failures._failed.clear()
        with pytest.raises(BadDocument):
            discover(outward, url)
    discover(outward, app_host.url)  # plain http is not the URL of a document there
    assert app_host.asked == 0 and row_of(outward, app_host.url) is None


URLS = {
    "https://app.example/": True,
    "https://app.example:8443/a.json": True,
    "https://app.example/a?b=c": True,
    "https://app.example": False,
    "https://app.example/a#b": False,
    "https://user@app.example/a": False,
    "https://app.example/a/../b": False,
    "https://app.example/./b": False,
    "https://app.example/%2E%2e/b": False,
    "https://app.example/a b": False,
    "https://app.example./a": False,
    "https://app.example/%zz": False,
    "https:///a": False,
    "https://app.example:x/a": False,
    "https://app.example\\@evil.example/a": False,
    "http://app.example/a": False,
    "ftp://app.example/a": False,
    "app.example/a": False,
    "https://app.example/" + "x" * 180: True,
    "https://app.example/" + "x" * 181: False,
}


@pytest.mark.parametrize("url", URLS)
def test_a_document_is_at_an_https_url_with_a_path(outward: Wire, url: str) -> None:
    assert outward.core.actions.client_documents.is_document_url(url) is URLS[url]


def test_unknown_documents_are_limited_by_address_and_known_ones_are_not(reader: Wire, app_host: AppHost) -> None:
    discover(reader, app_host.url)
    reader.core.actions.abuse_limits.count(DOCUMENTS_OF_ADDRESS.at(STRANGER.address).times(DOCUMENTS_OF_ADDRESS.most))
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            discover(reader, f"{app_host.url}/other")
    assert app_host.asked == 1
    reader.core.clock.advance(seconds=USUAL)
    reader.core.actions.abuse_limits.count(DOCUMENTS_OF_ADDRESS.at(STRANGER.address).times(DOCUMENTS_OF_ADDRESS.most))
    discover(reader, app_host.url)
    assert app_host.asked == 2


def test_new_apps_are_limited_in_all(reader: Wire, app_host: AppHost) -> None:
    reader.core.actions.abuse_limits.count(NEW_APPS.of().times(NEW_APPS.most))
    with pytest.raises(TooManyRequests):
        discover(reader, app_host.url)
    assert row_of(reader, app_host.url) is None


@pytest.mark.contract("metadata documents that hang, redirect, are huge or lead inside")
def test_hosts_of_strangers_that_hang_hold_up_no_known_app(
    reader: Wire, app_host: AppHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "WAITING", 0.01)
    discover(reader, app_host.url)
    reader.core.clock.advance(seconds=USUAL)
    slow, held = AppHost(), Held()
    slow.answer = held
    hanging = [
        threading.Thread(target=_ignore_refusal, args=(reader, f"{slow.url}?{number}"), daemon=True)
        for number in range(flights.AT_ONCE)
    ]
    for one in hanging:
        one.start()
        assert held.arrived.acquire(timeout=30)
    with pytest.raises(Busy):
        discover(reader, f"{slow.url}?more")
    discover(reader, app_host.url)
    assert reader.core.actions.authenticate_client.find(app_host.url).exists
    held.let_go.set()
    for one in hanging:
        one.join()
    slow.close()


def _ignore_refusal(reader: Wire, url: str) -> None:
    with pytest.raises(BadDocument):
        discover(reader, url)


def test_one_document_is_fetched_once_for_all_who_need_it(reader: Wire, app_host: AppHost) -> None:
    answer, arrived, let_go = app_host.answer, threading.Semaphore(0), threading.Event()

    def hold(connection: socket.socket) -> None:
        arrived.release()
        let_go.wait(30)
        answer(connection)

    app_host.answer = hold
    asking = [threading.Thread(target=discover, args=(reader, app_host.url), daemon=True) for _ in range(3)]
    asking[0].start()
    assert arrived.acquire(timeout=30)
    for one in asking[1:]:
        one.start()
    let_go.set()
    for one in asking:
        one.join()
    assert app_host.asked == 1 and row_of(reader, app_host.url) is not None


def test_two_nodes_that_fetch_at_once_make_one_app(reader: Wire, app_host: AppHost) -> None:
    documents = reader.core.actions.client_documents
    metadata = read_client_document(app_host.document, private=True)
    until = reader.core.clock() + timedelta(hours=1)
    documents._keep(app_host.url, metadata, until, STRANGER)
    documents._keep(app_host.url, metadata, until, STRANGER)
    assert len(events(reader, "client.register", app_host.url)) == 1
