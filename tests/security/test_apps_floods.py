"""Floods of requests for apps: what they write, what they cost, and how many codes of devices can be guessed."""

import time

import pytest

from app.actions.limits.abuse import DEVICE_REQUESTS, USER_CODES, USER_CODES_OF_ADDRESS
from app.models import DeviceCode
from tests.oauth.authorizing import AUTHORIZE, CSRF, Person, register, request_of
from tests.security.conftest import OwnSiege
from tests.security.siege import ATTACKER, OTHER, Siege
from tests.security.test_tables_of_strangers import watch_writes


@pytest.fixture
def siege(own_siege: OwnSiege) -> Siege:
    """Two nodes with their limits on, and a public app."""
    made = own_siege().begin()
    register(made.wire, "app")
    return made


@pytest.mark.both_databases
@pytest.mark.asvs("2.4.1")
def test_a_thousand_requests_without_a_user_write_nothing(siege: Siege) -> None:
    app = siege.nodes[0].application.test_client()
    asked = {"query_string": request_of()}
    with watch_writes() as seen:
        began = time.process_time()
        for number in range(250):
            for path, sent in ((AUTHORIZE, asked), ("/device", {}), (AUTHORIZE, {"query_string": {"x": number}})):
                app.get(path, environ_base={"REMOTE_ADDR": ATTACKER}, **sent)
            app.post(AUTHORIZE, data=request_of(), environ_base={"REMOTE_ADDR": ATTACKER})
        took = time.process_time() - began
    assert not seen
    assert took < 10, took  # of CPU, on a slow machine


@pytest.mark.both_databases
@pytest.mark.asvs("2.4.1")
def test_a_flood_of_device_requests_adds_as_many_rows_as_its_limit_and_they_go(siege: Siege) -> None:
    def ask(address: str = ATTACKER) -> int:
        sent = {"client_id": "app", "scope": "orders:read"}
        url = "/oauth/device_authorization"
        return int(siege.nodes[0].post(url, data=sent, environ_base={"REMOTE_ADDR": address}).status_code)

    answers = [ask() for _ in range(DEVICE_REQUESTS.most + 40)]
    assert answers.count(200) == DEVICE_REQUESTS.most and answers.count(429) == 40
    assert ask(OTHER) == 200
    siege.pass_seconds(1_201)
    assert ask() == 200
    assert siege.wire.core.count(DeviceCode) == 1


@pytest.mark.spec("RFC 8628 §5.1")
@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("device code guessing and phishing")
def test_a_device_code_is_not_found_by_guessing(siege: Siege) -> None:
    """A signed-in attacker looks for the device of somebody else, to connect it with an account of their own."""
    person = Person(siege.wire)
    person.sign_in()
    begun = siege.wire.post("device_authorization", {"client_id": "app", "scope": "orders:read"}).json
    [token, *_] = CSRF.findall(person.http.get("/device").text)

    def guess(code: str) -> int:
        return int(person.http.post("/device", data={"csrf_token": token, "user_code": code}).status_code)

    assert [guess("BBBB-BBBB") for _ in range(USER_CODES.most)] == [404] * USER_CODES.most
    assert guess("BBBB-BBBB") == 429
    assert guess(begun["user_code"]) == 429  # also the right one: otherwise the limit would limit nothing
    answer = {"csrf_token": token, "user_code": begun["user_code"], "decision": "allow", "scopes": "orders:read"}
    assert person.http.post("/device/answer", data=answer).status_code == 429
    siege.pass_seconds(USER_CODES.window_seconds)
    assert guess(begun["user_code"]) == 200
    assert USER_CODES_OF_ADDRESS.most * 1_000 < 20**8 / 10_000  # a thousand addresses, one code in ten thousand windows
