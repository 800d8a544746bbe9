"""Section 4: a list below an object has pages like any other list, and can be filtered by status."""

from typing import Any

import pytest

from tests.api import Admin, expect, permission, unique
from tests.contract.refusals import invalid
from tests.contract.test_management import walk
from tests.contract.world import World, create_world

Auth = tuple[str, str] | None
BELOW = ("permissions", "secrets", "a user's tokens", "one's own tokens")


@pytest.fixture(scope="module")
def full(admin: Admin) -> World:
    """An organisation with several objects in each list below an object."""
    world = create_world(admin)
    for _ in range(4):
        world.issue("pat")
        admin.create(f"/resources/{world.resource['id']}/permissions", permission(unique("more") + ":read"))
        admin.create(f"/clients/{world.client.id}/secrets", {"name": unique("s")})
    return world


def place(world: World, name: str) -> tuple[str, Auth]:
    """The path of the list, and the credentials that may read it."""
    return {
        "permissions": (f"/resources/{world.resource['id']}/permissions", None),
        "secrets": (f"/clients/{world.client.id}/secrets", None),
        "a user's tokens": (f"/users/{world.user.id}/personal-access-tokens", None),
        "one's own tokens": ("/me/personal-access-tokens", world.user.basic),
    }[name]


@pytest.mark.contract("lists: `items` and `next_cursor`, 50 by default, 200 at most")
@pytest.mark.parametrize("name", BELOW)
def test_a_list_below_an_object_has_pages_and_bounds(full: World, name: str) -> None:
    path, auth = place(full, name)

    def page(**query: str) -> Any:
        return full.admin.get(path, params=query, auth=auth)

    items: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        answer = expect(200, page(limit="2", **cursor)).json()
        assert set(answer) == {"items", "next_cursor"} and len(answer["items"]) <= 2
        items += [item.get("id", item["name"]) for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(items) == len(set(items)) >= 4
    for limit in ("0", "201", "x"):
        invalid(page(limit=limit), "limit")


@pytest.mark.asvs("16.4.3")
@pytest.mark.contract("lists: `items` and `next_cursor`, 50 by default, 200 at most")
def test_the_audit_trail_is_walked_by_its_cursors_newest_first(full: World) -> None:
    key = full.issue("api_key")
    for _ in range(3):
        full.admin.change(f"/api-keys/{key.id}", {"name": unique("renamed")})
    events = walk(full.admin, "/audit-events", 2, target=key.id)
    assert [event["action"] for event in events] == ["api_key.update"] * 3 + ["api_key.create"]
    assert len({event["id"] for event in events}) == 4


@pytest.mark.contract("a deleted credential stays listed with its status, which filters")
def test_a_revoked_secret_stays_listed_by_its_status(full: World) -> None:
    client = full.admin.client()
    path = f"/clients/{client.id}/secrets"
    made = full.admin.create(path, {"name": "gone"})
    full.admin.remove(f"{path}/{made['id']}")
    assert [one["id"] for one in walk(full.admin, path, 50, status="revoked")] == [made["id"]]
    assert made["id"] not in [one["id"] for one in walk(full.admin, path, 50, status="active")]


@pytest.mark.contract("a deleted credential stays listed with its status, which filters")
def test_each_status_of_a_key_filters(full: World) -> None:
    disabled, active = full.issue("api_key", enabled=False), full.issue("api_key")
    listed = {
        status: [item["id"] for item in walk(full.admin, "/api-keys", 200, status=status, resource=full.identifier)]
        for status in ("active", "disabled", "expired", "revoked")
    }
    assert disabled.id in listed["disabled"] and disabled.id not in listed["active"]
    assert active.id in listed["active"] and listed["expired"] == listed["revoked"] == []
