"""An app as an attacker: replays and races, more than was agreed to, names that mislead, tokens that outlive rights."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import pytest

from app.actions.audit.actor import Actor
from app.actions.delegation.app_tokens import GRACE
from app.models import RefreshToken
from tests.oauth.authorizing import (
    DEVICE_GRANT,
    Person,
    consent_form,
    parameters_of,
    redeem,
    refresh,
    refused,
    register,
    shown_instead,
)
from tests.oauth.registering import PUBLIC, Registry
from tests.oauth.wire import ORDERS, OWN, STOCK, Wire, start_wire, stop_wire
from tests.processor_time import at_most

MakeWire = Callable[..., Wire]
BOTH = "orders:read orders:write"


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("malicious"), registration="open")
    register(made, "app")
    register(made, "other")
    yield made
    stop_wire(made)


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


@pytest.fixture
def ann(apps: Wire) -> Person:
    """Another user with a role of her own, which a test may change."""
    apps.core.role(name := f"role-{len(apps.core._rows)}-{time.monotonic_ns()}", "user", *BOTH.split())
    apps.core.user(name, name)
    person = Person(apps, name)
    person.sign_in()
    return person


def at_once(make: Callable[[], Any], count: int = 50) -> list[Any]:
    """Send as many requests at the same moment; return the answers."""
    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(lambda _: make(), range(count)))


# --- replays and races


@pytest.mark.both_databases
@pytest.mark.spec("RFC 9700 §4.2.4")
@pytest.mark.asvs("10.4.2", "2.3.4")
@pytest.mark.contract("code replay and race: of fifty at once one wins, and its tokens end by the replays")
def test_of_fifty_uses_of_a_code_at_once_one_wins_and_the_replays_end_its_tokens(apps: Wire, alice: Person) -> None:
    code = alice.authorize()
    answers = at_once(lambda: redeem(apps, code, client_id="app"))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    [won] = [answer.json for answer in answers if answer.status_code == 200]
    assert {answer.json["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}
    assert not apps.core.active(won["access_token"])
    assert refresh(apps, won["refresh_token"]).json["error"] == "invalid_grant"
    assert apps.ask(Authorization=f"Bearer {won['access_token']}").status_code == 401


@pytest.mark.spec("RFC 9700 §4.2.4")
@pytest.mark.asvs("10.4.2")
@pytest.mark.contract("code replay and race: of fifty at once one wins, and its tokens end by the replays")
def test_a_code_replayed_later_ends_what_came_of_it_refreshed_tokens_too(apps: Wire, alice: Person) -> None:
    code = alice.authorize()
    first = redeem(apps, code, client_id="app").json
    second = refresh(apps, first["refresh_token"]).json
    other = alice.tokens()
    assert redeem(apps, code, client_id="app").status_code == 400
    for tokens in (first, second):
        assert not apps.core.active(tokens["access_token"])
        assert refresh(apps, tokens["refresh_token"]).status_code == 400
    assert apps.core.active(other["access_token"])  # another authorization of the same app
    assert apps.core.trace("grant.replay")


def test_a_replay_by_another_app_ends_nothing(apps: Wire, alice: Person) -> None:
    """Otherwise anybody who saw a code in a log could end the tokens of its owner."""
    code = alice.authorize()
    tokens = redeem(apps, code, client_id="app").json
    assert redeem(apps, code, client_id="other").json["error"] == "invalid_grant"
    assert redeem(apps, code, client_id="app", code_verifier="w" * 43).json["error"] == "invalid_grant"
    assert apps.core.active(tokens["access_token"])


@pytest.mark.both_databases
@pytest.mark.spec("RFC 9700 §4.14.2")
@pytest.mark.asvs("10.4.5", "RFC 9700 §2.2.2, §4.14")
@pytest.mark.contract("refresh replay and race, within and after the grace")
def test_a_stolen_refresh_token_ends_the_grant_of_thief_and_victim(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    stolen = alice.tokens()
    victims = refresh(wire, stolen["refresh_token"]).json
    wire.core.clock.advance(seconds=GRACE.total_seconds())
    assert refresh(wire, stolen["refresh_token"]).json["error"] == "invalid_grant"
    for tokens in (stolen, victims):
        assert not wire.core.active(tokens["access_token"])
        assert refresh(wire, tokens["refresh_token"]).json["error"] == "invalid_grant"
    [event] = wire.core.trace("credential.reused")
    assert event.target_type == "grant"


@pytest.mark.both_databases
@pytest.mark.spec("RFC 9700 §4.14.2")
@pytest.mark.contract("refresh replay and race, within and after the grace")
def test_fifty_refreshes_at_once_stay_in_one_grant_and_die_with_it(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    first = alice.tokens()
    answers = at_once(lambda: refresh(wire, first["refresh_token"]))
    assert {answer.status_code for answer in answers} == {200}  # within the grace a lost answer is repeated
    assert len({answer.json["refresh_token"] for answer in answers}) == 50
    wire.core.clock.advance(seconds=GRACE.total_seconds())
    raced = at_once(lambda: refresh(wire, first["refresh_token"]), 10)
    assert {answer.status_code for answer in raced} == {400}
    assert not any(wire.core.active(answer.json["access_token"]) for answer in answers)
    assert {refresh(wire, answer.json["refresh_token"]).status_code for answer in answers} == {400}
    assert len(wire.core.trace("credential.reused")) == 1


@pytest.mark.spec("RFC 9700 §2.2.2")
@pytest.mark.asvs("10.4.5")
def test_a_refresh_token_is_of_no_use_to_another_app(apps: Wire, alice: Person) -> None:
    tokens = alice.tokens()
    assert refresh(apps, tokens["refresh_token"], client_id="other").json["error"] == "invalid_grant"
    assert refresh(apps, tokens["access_token"]).json["error"] == "invalid_grant"
    assert refresh(apps, tokens["refresh_token"]).status_code == 200


def test_no_code_or_refresh_token_opens_an_api(apps: Wire, alice: Person) -> None:
    code = alice.authorize()
    kept = redeem(apps, code, client_id="app").json["refresh_token"]
    for credential in (code, kept):
        assert apps.ask(Authorization=f"Bearer {credential}").status_code == 401
        assert apps.introspect(credential) == {"active": False}
        assert apps.exchange(credential).status_code == 400


def test_an_app_exchanges_no_token_for_another_kind(apps: Wire, alice: Person) -> None:
    tokens = alice.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"]):
        response = apps.exchange(token, client_id="app")
        assert response.status_code in (400, 401) and "access_token" not in response.json


# --- rights that end


@pytest.mark.asvs("10.4.9")
@pytest.mark.contract("a grant that would outlive its disabled user")
def test_no_grant_survives_a_disabled_user(apps: Wire, ann: Person) -> None:
    tokens, code = ann.tokens(), ann.authorize()
    begun = apps.post("device_authorization", {"client_id": "app", "scope": "orders:read"}).json
    apps.core.actions.devices.allow(_actor(ann), begun["user_code"], {"orders:read"})
    apps.core.enable(ann.username, False)
    assert not apps.core.active(tokens["access_token"])
    assert apps.ask(Authorization=f"Bearer {tokens['access_token']}").status_code == 401
    assert refresh(apps, tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert redeem(apps, code, client_id="app").json["error"] == "invalid_grant"
    poll = {"grant_type": DEVICE_GRANT, "client_id": "app", "device_code": begun["device_code"]}
    assert apps.post("token", poll).json["error"] in ("invalid_grant", "access_denied")
    assert ann.open().headers["Location"].startswith("/login?")


def test_no_grant_survives_a_disabled_or_deleted_app(apps: Wire, alice: Person) -> None:
    register(apps, "brief")
    tokens = alice.tokens("brief")
    apps.core.enable("brief", False)
    assert not apps.core.active(tokens["access_token"])
    assert refresh(apps, tokens["refresh_token"], client_id="brief").status_code == 401
    apps.core.enable("brief", True)
    apps.core.delete("brief")
    assert not apps.core.active(tokens["access_token"])
    register(apps, "brief")  # somebody registers under the same name
    assert refresh(apps, tokens["refresh_token"], client_id="brief").json["error"] == "invalid_grant"
    assert alice.open("brief").status_code == 200  # and is not trusted for it


def test_a_lost_role_narrows_at_once_and_its_return_widens_nothing_else(apps: Wire, ann: Person) -> None:
    tokens = ann.tokens()
    apps.core.assign(ann.username)
    assert apps.core.scope(tokens["access_token"]) == ""
    assert refresh(apps, tokens["refresh_token"]).json["error"] == "invalid_scope"
    apps.core.assign(ann.username, "clerk")  # who may all
    assert apps.core.scope(tokens["access_token"]) == "orders:read"
    assert refresh(apps, tokens["refresh_token"]).json["scope"] == "orders:read"


def test_a_permission_recreated_under_an_old_name_does_not_return_to_an_app(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    tokens = alice.tokens(scope=BOTH)
    wire.core.drop_permission("orders:write")
    wire.core.add_permission(ORDERS, "orders:write")
    wire.core.give("clerk", "orders:write")
    assert wire.core.scope(tokens["access_token"]) == "orders:read"
    assert refresh(wire, tokens["refresh_token"]).json["scope"] == "orders:read"
    assert alice.open(scope=BOTH).status_code == 200  # it is asked for as something new


# --- more than was agreed to


@pytest.mark.asvs("10.4.11", "10.7.1", "10.7.2")
@pytest.mark.contract("consent widened in silence")
def test_no_consent_is_widened_in_silence(apps: Wire, ann: Person) -> None:
    register(apps, "greedy")
    code = parameters_of(ann.answer(ann.open("greedy", scope=BOTH), scopes=["orders:read"]))["code"]
    tokens = redeem(apps, code, client_id="greedy").json
    assert tokens["scope"] == "orders:read"
    for wanted in (BOTH, "orders:write", "stock:read", "manage"):
        assert refresh(apps, tokens["refresh_token"], client_id="greedy", scope=wanted).json["error"] == "invalid_scope"
    for wanted in (STOCK, OWN):
        answer = refresh(apps, tokens["refresh_token"], client_id="greedy", resource=wanted)
        assert answer.json["error"] == "invalid_target"
    refused(ann.open("greedy", scope=BOTH, prompt="none"), "consent_required")
    refused(ann.open("greedy", scope=None, prompt="none"), "consent_required")
    page = ann.open("greedy", scope=None)
    assert consent_form(page)[1]["scopes"] == ["orders:read", "orders:write"]
    assert parameters_of(ann.open("greedy", prompt="none"))["code"]


def test_a_redemption_asks_for_no_more_than_the_code_has(apps: Wire, alice: Person) -> None:
    for asked, error in (({"scope": BOTH}, "invalid_scope"), ({"resource": STOCK}, "invalid_target")):
        assert redeem(apps, alice.authorize(), client_id="app", **asked).json["error"] == error


@pytest.mark.asvs("10.4.11")
@pytest.mark.contract("an app has no scope of the management API unless its registration names it")
def test_no_app_reaches_the_management_api_unless_its_registration_names_the_scope(apps: Wire) -> None:
    boss = Person(apps)
    apps.core.role("boss", "user", "manage", "orders:read")
    apps.core.user("boss", "boss")
    boss.username = "boss"
    boss.sign_in()
    own = Registry(apps).register(PUBLIC | {"scope": "manage orders:read"}).json
    assert own["scope"] == "orders:read"
    only = Registry(apps).register(PUBLIC | {"scope": "manage"}).json  # of a ceiling, nothing known is left
    for client_id in ("app", own["client_id"], only["client_id"]):
        refused(boss.open(client_id, scope="manage", resource=OWN), "invalid_target")
        refused(boss.open(client_id, scope="manage", resource=None), "invalid_scope")
    register(apps, "console-app", scopes=["manage"])
    code = boss.authorize("console-app", scope="manage", resource=OWN)
    token = redeem(apps, code, client_id="console-app").json["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert apps.http.get("/api/v1/roles", headers=headers).status_code == 200
    for path in ("/api/v1/clients", "/api/v1/credentials", "/api/v1/me", "/api/v1/me/personal-access-tokens"):
        assert apps.http.get(path, headers=headers).status_code == 403
    made = apps.http.post("/oauth/register", json=PUBLIC, headers=headers)
    assert made.status_code == 201  # registration is open to anybody here; the token adds nothing


@pytest.mark.contract("an app never creates, reads or changes a credential, whatever its scopes")
def test_an_app_with_manage_registers_no_app(own_wire: MakeWire) -> None:
    wire = own_wire(registration="token")
    register(wire, "console-app", scopes=["manage", "clients:write"])
    wire.core.role("boss", "user", "manage", "clients:write")
    wire.core.user("boss", "boss")
    token = wire.core.delegate("boss", "console-app", "manage clients:write", OWN).access.token
    response: Any = wire.http.post("/oauth/register", json=PUBLIC, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 403 and response.json["error"] == "insufficient_scope"


def test_five_hundred_scopes_are_asked_for_on_one_page_and_agreed_to_at_once(own_wire: MakeWire) -> None:
    wire = own_wire()
    names = [f"many:{number}" for number in range(500)]
    wire.core.resource("https://many.example", *names)
    wire.core.role("many", "user", *names)
    wire.core.user("max", "many")
    register(wire, "app")
    person = Person(wire, "max")
    person.sign_in()
    with at_most(5, "500 scopes"):
        page = person.open(scope=None, resource="https://many.example")
        assert len(consent_form(page)[1]["scopes"]) == 500
        code = parameters_of(person.answer(page))["code"]
        response = redeem(wire, code, client_id="app")
    assert response.status_code in (200, 400), response.text
    assert response.status_code == 200 or response.json["error"] == "invalid_scope"
    assert len(person.http.get("/account/apps").text) < 500_000


# --- what a user sees of it


@pytest.mark.asvs("10.4.7", "10.7.2")
@pytest.mark.parametrize(
    "name",
    [
        *("Bank\u202eknaB", "\u2066Bank", "Bank\u200b", "\u200fBank", "Ba\u0000nk", "Bank\nAllowed", "\u3164", " "),
        *("\ufeffBank", "Bank\U000e0041", "x" * 201),
    ],
)
def test_no_app_registers_a_name_with_unseen_letters(apps: Wire, name: str) -> None:
    response = Registry(apps).register(PUBLIC | {"client_name": name})
    assert response.status_code == 400 and response.json["error"] == "invalid_client_metadata"


@pytest.mark.asvs("10.4.7", "10.7.2")
@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x>', "{{713*713}}", "Latchkey", "%(app)s {app}"]
)
def test_a_name_is_a_text_on_the_page_and_a_name_of_ours_has_its_warning(apps: Wire, alice: Person, name: str) -> None:
    made = Registry(apps).register(PUBLIC | {"client_name": name}).json
    page = alice.open(made["client_id"])
    assert f'<bdi class="break">{unescape(name)}</bdi>' in unescape(page.text)
    assert "<script>alert" not in page.text and "<img src=x" not in page.text
    assert str(713 * 713) not in page.text
    assert "Nobody at this server knows this app: it registered itself" in page.text


def test_an_app_with_the_name_of_a_known_one_looks_different(apps: Wire, alice: Person) -> None:
    known = alice.open("app", prompt="consent").text
    copied = alice.open(Registry(apps).register(PUBLIC | {"client_name": "app"}).json["client_id"]).text
    assert "An operator of this server registered this app." in known
    assert "An operator of this server registered this app." not in copied
    assert "Nobody at this server knows this app" in copied and "Nobody at this server" not in known


def test_an_app_that_changes_its_redirect_uri_takes_no_answer_to_the_old_question(apps: Wire, alice: Person) -> None:
    registry = Registry(apps)
    made = registry.register(PUBLIC).json
    page = alice.open(made["client_id"])
    moved = PUBLIC | {"client_id": made["client_id"], "redirect_uris": ["https://evil.example/cb"]}
    assert registry.configure("PUT", made, moved).status_code == 200
    shown_instead(alice.answer(page))


@pytest.mark.asvs("10.4.9", "10.7.3")
def test_a_code_is_of_no_use_once_its_app_is_ended(apps: Wire, alice: Person) -> None:
    register(apps, "ended")
    tokens, code = alice.tokens("ended"), alice.authorize("ended")
    apps.core.actions.apps.end(_actor(alice), apps.core.row_id("alice"), apps.core.row_id("ended"))
    assert redeem(apps, code, client_id="ended").json["error"] == "invalid_grant"
    assert refresh(apps, tokens["refresh_token"], client_id="ended").json["error"] == "invalid_grant"
    assert not apps.core.active(tokens["access_token"])
    assert alice.open("ended").status_code == 200  # it has to ask again


@pytest.mark.spec("RFC 9207 §2.4")
@pytest.mark.asvs("10.1.2", "RFC 9700 §2.1, §4.1–4.5")
@pytest.mark.contract("mix-up")
def test_a_mix_up_is_seen_by_the_issuer_in_every_answer(apps: Wire, alice: Person) -> None:
    """RFC 9700 §4.4.2.1."""
    metadata: Any = apps.http.get("/.well-known/oauth-authorization-server").json
    assert metadata["authorization_response_iss_parameter_supported"] is True
    answers = [
        alice.answer(alice.open(prompt="consent")),
        alice.answer(alice.open(prompt="consent"), "deny"),
        alice.open(scope="nonsense"),
        alice.open(response_type="token"),
        alice.open(prompt="none", scope=None, resource=STOCK),
    ]
    assert {parameters_of(answer)["iss"] for answer in answers} == {metadata["issuer"]}


def test_the_rows_of_a_grant_are_swept(own_wire: MakeWire) -> None:
    wire = own_wire(refresh_token_lifetime=60)
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    last = alice.tokens()["refresh_token"]
    for _ in range(20):
        last = refresh(wire, last).json["refresh_token"]
        wire.core.clock.advance(seconds=30)
    assert wire.core.count(RefreshToken) <= 4


def _actor(person: Person) -> Actor:
    return Actor("user", person.wire.core.row_id(person.username), person.username)
