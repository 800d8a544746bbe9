"""The console's first page: live, expiring and unused credentials, and recent failures."""

import re
import time
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.directory.lifetime import AskedLifetime
from app.actions.insight.overview import KindCount
from app.models import AuditEvent, Client, PersonalAccessToken
from tests.management.face import Face
from tests.web.console.many import MANY, PATIENCE, many_tokens
from tests.web.visitor import Visitor


def counts(own_face: Face) -> dict[str, KindCount]:
    return {it.kind: it for it in own_face.core.actions.overview.credentials()}


def test_only_live_tokens_count(own_face: Face) -> None:
    core = own_face.core
    core.role("reader", "user", "orders:read")
    owner = core.user("ann", "reader")
    core.user("bob", "reader")
    core.pat("ann", "orders:read", name="live")
    core.pat("ann", "orders:read", name="soon", lifetime=AskedLifetime(expires_in=6 * 86_400))
    core.pat("ann", "orders:read", name="over", lifetime=AskedLifetime(expires_in=60))
    ended, _ = core.pat("ann", "orders:read", name="ended")
    core.actions.personal_access_tokens.revoke(anonymous(None, None), owner, ended.id)
    core.pat("bob", "orders:read", name="of one who is disabled")
    core.enable("bob", False)
    core.clock.advance(seconds=60)
    assert counts(own_face)["personal_access_token"] == KindCount("personal_access_token", 2, 1, 0)
    core.clock.advance(days=5)
    assert counts(own_face)["personal_access_token"].live == 2


def test_a_token_counts_as_unused_after_ninety_days(own_face: Face) -> None:
    core = own_face.core
    core.role("reader", "user", "orders:read")
    core.user("ann", "reader")
    core.key()
    used, _ = core.pat("ann", "orders:read", name="used", lifetime=AskedLifetime(expires_in=300 * 86_400))
    core.pat("ann", "orders:read", name="unused", lifetime=AskedLifetime(expires_in=300 * 86_400))
    core.clock.advance(days=90)
    with core.store.transaction() as session:
        recently = core.clock() - timedelta(days=1)
        session.execute(
            update(PersonalAccessToken).where(PersonalAccessToken.id == used.id).values(last_used_at=recently)
        )
    now = counts(own_face)
    assert (now["personal_access_token"].unused, now["api_key"].unused) == (1, 1)
    core.clock.advance(seconds=-1)
    assert counts(own_face)["personal_access_token"].unused == 0


def test_live_grants_of_apps_count_and_the_page_says_what_they_are(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    core.role("reader", "user", "orders:read")
    core.user("ann", "reader")
    core.app("planner")
    ended, _ = core.delegate("ann", "planner", "orders:read"), core.delegate("ann", "planner", "orders:read")
    core.actions.apps.end_grant(OPERATOR, ended.grant_id)
    assert counts(own_face)["oauth_token"] == KindCount("oauth_token", 1, 0, 0)
    page = own_operator.get("/console").text
    assert "App grants" in page and "An app grant is one time that a user let an app act for them" in page


def test_disabled_and_expired_keys_do_not_count(own_face: Face) -> None:
    core = own_face.core
    core.key()
    core.key(enabled=False)
    core.key(expires_at=core.clock() + timedelta(seconds=60))
    core.clock.advance(seconds=60)
    assert counts(own_face)["api_key"] == KindCount("api_key", 1, 0, 0)


def test_a_client_counts_while_it_can_authenticate(own_face: Face) -> None:
    core = own_face.core
    core.client("without")
    core.client("secret")
    core.client_secret("secret", expires_at=core.clock() + timedelta(days=7))
    core.client("disabled")
    core.client_secret("disabled")
    core.enable("disabled", False)
    core.client("key")
    with core.store.transaction() as session:
        row = session.get_one(Client, core.row_id("key"))
        row.token_endpoint_auth_method = "private_key_jwt"
    assert counts(own_face)["client_credentials"] == KindCount("client_credentials", 2, 1, None)
    core.clock.advance(days=7)
    assert counts(own_face)["client_credentials"] == KindCount("client_credentials", 1, 0, None)


def test_failures_are_counted_in_their_hour(own_face: Face, own_operator: Visitor) -> None:
    core, stranger = own_face.core, anonymous(None, None)
    core.actions.authenticate_client.record_failure(stranger, "nobody")
    core.clock.advance(hours=5)
    core.actions.authenticate_client.record_failure(stranger, "nobody")
    Visitor(own_face.app.test_client()).sign_in("nobody", "nothing")
    hours = core.actions.overview.failures()
    assert len(hours) == 24 and [hour.failed for hour in hours] == [0] * 18 + [1] + [0] * 4 + [2]
    assert (hours[-1].users, hours[-1].clients) == (1, 1)
    core.clock.advance(hours=19, seconds=-1)
    assert core.actions.overview.failures()[0].failed == 1
    core.clock.advance(seconds=1)
    assert sum(hour.failed for hour in core.actions.overview.failures()) == 2


def test_the_chart_says_in_words_what_it_draws(own_face: Face, own_operator: Visitor) -> None:
    calm = own_operator.get("/console").text
    assert "None. Wrong passwords" in calm and '<svg class="chart"' not in calm
    own_face.core.actions.authenticate_client.record_failure(anonymous(None, None), "nobody")
    page = own_operator.get("/console").text
    chart = page[page.index('<svg class="chart"') : page.index("</svg>", page.index('<svg class="chart"'))]
    assert 'role="img"' in chart and chart.count("<rect") == 24 and "style=" not in page
    assert len(re.findall(r'<th scope="row"><time', page)) == 24
    assert "are not stored" in page and "/console/audit?action=authentication.fail" in page


@pytest.mark.contract("lists stay quick with 100,000 rows")
def test_it_stays_quick_with_a_hundred_thousand_tokens_and_failures(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    core.role("reader", "user", "orders:read")
    owner, now = core.user("ann", "reader"), core.clock()
    with core.store.transaction() as session:
        connection = session.connection()
        many_tokens(session, owner, now)
        event = {"at": now, "actor_type": "anonymous", "actor": "anonymous", "actor_name": "", "details": {}}
        failed = {"action": "authentication.fail", "target_type": "client", "target": "x"}
        connection.execute(insert(AuditEvent), [{**event, **failed} for _ in range(MANY)])
    began = time.perf_counter()
    page = own_operator.get("/console").text
    took = time.perf_counter() - began
    assert f">{MANY}</a></td>" in page and f"<strong>{MANY}</strong>" in page
    assert took < PATIENCE, took
