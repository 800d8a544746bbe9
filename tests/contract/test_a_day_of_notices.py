"""A day of a server: what happens to credentials reaches their owner by mail, a webhook by https, and the pages.

The mail server wants STARTTLS and a password, and the webhook's library verifies each message. Time passes for a
credential when its instants are moved in the database.
"""

import json
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from hashlib import sha256
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from babel.dates import format_datetime
from standardwebhooks import Webhook as Verifier

from app.actions.mail.texts import ENDED, TOMORROW, WORDINGS, Wording
from app.actions.outbox.notice_types import NOTICES
from app.actions.outbox.notices import EXPIRING, LEAKED, NEW_PLACE, REUSED, UNUSED
from app.catalogs import load_catalog
from tests import fork_server
from tests.api import Admin, Json, User, expect, unique
from tests.consenting import Person
from tests.contract.waiting import until
from tests.databases import per_database
from tests.hurried import HurriedServer
from tests.live import client, environment
from tests.mail_server import WRITTEN, MailServer, mail_server
from tests.receiver import Receiver, receiving
from tests.web.visitor import TOKEN

pytestmark = pytest.mark.both_databases
HOME, AWAY = "127.0.0.1", "198.51.100.7"
REDIRECT = "https://app.example/callback"
LANGUAGE = "sv"
SECRET = re.compile(r"lk_[a-z]+_[0-9A-Za-z]{20,}|whsec_|eyJ")


@dataclass
class Day:
    """A server, its administrator, and where its notices arrive."""

    admin: Admin
    mailbox: MailServer
    receiver: Receiver
    verifier: Verifier
    scope: str
    resource: str
    role: str

    def person(self, language: str = LANGUAGE) -> User:
        """Make a user who signed in from HOME in a language."""
        user = self.admin.user([self.role])
        self.sign_in(user, HOME, language)
        return user

    def sign_in(self, user: User, address: str, language: str = LANGUAGE) -> httpx.Client:
        """Sign a user in from an address; return the browser."""
        headers = {"X-Forwarded-For": address, "Accept-Language": language}
        browser = client(self.admin.server.url, headers=headers)
        [token, *_] = TOKEN.findall(browser.get("/login").text)
        form = {"csrf_token": unescape(token), "username": user.username, "password": user.password}
        expect(303, browser.post("/login", data=form))
        return browser

    def page_of(self, user: User, path: str) -> str:
        """Return what a user sees on a page, in English."""
        return str(expect(200, self.sign_in(user, HOME, "en").get(path)).text)

    def operator(self) -> httpx.Client:
        """Return the administrator's browser."""
        return self.sign_in(self.admin.administrator, HOME, "en")

    def pass_time(self, token_id: str, *, created: float = 0, ends: float = 0) -> None:
        """Move the instants of a token into the past by so many days."""
        days = timedelta(days=1) // timedelta(microseconds=1)
        self.admin.server.database.execute(
            "UPDATE personal_access_token SET created_at = created_at - :created, issued_at = issued_at - :created,"
            " expires_at = expires_at - :ends WHERE id = :id",
            created=int(created * days),
            ends=int(ends * days),
            id=token_id,
        )

    def last_used(self, user: User, token_id: str) -> object:
        """Return when a token was last used."""
        return self.admin.get(f"/me/personal-access-tokens/{token_id}", auth=user.basic).json()["last_used_at"]

    def connect(self, user: User) -> tuple[Json, Json]:
        """Have a user allow an app of theirs; return the app and its tokens."""
        grants = ["authorization_code", "refresh_token"]
        app = {"name": unique("app"), "token_endpoint_auth_method": "none", "grant_types": grants}
        made = self.admin.create("/clients", app | {"redirect_uris": [REDIRECT]})
        verifier = secrets.token_urlsafe(40)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {"response_type": "code", "client_id": made["client_id"], "redirect_uri": REDIRECT, "scope": self.scope}
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256", "state": "s"}
        person = Person(self.admin.server.url, user)
        ended = person.allow(f"{self.admin.server.url}/oauth/authorize?{urlencode(asked)}")
        person.close()
        form = {"grant_type": "authorization_code", "client_id": made["client_id"], "code_verifier": verifier}
        form |= {"redirect_uri": REDIRECT, "code": parse_qs(urlsplit(ended).query)["code"][0]}
        return made, expect(200, self.admin.token_request(form)).json()

    def explain(self, credential: str, resource: str) -> Json:
        """Run `latchkey explain`."""
        live = self.admin.server
        text = live.instance / "credential"
        text.write_text(credential, encoding="utf-8")
        done, streams = live.instance / "explained", fork_server.Streams(str(text))
        command = ["explain", "--resource", resource, "--json"]
        chosen = environment(live.instance, live.settings)
        assert fork_server.start(command, chosen, done, live.stderr_file, streams=streams).wait(20) == 0
        told: Json = json.loads(done.read_text("utf-8"))
        return told

    def reported(self, type_: str, about: str, number: int = 0) -> Json:
        """Wait for a message of a type about something at the webhook; return what it says."""
        until(lambda: len(self.bodies(type_, about)) > number)
        data: Json = self.bodies(type_, about)[number]["data"]
        return data

    def bodies(self, type_: str, about: str) -> list[Json]:
        """Return the messages of a type that are about something, each with a good signature."""
        found = [self.verifier.verify(sent.body, sent.headers) for sent in [*self.receiver.sent]]
        assert not SECRET.search(json.dumps(found))
        return [it for it in found if it["type"] == type_ and about in json.dumps(it["data"])]

    def mailed(self, user: User, number: int = 0) -> EmailMessage:
        """Wait for a message to a user."""
        until(lambda: len(self.mail_of(user)) > number)
        return self.mail_of(user)[number]

    def mail_of(self, user: User) -> list[EmailMessage]:
        """Return what arrived for a user."""
        return [it for it in [*self.mailbox.messages] if it["To"] == f"{user.username}@example.com"]


