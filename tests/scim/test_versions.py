"""Versions (RFC 7644 §3.14): a client that names another than the present one is refused."""

import threading
from collections import Counter

import pytest

from tests.scim.provisioner import Provisioner, operation, refused

pytestmark = pytest.mark.both_databases


@pytest.mark.spec("RFC 7644 §3.14")
def test_a_reader_that_has_the_version_gets_no_body(scim: Provisioner) -> None:
    for path in (f"/Users/{scim.user()['id']}", f"/Groups/{scim.group()['id']}"):
        answer = scim.call("GET", path)
        assert answer.json is not None and answer.headers["ETag"] == answer.json["meta"]["version"]
        again = scim.call("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304 and not again.data and again.headers["ETag"] == answer.headers["ETag"]


@pytest.mark.spec("RFC 7644 §3.14")
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("kind", ["Users", "Groups"])
def test_a_change_of_an_older_version_is_refused(scim: Provisioner, method: str, kind: str) -> None:
    made = scim.user() if kind == "Users" else scim.group()
    path, old = f"/{kind}/{made['id']}", made["meta"]["version"]
    now = scim.patched(path, operation("replace", "displayName", f"new {made['id']}"))["meta"]["version"]
    assert now != old
    patch = {"Operations": [operation("replace", "externalId", "x")]}
    body = {"PUT": made, "PATCH": patch, "DELETE": None}[method]
    refused(scim.call(method, path, body, headers={"If-Match": old}), 412)
    refused(scim.call(method, path, body, headers={"If-None-Match": "*"}), 412)
    assert scim.call(method, path, body, headers={"If-Match": f'"other", {now}'}).status_code in (200, 204)


@pytest.mark.spec("RFC 7644 §3.14")
def test_what_an_operator_changes_is_another_version_too(scim: Provisioner) -> None:
    user = scim.user()
    scim.face.call("PATCH", f"/users/{user['id']}", scim.face.machine("manage"), json={"display_name": "Gil"})
    assert scim.get(f"/Users/{user['id']}")["meta"]["version"] != user["meta"]["version"]


def test_a_change_of_members_is_another_version_within_one_tick_of_the_clock(scim: Provisioner) -> None:
    user, group = scim.user()["id"], scim.group()
    seen = {group["meta"]["version"]}
    for verb in ("add", "remove", "add"):
        value = [{"value": user}]
        seen.add(scim.patched(f"/Groups/{group['id']}", operation(verb, "members", value))["meta"]["version"])
    assert len(seen) == 4
    scim.call("DELETE", f"/Users/{user}")
    assert scim.get(f"/Groups/{group['id']}")["meta"]["version"] not in seen


@pytest.mark.spec("RFC 7644 §3.14")
def test_what_the_groups_of_a_user_are_is_a_part_of_the_version(scim: Provisioner) -> None:
    user = scim.user()
    path, seen = f"/Users/{user['id']}", user["meta"]["version"]
    group = scim.group(user["id"])["id"]
    for change in (operation("replace", "displayName", f"renamed {group}"), operation("remove", "members")):
        answer = scim.call("GET", path, headers={"If-None-Match": seen})
        assert answer.status_code == 200 and answer.headers["ETag"] != seen
        seen = answer.headers["ETag"]
        scim.patched(f"/Groups/{group}", change)
    assert scim.call("GET", path, headers={"If-None-Match": seen}).status_code == 200


@pytest.mark.spec("RFC 7644 §3.14")
def test_of_two_changes_at_once_of_one_version_one_is_refused(scim: Provisioner) -> None:
    user = scim.user()
    wanted = {"If-Match": user["meta"]["version"]}
    assert Counter(_at_once(scim, user["id"], ("title", "nickName"), wanted)) == {200: 1, 412: 1}


def test_two_changes_at_once_without_a_version_both_hold(scim: Provisioner) -> None:
    user = scim.user()
    assert _at_once(scim, user["id"], ("title", "nickName", "locale", "timezone"), {}) == [200] * 4
    after = scim.get(f"/Users/{user['id']}")
    assert [after[name] for name in ("title", "nickName", "locale", "timezone")] == ["x"] * 4


def _at_once(scim: Provisioner, user_id: str, names: tuple[str, ...], headers: dict[str, str]) -> list[int]:
    """Change each attribute in a thread of its own; return the statuses."""
    statuses: list[int] = []

    def change(name: str) -> None:
        one = Provisioner(scim.face, scim.token)
        answer = one.patch(f"/Users/{user_id}", operation("replace", name, "x"), headers=headers)
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=change, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses
