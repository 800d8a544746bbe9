"""/usage for operators and /me/usage for users: pages of groups, and nothing of other people's."""

from urllib.parse import quote

import pytest

from tests.actions.insight.test_usage import add_count
from tests.app_grants import connect_app, register_app
from tests.core import ORDERS, STOCK
from tests.management.face import PASSWORD, Face


@pytest.mark.contract("`GET /usage` by hour, day, resource or outcome, in pages")
def test_the_groups_of_a_credential_are_read_page_by_page(face: Face, admin: str) -> None:
    key = face.core.key()[0].id
    add_count(face.core, key, 5)
    add_count(face.core, key, 2, resource=STOCK)
    add_count(face.core, key, 1, resource=STOCK, outcome="expired")
    path = f"/usage?credential={key}&group_by=resource&limit=1"
    first = face.call("GET", path, admin).json
    assert [(one["group"], one["uses"]) for one in first["items"]] == [(ORDERS, 5)] and first["next_cursor"]
    second = face.call("GET", f"{path}&cursor={first['next_cursor']}", admin).json
    assert [(one["group"], one["uses"], one["refusals"]) for one in second["items"]] == [(STOCK, 2, 1)]
    assert second["next_cursor"] is None
    for group_by, groups in (("hour", ["2030-01-01T12:00:00Z"]), ("day", ["2030-01-01T00:00:00Z"])):
        items = face.call("GET", f"/usage?credential={key}&group_by={group_by}", admin).json["items"]
        assert [one["group"] for one in items] == groups and items[0]["last_address"] == "192.0.2.0/24"


@pytest.mark.parametrize("wrong", ["limit=0", "limit=1001", "cursor=x", "cursor=a2V5XzE", "group_by=week", "since=now"])
def test_a_parameter_that_is_wrong_is_refused(face: Face, admin: str, wrong: str) -> None:
    key = face.core.key()[0].id
    for refused in (
        face.call("GET", f"/usage?credential={key}&{wrong}", admin),
        face.me(face.person(), path=f"/usage?credential={key}&{wrong}"),
    ):
        assert refused.status_code == 422 and refused.json["errors"][0]["field"] == wrong.partition("=")[0]


@pytest.mark.contract("`GET /me/usage`: one's own tokens and apps; all else is what does not exist")
def test_a_user_reads_the_usage_of_their_tokens_and_apps(face: Face) -> None:
    name, app = face.person("orders:read"), register_app(face.core, "Almanac")
    token = face.core.pat(name, "orders:read")[0].id
    grant = connect_app(face.core, app, face.core.row_id(name)).grant_id
    add_count(face.core, token, 6, target="personal_access_token")
    add_count(face.core, grant, 7, target="grant")
    for wanted, uses in ((token, 6), (grant, 7), (app.row_id, 7), ("Almanac", 7)):
        [row] = face.me(name, path=f"/usage?credential={wanted}").json["items"]
        assert (row["group"], row["uses"], row["last_server"]) == ("2030-01-01T00:00:00Z", uses, "shop")


@pytest.mark.asvs("8.2.2")
@pytest.mark.contract("`GET /me/usage`: one's own tokens and apps; all else is what does not exist")
def test_what_is_not_ones_own_is_answered_like_what_does_not_exist(face: Face) -> None:
    core, name, other = face.core, face.person("manage", "orders:read"), face.person("orders:read")
    app = register_app(core, "Atlas")
    theirs, grant = core.pat(other, "orders:read")[0].id, connect_app(core, app, core.row_id(other)).grant_id
    key, client = core.key()[0].id, core.client("a-machine")
    for row in (theirs, grant, key, client):
        add_count(core, row, 1)
    unknown = face.me(name, path="/usage?credential=pat_nobody")
    assert unknown.status_code == 404
    for wanted in (theirs, grant, key, client, "a-machine", app.row_id, "Atlas", core.row_id(other), core.row_id(name)):
        refused = face.me(name, path=f"/usage?credential={quote(wanted)}")
        assert (refused.status_code, refused.json) == (404, unknown.json), wanted


@pytest.mark.contract("`GET /me/usage`: one's own tokens and apps; all else is what does not exist")
def test_a_token_reads_no_usage_of_its_user(face: Face) -> None:
    name = face.person("manage")
    view, token = face.core.pat(name, "manage")
    assert face.call("GET", f"/me/usage?credential={view.id}", token).status_code == 403
    assert face.me(name, token, path=f"/usage?credential={view.id}").status_code == 401
    assert face.me(name, PASSWORD, path=f"/usage?credential={view.id}").status_code == 200