def check_mail(message: EmailMessage, wording: Wording, data: Json, *facts: str, language: str = LANGUAGE) -> None:
    """Check that both parts say this in the language, with these facts and without a secret."""
    said = [str(part.get_content()) for part in (message.get_body((kind,)) for kind in ("plain", "html")) if part]
    assert len(said) == 2 and not SECRET.search(message.as_string() + "".join(said))
    assert message["Subject"] == translated(wording.subject, language) % data
    assert message["Content-Language"] == language and f'<html lang="{language}">' in said[1]
    for fact in (translated(wording.happened, language), translated(wording.advice, language), *facts):
        assert all(fact in unescape(part) for part in said), fact


def translated(text: str, language: str) -> str:
    return text if language == "en" else load_catalog(language).gettext(text)


def write_instant(instant: str) -> str:
    return format_datetime(datetime.fromisoformat(instant), "long", tzinfo=UTC, locale=LANGUAGE)


@contextmanager
def begin(folder: Path) -> Iterator[Day]:
    """Start the mail server, the receiver and the server, which trusts their certificate."""
    with ExitStack() as stack:
        mailbox = stack.enter_context(mail_server(folder, encryption="starttls", authentication=True))
        trusted = mailbox.certificate
        receiver = stack.enter_context(receiving((trusted, trusted.with_name("key.pem"))))
        settings = {
            "smtp_url": mailbox.url("smtp+starttls", WRITTEN),
            "allow_private_jwks_uri": "true",
            "trusted_proxies": "127.0.0.1/32",
        }
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        patched.setenv("SSL_CERT_FILE", str(trusted))
        live = HurriedServer(folder / "instance", settings)
        live.start()
        stack.callback(live.stop)
        admin = Admin(live)
        stack.callback(admin.http.close)
        yield furnish(admin, mailbox, receiver)


def furnish(admin: Admin, mailbox: MailServer, receiver: Receiver) -> Day:
    scope = unique("parcels:read")
    resource, role = admin.resource(permissions=[scope]), admin.role("user", [scope])
    events = [*NOTICES, "credential.report_leak"]
    made = admin.create("/webhooks", {"url": receiver.url, "events": events})
    return Day(admin, mailbox, receiver, Verifier(made["secret"]), scope, resource["identifier"], role["name"])


