"""What is malformed, huge or meant for another reader gets a clear answer, in bounded time."""

import json
import time

import pytest

from app.scim.groups import MOST_MEMBERS
from app.scim.groups import MOST_OPERATIONS as MOST_OF_GROUP
from app.scim.users import MOST_OPERATIONS as MOST_OF_USER
from tests.scim.provisioner import JSON, Provisioner, operation, refused, unique

pytestmark = pytest.mark.both_databases


@pytest.mark.spec("RFC 7644 §3.12")
@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        (b"", "invalidSyntax"),
        (b"{", "invalidSyntax"),
        (b"[]", "invalidSyntax"),
        (b'"x"', "invalidSyntax"),
        (b'{"userName": "a", "userName": "b"}', "invalidSyntax"),
        (b'{"userName": "a", "USERNAME": "b"}', "invalidSyntax"),
        (b'{"userName": "a", "name": {"givenName": "a", "givenName": "b"}}', "invalidSyntax"),
        (b'{"userName": NaN}', "invalidSyntax"),
        (b"\xff\xfe", "invalidSyntax"),
        (b"[" * 100_000, "invalidSyntax"),
        (b'{"userName": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001, "invalidSyntax"),
        (b"{}", "invalidValue"),
        (b'{"userName": ""}', "invalidValue"),
        (b'{"userName": "a\\u0000b"}', "invalidValue"),
        (b'{"userName": "\\ud800"}', "invalidValue"),
        (b'{"userName": "../../etc/passwd"}', "invalidValue"),
        (b'{"userName": ["a"]}', "invalidValue"),
        (b'{"userName": "nul-1", "title": "\\u0000"}', "invalidValue"),
        (b'{"userName": "nul-2", "externalId": "\\u0000"}', "invalidValue"),
        (b'{"userName": "nul-3", "displayName": "\\u0000"}', "invalidValue"),
        (b'{"userName": "half-1", "externalId": "\\ud800"}', "invalidValue"),
        (b'{"userName": "half-2", "title": "\\ud800"}', "invalidValue"),
        (b'{"userName": "half-3", "name": {"givenName": "a\\udfff"}}', "invalidValue"),
        (b'{"userName": "half-4", "emails": [{"value": "a@b.eu", "type": "\\ud800"}]}', "invalidValue"),
        (b'{"userName": "long", "externalId": "%s"}' % (b"x" * 256), "invalidValue"),
        (b'{"userName": "long", "title": "%s"}' % (b"x" * 9_000), "invalidValue"),
        (b'{"userName": "mail", "emails": [{"value": "not an address"}]}', "invalidValue"),
        (b'{"userName": "mail", "emails": [{"value": "a@b.eu", "primary": true}, {"primary": true}]}', "invalidValue"),
        (b'{"userName": "no", "active": "maybe"}', "invalidValue"),
    ],
    ids=range(29),
)
def test_a_user_that_cannot_be_read_is_refused(scim: Provisioner, body: bytes, scim_type: str) -> None:
    refused(scim.call("POST", "/Users", data=body, content_type=JSON), 400, scim_type)


def test_other_types_and_megabytes_are_refused(scim: Provisioner) -> None:
    refused(scim.call("POST", "/Users", data=b"{}", content_type="text/plain"), 415)
    refused(scim.call("POST", "/Users", data=b"userName=a", content_type="application/x-www-form-urlencoded"), 415)
    refused(scim.call("POST", "/Users", data=b" " * 1_100_000, content_type=JSON), 413)
    assert scim.call("POST", "/Users", {"userName": unique("json")}, content_type="application/json").status_code == 201


def test_a_secret_in_an_attribute_is_refused(scim: Provisioner) -> None:
    secret = scim.face.pat("orders:read")
    for attributes in ({"title": secret}, {"name": {"givenName": secret}}, {"externalId": secret}):
        answer = scim.call("POST", "/Users", {"userName": unique("leak")} | attributes)
        assert secret not in answer.text
        refused(answer, 400, "invalidValue")


def test_too_many_operations_or_members_are_refused_before_any_work(scim: Provisioner) -> None:
    user, group = scim.user()["id"], scim.group()["id"]
    begun = time.process_time()
    for path, most in ((f"/Users/{user}", MOST_OF_USER), (f"/Groups/{group}", MOST_OF_GROUP)):
        refused(scim.patch(path, *[operation("add", "title", "x")] * (most + 1)), 413)
        refused(scim.patch(path, *[operation("add", "title", "x")] * 10_000), 413)
    many = [{"value": f"usr_{number}"} for number in range(MOST_MEMBERS + 1)]
    refused(scim.patch(f"/Groups/{group}", operation("add", "members", many)), 413)
    refused(scim.call("PUT", f"/Groups/{group}", {"displayName": "x", "members": many}), 413)
    refused(scim.patch(f"/Users/{user}", operation("add", "x" * 5_000, "x")), 400, "invalidPath")
    assert time.process_time() - begun < 10


