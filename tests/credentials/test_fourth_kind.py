"""A fourth kind is one file: every action and every page works with a kind that is joined in `compose`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.access.holders import Holder
from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.insight.overview import KindCount
from app.errors import InvalidSubject, NotFound
from app.fast_lane.lane import Lane
from tests.core import ORDERS, Core
from tests.credentials.badge import further_kinds, issue_badge
from tests.fast_lane.lanes import Asked
from tests.management.face import Face, start_face, stop_face
from tests.oauth.wire import basic, serve
from tests.web.console.conftest import sign_in_operator

INACTIVE = {"active": False}


@pytest.fixture
def face(tmp_path: Path) -> Iterator[Face]:
    """The whole application, with badges."""
    made = start_face(tmp_path, further_kinds, rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def shop(face: Face) -> str:
    """The Authorization header of the resource server of the orders."""
    face.core.client("shop")
    serve(face.core, "shop", ORDERS)
    return basic("shop", face.core.client_secret("shop"))


def ask_flask(face: Face, token: str, shop: str) -> Any:
    """Introspect by a request that is not for the fast lane."""
    sent = {"Authorization": shop, "Accept": "application/json;q=0.9"}
    return face.http.post("/oauth/introspect", data={"token": token}, headers=sent).json


def ask_fast_lane(face: Face, token: str, shop: str) -> bytes | None:
    """Introspect by a request that is for the fast lane; None when the lane leaves it to Flask."""
    lane: Any = face.app.wsgi_app
    assert isinstance(lane, Lane)
    asked = Asked("/oauth/introspect", body=urlencode({"token": token}).encode(), headers={"AUTHORIZATION": shop})
    return lane.answer(asked.wsgi(), lambda *_: lambda _: None)


def test_both_introspections_answer_for_it_and_see_its_revocation(face: Face, shop: str) -> None:
    badge = issue_badge(face.core)
    answer = ask_flask(face, badge.token, shop)
    assert answer.pop("exp") == answer.pop("iat") + 3600
    assert answer.pop("iss") == face.core.actions.settings.issuer
    assert answer == {
        "active": True,
        "credential_type": "badge",
        "token_type": "Bearer",
        "scope": "orders:read",
        "aud": [ORDERS],
        "jti": badge.credential_id,
        "sub": "vera",
    }
    for _ in range(2):  # the second is a kept answer
        assert b'"badge"' in (ask_fast_lane(face, badge.token, shop) or b"")
    assert face.http.post("/oauth/revoke", data={"token": badge.token}).status_code == 200
    assert ask_flask(face, badge.token, shop) == INACTIVE
    assert ask_fast_lane(face, badge.token, shop) == b'{"active": false}'
    [event] = face.core.trace("badge.revoke")
    assert (event.target_type, event.target) == ("badge", badge.credential_id)


def test_the_console_counts_lists_and_finds_it(face: Face) -> None:
    badge, operator = issue_badge(face.core), sign_in_operator(face)
    overview = operator.get("/console").text
    assert "Visitors’ badges" in overview or "Visitors&#39; badges" in overview
    holders = operator.get("/console/holders?scope=orders:read&kind=badges").text
    assert "front gate" in holders and badge.credential_id[:12] in holders
    operator.get("/console/search")
    found = operator.post("/console/search", credential=badge.token).text
    assert "badge" in found and badge.credential_id in found
    operator.get(f"/console/search/badge/{badge.credential_id}/revoke")
    assert operator.post(f"/console/search/badge/{badge.credential_id}/revoke").status_code == 303
    assert not face.core.active(badge.token)


def test_the_actions_count_it_and_list_its_holders(core: Core) -> None:
    badge, _ = issue_badge(core), issue_badge(core)
    overview, holders = core.actions.overview, core.actions.holders
    assert KindCount("badge", 2, 2, None) in overview.credentials()
    assert overview.titles["badge"] == "Visitors' badges" == holders.titles["badges"]
    assert holders.page("orders:write", "badges", 10) == ([], None)
    page, cursor = holders.page("orders:read", "badges", 10)
    assert len(page) == 2 and cursor is None
    assert page[0] == Holder(badge.credential_id, "front gate", badge.credential_id[:12], owner_name="vera")
    core.actions.known_credentials.revoke(OPERATOR, "badge", badge.credential_id)
    assert KindCount("badge", 1, 1, None) in overview.credentials()
    assert len(holders.page("orders:read", "badges", 10)[0]) == 1


def test_it_is_inspected_active_or_not(core: Core) -> None:
    badge = issue_badge(core)
    seen = core.actions.inspect(f"Bearer {badge.token}\n")
    assert (seen.status, seen.credential_type, seen.id) == ("active", "badge", badge.credential_id)
    assert core.actions.report_leak(anonymous(None, None), [badge.token, badge.token]) == 1
    assert core.actions.inspect(badge.token).status == "revoked"
    assert [event.target_type for event in core.trace("credential.report_leak")] == ["badge"]
    assert core.actions.report_leak(anonymous(None, None), [badge.token]) == 0


def test_it_is_found_and_revoked_by_its_id(core: Core) -> None:
    badge, known = issue_badge(core), core.actions.known_credentials
    found = known.get("badge", badge.credential_id)
    assert (found.name, found.owner_id, found.revoked_at) == ("front gate", "vera", None)
    for _ in range(2):
        known.revoke(OPERATOR, "badge", badge.credential_id)
    assert known.get("badge", badge.credential_id).revoked_at == core.clock()
    assert len(core.trace("badge.revoke")) == 1
    for target, credential_id in (("token", badge.credential_id), ("badge", "badge_1"), ("cat", badge.credential_id)):
        with pytest.raises(NotFound):
            known.get(target, credential_id)


def test_it_is_exchanged_only_where_its_kind_says_so(core: Core) -> None:
    with pytest.raises(InvalidSubject):
        core.exchange(issue_badge(core).token)
