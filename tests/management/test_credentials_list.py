"""GET /credentials lists every credential; POST /credentials/revoke-many ends many of them, or none."""

from typing import Any

import pytest

from tests.core import ORDERS
from tests.management.face import Face
from tests.management.scene import Scene


@pytest.fixture(scope="module")
def scene(face: Face, admin: str) -> Scene:
    return Scene(face, admin)


def ids(face: Face, token: str, query: str) -> list[str]:
    answer = face.call("GET", f"/credentials?{query}", token)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json["items"]]


@pytest.mark.contract("`/credentials`: every kind in one list, its filters and orders")
def test_an_item_says_whose_it_is_and_what_it_carries(face: Face, scene: Scene) -> None:
    user, token = scene.pat("orders:read")
    [item] = face.call("GET", f"/credentials?owner={user}", face.machine("tokens:read")).json["items"]
    shown = {name: item[name] for name in ("id", "kind", "owner_type", "owner_id", "scopes", "resources", "status")}
    assert shown == {
        "id": token,
        "kind": "personal_access_token",
        "owner_type": "user",
        "owner_id": user,
        "scopes": ["orders:read"],
        "resources": [ORDERS],
        "status": "active",
    }
    assert set(item) - set(shown) == {
        *("name", "hint", "owner_name", "created_at", "expires_at", "last_used_at", "revoked_at", "revoked_reason")
    }


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "expires_at", "-last_used_at", "name", "-name"])
@pytest.mark.contract("`/credentials`: every kind in one list, its filters and orders")
def test_it_is_paged_as_other_lists_are(face: Face, scene: Scene, admin: str, sort: str) -> None:
    scene.pat("orders:read"), scene.key(), scene.secret(scene.client())
    whole, read, cursor = ids(face, admin, f"limit=200&sort={sort}"), list[str](), ""
    while cursor is not None:
        page = face.call("GET", f"/credentials?limit=2&sort={sort}{cursor and f'&cursor={cursor}'}", admin).json
        read += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert read == whole and len(set(read)) == len(read) >= 3


@pytest.mark.contract("`/credentials`: every kind in one list, its filters and orders")
def test_each_kind_is_found_by_the_id_that_log_lines_and_events_name(face: Face, scene: Scene, admin: str) -> None:
    some = [scene.pat("orders:read")[1], scene.key(), scene.secret(scene.client())[1]]
    assert [ids(face, admin, f"q={one}") for one in some] == [[one] for one in some]
    assert ids(face, admin, f"q={some[0][:-1]}") == []
    client = scene.client()
    assert client in ids(face, admin, f"q={client}")  # its secrets are found by it too


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("kind=badge", "kind"),
        ("status=lost", "status"),
        ("sort=hint", "sort"),
        ("never_expires=1", "never_expires"),
        ("expires_before=tomorrow", "expires_before"),
        ("limit=201", "limit"),
        ("cursor=cGF0XzE", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OV94", "cursor"),
        ("colour=red", "colour"),
    ],
)
@pytest.mark.contract("`/credentials`: every kind in one list, its filters and orders")
def test_what_is_not_a_filter_is_refused_by_name(face: Face, admin: str, query: str, field: str) -> None:
    answer = face.call("GET", f"/credentials?{query}", admin)
    assert answer.status_code == 422 and [one["field"] for one in answer.json["errors"]] == [field]


def revoke(face: Face, token: str, *some: str) -> Any:
    return face.call("POST", "/credentials/revoke-many", token, json={"ids": some})


@pytest.mark.contract("`/credentials/revoke-many`: at most 1,000, all or none, an event each")
def test_many_of_any_kind_are_revoked_with_an_event_each(face: Face, scene: Scene, admin: str) -> None:
    some = [scene.pat("orders:read")[1], scene.key(), scene.secret(scene.client())[1]]
    answer = revoke(face, admin, *some, some[0])
    assert (answer.status_code, answer.json) == (200, {"revoked": 3})
    assert sorted(event.target for event in face.core.trace() if event.action.endswith(".revoke")) == sorted(some)
    assert revoke(face, admin, *some).json == {"revoked": 0}
    assert set(some) <= set(ids(face, admin, "status=revoked&limit=200"))


@pytest.mark.contract("`/credentials/revoke-many`: at most 1,000, all or none, an event each")
def test_all_are_revoked_or_none(face: Face, scene: Scene, admin: str) -> None:
    token, key = scene.pat("orders:read")[1], scene.key()
    refused = revoke(face, admin, token, "pat_nobody", scene.client())
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json["errors"]] == ["ids.1", "ids.2"]
    limited = face.machine("tokens:write")
    assert revoke(face, limited, token, key).status_code == 403
    assert revoke(face, limited, token, scene.pat("manage")[1]).status_code == 403
    assert not {token, key} & set(ids(face, admin, "status=revoked&limit=200"))
    assert revoke(face, face.machine("tokens:write", "api-keys:write"), token, key).json == {"revoked": 2}


@pytest.mark.contract("`/credentials/revoke-many`: at most 1,000, all or none, an event each")
def test_at_most_a_thousand_are_revoked_at_once(face: Face, admin: str) -> None:
    assert revoke(face, admin).status_code == 422
    assert revoke(face, admin, *(f"pat_{n}" for n in range(1001))).status_code == 422