def test_paths_are_bounded_before_they_are_parsed(scim: Provisioner) -> None:
    user, group = scim.user()["id"], scim.group()["id"]
    begun = time.process_time()
    nested = "(" * 1_900 + 'value eq "x"' + ")" * 1_900
    refused(scim.patch(f"/Users/{user}", *[operation("remove", f"emails[{nested}]")] * 90), 400, "invalidPath")
    refused(scim.patch(f"/Groups/{group}", *[operation("remove", f"members[{nested}]")] * 200), 400, "invalidPath")
    long = " or ".join(['value eq "x"'] * 200)
    refused(scim.patch(f"/Groups/{group}", *[operation("remove", f"members[{long}]")] * 200), 413)
    names = {f"name-{number}": 1 for number in range(15_000)}
    for path in (f"/Users/{user}", f"/Groups/{group}"):
        refused(scim.patch(path, operation("replace", None, names)), 413)
    page = [operation("remove", f'members[value eq "usr_{number:024}"]') for number in range(MOST_OF_GROUP)]
    scim.patched(f"/Groups/{group}", *page)  # as many as are sent at once
    assert time.process_time() - begun < 20


def test_members_come_in_pages_of_hundreds(own_scim: Provisioner) -> None:
    group, users = own_scim.group()["id"], [own_scim.user()["id"] for _ in range(7)]
    unknown = [f"usr_{number:024}" for number in range(700)]
    unknown += ["\0", "\ud800", "é", "x" * 70, ""]
    page = [{"value": one} for one in (*users[:5], *unknown)]
    own_scim.patched(f"/Groups/{group}", operation("add", "members", page))
    assert own_scim.members(group) == set(users[:5])  # an id without a user is left out
    pages = [
        operation("remove", f'members[value eq "{one}"]') for one in (*users, *unknown[:200], "\\u0000", "\\ud800")
    ]
    own_scim.patched(f"/Groups/{group}", *pages, operation("add", "members", [{"value": users[6]}]))
    assert own_scim.members(group) == {users[6]}


@pytest.mark.contract("SCIM: one transaction and one audit event a change")
def test_the_trail_names_the_members_that_were_added_and_removed(own_scim: Provisioner) -> None:
    core, user = own_scim.face.core, own_scim.user()["id"]
    group = own_scim.group(user)["id"]
    own_scim.patched(f"/Groups/{group}", operation("remove", "members"))
    own_scim.patched(f"/Groups/{group}", operation("remove", "members"))
    created, updated = core.trace("role.create")[-1], core.trace("role.update")
    assert created.details["added"] == [user] and [event.details["removed"] for event in updated] == [[user]]
    before = len(core.trace())
    own_scim.patched(f"/Users/{user}", operation("replace", "title", "Buyer"))
    own_scim.patched(f"/Users/{user}", operation("replace", "title", "Buyer"))
    [event] = core.trace()[before:]
    assert event.details["changed"] == ["attributes"] and event.details["source"] == "scim"


def test_of_a_refused_patch_nothing_is_kept(scim: Provisioner) -> None:
    user, group = scim.user(title="Buyer")["id"], scim.group()["id"]
    bad = operation("replace", "userName", "not a name")
    refused(scim.patch(f"/Users/{user}", operation("replace", "title", "Seller"), bad), 400, "invalidValue")
    refused(scim.patch(f"/Users/{user}", operation("replace", "id", "x")), 400, "mutability")
    refused(scim.patch(f"/Users/{user}", operation("remove", "userName")), 400, "mutability")
    refused(scim.patch(f"/Users/{user}", operation("remove")), 400, "noTarget")
    refused(scim.patch(f"/Users/{user}", operation("sell", "title", "x")), 400, "invalidValue")
    assert scim.get(f"/Users/{user}")["title"] == "Buyer"
    members = operation("add", "members", [{"value": user}])
    refused(scim.patch(f"/Groups/{group}", members, operation("replace", "displayName", "\x00")), 400, "invalidValue")
    refused(scim.patch(f"/Groups/{group}", operation("add", "members", ["usr_1"])), 400, "invalidValue")
    refused(
        scim.patch(f"/Groups/{group}", operation("replace", f'members[value eq "{user}"].value', "x")),
        400,
        "mutability",
    )
    assert scim.members(group) == set()


@pytest.mark.parametrize(
    "path", ["/Users/..%2fGroups", "/Users/a b", "/Users/%00", "/Nothing", "/Bulk", "/Me", "/Users/x/y"]
)
def test_other_paths_are_not_found(scim: Provisioner, path: str) -> None:
    refused(scim.call("GET", path), 404)


@pytest.mark.spec("RFC 7644 §4")
def test_what_is_not_supported_is_said(scim: Provisioner) -> None:
    config = scim.get("/ServiceProviderConfig")
    supported = {
        name: config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")
    }
    assert [name for name, yes in supported.items() if not yes] == ["bulk", "changePassword"]
    refused(scim.call("POST", "/Bulk", {}), 404)
    refused(scim.call("GET", "/Schemas", query_string={"filter": 'id eq "x"'}), 403)
    answer = scim.call("POST", "/Schemas", {})
    refused(answer, 405)
    assert "POST" not in answer.headers["Allow"]


def test_a_long_header_and_a_repeated_parameter_are_refused(scim: Provisioner) -> None:
    refused(scim.call("GET", "/Users", headers={"X-Long": "x" * 20_000}), 431)
    refused(scim.call("GET", "/Users?count=1&Count=2"), 400, "invalidSyntax")
    refused(scim.call("GET", "/Users?count=many"), 400, "invalidValue")
    refused(scim.call("GET", f"/Users?attributes={','.join(['title'] * 101)}"), 400, "invalidValue")


def test_strangers_cost_a_refusal(scim: Provisioner) -> None:
    body = json.dumps({"userName": "x" * 500_000})
    before = scim.face.core.trace()
    for _ in range(20):
        refused(scim.http.post("/scim/v2/Users", data=body, content_type=JSON), 401)
    assert len(scim.face.core.trace()) == len(before)