@pytest.fixture(scope="module")
def _days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Day]]:
    with per_database(lambda: begin(tmp_path_factory.mktemp("day"))) as of_database:
        yield of_database


@pytest.fixture
def day(_days: Callable[[], Day]) -> Day:
    """The server that the tests of this file share."""
    return _days()


@pytest.mark.contract("a credential ends in 7 days and in 1 day: mail to its owner, and a webhook")
def test_a_token_that_ends_is_announced_a_week_and_a_day_before(day: Day) -> None:
    user = day.person()
    token = day.admin.pat(user, [day.scope], expires_in=8 * 86_400)
    wordings = WORDINGS[EXPIRING], TOMORROW
    for number, (gone, left) in enumerate(((2.0, 7), (5.5, 1))):
        day.pass_time(token["id"], created=gone, ends=gone)
        data = day.reported(EXPIRING, token["id"], number)
        assert (data["days_left"], data["owner_name"], data["hint"]) == (left, user.username, token["hint"])
        facts = token["name"], token["hint"], write_instant(data["expires_at"]), f"/account/tokens/{token['id']}"
        check_mail(day.mailed(user, number), wordings[number], data, *facts)
    assert "expires" in day.page_of(user, "/account/tokens").lower()


@pytest.mark.contract("a credential ended unused for 90 days: mail to its owner, and a webhook")
def test_a_token_that_nothing_uses_is_announced_and_listed(day: Day) -> None:
    user = day.person("en")
    used, unused = (day.admin.pat(user, [day.scope], expires_in=300 * 86_400) for _ in range(2))
    assert day.admin.active(used["token"])
    until(lambda: day.last_used(user, used["id"]) is not None)
    for token in (used, unused):
        day.pass_time(token["id"], created=91)
    data = day.reported(UNUSED, unused["id"])
    assert data["days_unused"] == 90 and not day.bodies(UNUSED, used["id"])
    check_mail(day.mailed(user), WORDINGS[UNUSED], data, unused["name"], unused["hint"], language="en")
    since = (datetime.now(UTC) - timedelta(days=90)).isoformat()
    listed = expect(200, day.admin.get("/credentials", params={"unused_since": since, "q": user.username})).json()
    assert [item["id"] for item in listed["items"]] == [unused["id"]]
    assert "1 accepted, 0 refused" in day.page_of(user, f"/account/tokens/{used['id']}")


@pytest.mark.contract("a credential was reported leaked: mail to its owner, and a webhook")
def test_a_leak_is_mailed_sent_and_shown(day: Day) -> None:
    user = day.person()
    token = day.admin.pat(user, [day.scope])
    expect(202, day.admin.post("/credentials/revoke", {"credentials": [token["token"]]}, auth=False))
    data = day.reported(LEAKED, token["id"])
    assert day.reported("credential.report_leak", token["id"])["target"] == token["id"]
    check_mail(day.mailed(user), WORDINGS[LEAKED], data, token["name"], token["hint"])
    page = day.page_of(user, f"/account/tokens/{token['id']}")
    assert 'data-status="revoked"' in page and "reported as leaked" in page


@pytest.mark.contract("a credential was used after its rotation: mail to its owner, and a webhook")
def test_the_use_of_a_regenerated_token_is_mailed_sent_and_shown(day: Day) -> None:
    user = day.person()
    token = day.admin.pat(user, [day.scope])
    renew = f"/me/personal-access-tokens/{token['id']}/regenerate"
    renewed = expect(200, day.admin.post(renew, {}, auth=user.basic)).json()
    headers = {"X-Forwarded-For": AWAY}
    for _ in range(3):
        assert day.admin.forward_auth(token["token"], day.resource, headers=headers).status_code == 401
    data = day.reported(REUSED, token["id"])
    assert (data["target"], data["address"], data["details"]["ended"]) == (token["id"], AWAY, False)
    check_mail(day.mailed(user), WORDINGS[REUSED], {"name": token["name"]}, AWAY)
    page = day.page_of(user, f"/account/tokens/{token['id']}")
    assert "0 accepted, 3 refused" in page and "<code>superseded</code> 3" in page and "198.51.100.0/24" in page
    console = expect(200, day.operator().get(f"/console/audit?target={token['id']}")).text
    assert "Replaced secret used" in console
    assert day.admin.active(renewed["token"]) and len(day.bodies(REUSED, token["id"])) == 1


