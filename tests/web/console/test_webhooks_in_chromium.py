"""The pages of webhooks and the choice of notices in real Chromium: on phone and desk, with little and much data."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from app.actions.outbox.notice_types import NOTICES
from app.database.store import Store
from app.models import OutboxMessage, Webhook
from tests.api import Admin, Json
from tests.browser import Browser, Cookies
from tests.live import LiveServer
from tests.ports import free_port
from tests.web.visitor import session_of

LONG = "averylongnamewithoutaspace" * 6
RESULTS = ("delivered: HTTP 204", "HTTP 500", "no answer within 10 seconds", "not allowed: a private address", None)
ADDRESS = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.example"
FAILED = "it failed for 3 days: no answer within 10 seconds"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An administrator's client of a server that sends mail, to nowhere."""
    settings = {"smtp_url": f"smtp://127.0.0.1:{free_port()}"}
    live = LiveServer(tmp_path_factory.mktemp("console") / "instance", settings).start()
    acting = Admin(live)
    yield acting
    acting.http.close()
    live.stop()


@pytest.fixture(scope="module")
def server(admin: Admin) -> LiveServer:
    """The server of this module."""
    return admin.server


def add(admin: Admin, name: str, path: str, events: list[str]) -> Json:
    return admin.create("/webhooks", {"url": f"https://hooks.example/{path}", "name": name, "events": events})


def fill(admin: Admin) -> list[Json]:
    """Add webhooks that work, fail and are disabled, with many messages; return them."""
    names = [*NOTICES, "user.create", "user.update"]
    made = [add(admin, LONG, LONG * 5, names), add(admin, "pager", "a", ["*"]), add(admin, "chat", "b", names[:1])]
    now, store = datetime.now(UTC), Store(admin.server.database.engine())
    with store.transaction() as session:
        session.connection().execute(insert(OutboxMessage), list(messages(made[0]["id"], now)))
        failing = {"failing_since": now, "failures": 9, "paused_until": now + timedelta(days=300)}
        session.execute(update(Webhook).where(Webhook.id == made[0]["id"]).values(**failing))
        ended = {"enabled": False, "disabled_reason": FAILED}
        session.execute(update(Webhook).where(Webhook.id == made[2]["id"]).values(**ended))
    store.dispose()
    return made


def messages(webhook_id: str, now: datetime) -> Iterator[Json]:
    """Return the messages of a webhook with each result, more than fit on a page."""
    shared: Json = {"channel": "webhook", "recipient": webhook_id, "payload": {}, "attempts": 12, "created_at": now}
    for number in range(40):
        result = RESULTS[number % len(RESULTS)]
        ended = now if result and (number % 2 == 0 or result == RESULTS[0]) else None
        own = {"message_id": f"msg_{number}", "order_key": f"{number}", "result": result, "ended_at": ended}
        yield shared | own | {"type": "credential.report_leak", "next_attempt_at": now + timedelta(days=300)}


@pytest.mark.contract(
    "nothing serious by axe, no console error, no violated policy, no other host, on phone and desk, light and dark"
)
def test_every_page_of_webhooks_looks_right(browser: Browser, admin: Admin, session: Cookies) -> None:
    with browser.page(cookies=session) as watched:
        for path in ("", "/new"):
            watched.open(f"{admin.server.url}/console/webhooks{path}")
            assert watched.faults() == [], path
        full, quiet, ended = (one["id"] for one in fill(admin))
        for path in ("", f"/{full}", f"/{quiet}", f"/{ended}", f"/{full}/rotate", f"/{full}/delete"):
            watched.open(f"{admin.server.url}/console/webhooks{path}")
            assert watched.faults() == [], path
        watched.open(f"{admin.server.url}/console/webhooks/{full}/rotate")
        watched.page.get_by_role("button", name="Rotate").click()
        watched.page.get_by_label("Secret", exact=True).wait_for()
        assert watched.faults() == []
        watched.open(f"{admin.server.url}/console/webhooks/new")
        watched.page.get_by_label("URL").fill("https://hooks.example/x")
        watched.page.get_by_label("only these:").check()
        watched.page.get_by_role("button", name="Add the webhook").click()
        watched.page.get_by_role("alert").first.wait_for()
        watched.errors = [error for error in watched.errors if "422" not in error]
        assert watched.faults() == []


@pytest.mark.contract(
    "nothing serious by axe, no console error, no violated policy, no other host, on phone and desk, light and dark"
)
@pytest.mark.parametrize("email", [None, ADDRESS], ids=["no address", "a long one"])
def test_the_notices_look_right_where_mail_is_sent(browser: Browser, admin: Admin, email: str | None) -> None:
    user = admin.user(email=email)
    with browser.page(cookies=session_of(admin.server.url, user)) as watched:
        watched.open(f"{admin.server.url}/account")
        assert watched.faults() == []
        page = watched.page
        page.get_by_label("A token or app ends in 7 days").uncheck()
        page.get_by_role("button", name="Keep this choice").click()
        page.get_by_role("status").first.wait_for()
        assert not page.get_by_label("A token or app ends in 7 days").is_checked()
        assert page.get_by_label("A token was reported as leaked").is_disabled()
        assert ("They are sent to" if email else "You get none") in page.locator("#notices").inner_text()