@pytest.mark.contract("a credential was used after its rotation: mail to its owner, and a webhook")
def test_the_use_of_a_rotated_key_is_sent_and_an_event(day: Day) -> None:
    key = day.admin.api_key(day.resource, [])
    rotated = expect(200, day.admin.post(f"/api-keys/{key['id']}/rotate", {"overlap_seconds": 0})).json()
    assert not day.admin.active(key["key"]) and day.admin.active(rotated["key"])
    assert day.reported(REUSED, key["id"])["target_type"] == "api_key"
    asked = {"action": REUSED, "target": key["id"]}
    [event] = expect(200, day.admin.get("/audit-events", params=asked)).json()["items"]
    assert event["details"]["ended"] is False


@pytest.mark.contract("a credential was used after its rotation: mail to its owner, and a webhook")
def test_a_spent_refresh_token_ends_its_grant_and_is_mailed(day: Day) -> None:
    user = day.person()
    app, first = day.connect(user)
    refresh = {"grant_type": "refresh_token", "client_id": app["client_id"], "refresh_token": first["refresh_token"]}
    expect(200, day.admin.token_request(refresh))
    day.admin.server.database.execute("UPDATE refresh_token SET replaced_at = replaced_at - 60000000")
    expect(400, day.admin.token_request(refresh))
    data = day.reported(REUSED, app["client_id"])
    assert (data["target_type"], data["details"]["ended"]) == ("grant", True)
    check_mail(day.mailed(user), WORDINGS[REUSED], {"name": app["name"]}, ENDED, language="en")
    assert "a secret of it was used a second time" in day.page_of(user, "/account/apps")


@pytest.mark.contract("sign-in from a new place: mail to the user, and a webhook")
def test_a_sign_in_from_a_new_place_is_mailed_sent_and_listed(day: Day) -> None:
    user = day.person()
    day.sign_in(user, HOME)
    away = day.sign_in(user, AWAY)
    data = day.reported(NEW_PLACE, user.id)
    assert (data["username"], data["address"]) == (user.username, AWAY)
    check_mail(day.mailed(user), WORDINGS[NEW_PLACE], data, AWAY, user.username)
    assert AWAY in away.get("/account").text
    assert len(day.mail_of(user)) == len(day.bodies(NEW_PLACE, user.id)) == 1


@pytest.mark.contract("a refused call is explained: by its line of the log, by `latchkey explain`, by inspect")
def test_a_refused_call_is_explained_three_times_alike(day: Day) -> None:
    user = day.person()
    token = day.admin.pat(user, [day.scope])
    wrong = f"{day.resource}typo"
    answer = day.admin.forward_auth(token["token"], wrong)
    request_id = answer.headers["X-Request-Id"]
    until(lambda: any(line.get("request_id") == request_id for line in day.admin.server.log_records()))
    [line] = [it for it in day.admin.server.log_records() if it.get("request_id") == request_id]
    assert (line["reason"], line["credential_id"], line["resource"]) == ("unknown_resource", token["id"], wrong)
    asked = {"credential": token["token"], "resource": wrong}
    inspected = expect(200, day.admin.post("/credentials/inspect", asked)).json()
    told = day.explain(token["token"], wrong)
    assert told["reason"] == inspected["reason"] == line["reason"]
    assert told["text"] == inspected["refusal"]["text"] and "correct it" in told["text"]
    assert token["token"] not in day.admin.server.log_text() and wrong not in answer.text
