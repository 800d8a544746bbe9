"""Filters, sorting and pages (RFC 7644 §3.4.2), and every filter that anybody can make up: never a 500."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scim.provisioner import JSON, SEARCH, Provisioner, operation, refused, unique

pytestmark = pytest.mark.both_databases
ATTRIBUTES = [
    "id",
    "userName",
    "externalId",
    "displayName",
    "active",
    "emails",
    "emails.value",
    "emails.type",
    "emails.primary",
    "groups.value",
    "title",
    "groups.display",
    "meta.created",
    "meta.lastModified",
    "meta.version",
    "name.familyName",
    "members",
    "members.value",
    "schemas",
    "nothing",
    "urn:ietf:params:scim:schemas:core:2.0:User:userName",
    "groups",
    "x509Certificates",
    "password",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "$ref",
    "emails.$ref",
]
VALUES = st.one_of(
    st.sampled_from(['"x"', '""', "true", "false", "null", "7", "-0.5", "1e999", '"2030-01-01T12:00:00Z"', '"%_\\\\"']),
    st.text(max_size=20).map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'),
    st.sampled_from(['"\\u0000"', '"\\ud800"', '"\\uD83D\\uDE00"']),
)
COMPARISONS = st.builds(
    lambda name, op, value: f"{name} {op} {value}",
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ"]),
    VALUES,
)
TERMS = st.one_of(COMPARISONS, st.sampled_from(ATTRIBUTES).map(lambda name: f"{name} pr"))
SELECTED = st.builds(lambda name, inner: f"{name}[{inner}]", st.sampled_from(["emails", "groups", "members"]), TERMS)
TREES = st.recursive(
    TERMS | SELECTED,
    lambda inner: st.one_of(
        st.builds("({}) and {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        inner.map("not ({})".format),
    ),
    max_leaves=8,
)


@pytest.mark.contract("SCIM: filter, sort, pages, attributes, PATCH and versions")
@pytest.mark.spec("RFC 7644 §3.4.2.2")
def test_each_operator_selects_what_it_says(scim: Provisioner) -> None:
    mark = unique("op")
    ann = scim.user(
        userName=f"{mark}.ann", displayName="Ann 100%", externalId=f"{mark}-A", emails=[{"value": f"a@{mark}.eu"}]
    )
    bea = scim.user(userName=f"{mark}.bea", active=False)
    mine = f'userName sw "{mark}."'
    for text, expected in {
        mine: {ann["id"], bea["id"]},
        f'{mine} and userName ew "ANN"': {ann["id"]},
        f'{mine} and not (userName co "nn")': {bea["id"]},
        f"{mine} and externalId pr": {ann["id"]},
        f"{mine} and not (externalId pr)": {bea["id"]},
        f'{mine} and externalId ne "{mark}-A"': {bea["id"]},
        f"{mine} and externalId eq null": {bea["id"]},
        f"{mine} and active eq false": {bea["id"]},
        f'{mine} and displayName co "0%"': {ann["id"]},
        f'{mine} and displayName co "_00"': set(),
        f'{mine} and emails co "{mark.upper()}"': {ann["id"]},
        f'{mine} and emails[value eq "A@{mark}.eu" and primary eq true]': {ann["id"]},
        f'{mine} and emails[value eq "a@{mark}.eu" and type eq "home"]': set(),
        f'userName eq "{mark}.ann" or id eq "{bea["id"]}"': {ann["id"], bea["id"]},
        f'{mine} and meta.created lt "2000-01-01T00:00:00Z"': set(),
        f'{mine} and meta.lastModified ge "2000-01-01T00:00:00Z"': {ann["id"], bea["id"]},
        f'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "{mark}.ann"': {ann["id"]},
    }.items():
        assert set(scim.find_ids("/Users", text)) == expected, text


@pytest.mark.contract("SCIM: filter, sort, pages, attributes, PATCH and versions")
def test_users_are_found_by_their_groups_and_groups_by_their_members(scim: Provisioner) -> None:
    ann, bea = scim.user()["id"], scim.user()["id"]
    group = scim.group(ann)
    assert scim.find_ids("/Users", f'groups.value eq "{group["id"]}"') == [ann]
    assert scim.find_ids("/Users", f'groups[display eq "{group["displayName"].upper()}"]') == [ann]
    assert scim.find_ids("/Groups", f'members[value eq "{ann}"]') == [group["id"]]
    assert scim.find_ids("/Groups", f'members.value eq "{bea}"') == []
    assert bea in scim.find_ids("/Users", f'groups.value ne "{group["id"]}" and id eq "{bea}"')


@pytest.mark.contract("SCIM: filter, sort, pages, attributes, PATCH and versions")
@pytest.mark.spec("RFC 7644 §3.4.2.4")
def test_a_list_is_read_page_by_page_in_an_order(own_scim: Provisioner) -> None:
    names = [own_scim.user(userName=f"page-{letter}")["userName"] for letter in "cab"]
    query = {"filter": 'userName sw "page-"', "sortBy": "userName", "count": "2"}
    first = own_scim.get("/Users", **query)
    assert (first["totalResults"], first["itemsPerPage"], first["startIndex"]) == (3, 2, 1)
    second = own_scim.get("/Users", startIndex="3", **query)
    assert [one["userName"] for one in first["Resources"] + second["Resources"]] == sorted(names)
    down = own_scim.get("/Users", sortOrder="descending", **query)["Resources"]
    assert [one["userName"] for one in down] == sorted(names)[:0:-1]
    assert own_scim.get("/Users", count="0")["Resources"] == []
    assert own_scim.get("/Users", startIndex="99999999999999999999")["Resources"] == []
    assert own_scim.get("/Users", count="-1", startIndex="-7")["itemsPerPage"] == 0


@pytest.mark.spec("RFC 7644 §3.4.3")
def test_a_search_is_a_post_of_one_type_or_of_both(own_scim: Provisioner) -> None:
    user = own_scim.user(userName="both-a")
    group = own_scim.group(user["id"], displayName="both-g")
    body = {"schemas": [SEARCH], "filter": 'userName eq "both-a" or displayName eq "both-g"', "count": 10}
    answer = own_scim.call("POST", "/.search", body).json
    assert answer is not None and [one["id"] for one in answer["Resources"]] == [user["id"], group["id"]]
    second = own_scim.call("POST", "/.search", body | {"startIndex": 2, "attributes": ["displayName"]}).json
    assert second is not None and second["totalResults"] == 2
    assert [sorted(one) for one in second["Resources"]] == [["displayName", "id", "schemas"]]
    only = own_scim.call("POST", "/Users/.search", {"filter": 'userName eq "both-a"'}).json
    assert only is not None and [one["id"] for one in only["Resources"]] == [user["id"]]


@pytest.mark.contract("SCIM: filter, sort, pages, attributes, PATCH and versions")
@pytest.mark.spec("RFC 7644 §3.9")
def test_attributes_are_chosen_or_left_out(scim: Provisioner) -> None:
    user = scim.user(title="Buyer", displayName="Ida")
    group = scim.group(user["id"])
    path = f"/Users/{user['id']}"
    assert sorted(scim.get(path, attributes="title,userName")) == ["id", "schemas", "title", "userName"]
    assert "title" not in scim.get(path, excludedAttributes="title")
    [member] = scim.get(f"/Groups/{group['id']}", attributes="members.value")["members"]
    assert member == {"value": user["id"]}
    [member] = scim.get(f"/Groups/{group['id']}", attributes="members.display")["members"]
    assert member == {"display": user["userName"]}
    refused(
        scim.call("GET", path, query_string={"attributes": "title", "excludedAttributes": "id"}), 400, "invalidValue"
    )


@pytest.mark.spec("RFC 7644 §3.12")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("userName", "syntax"),
        ('userName eq "x', "syntax"),
        ('nothing eq "x"', ""),
        ('title eq "x"', "filtered by title"),
        ('password eq "x"', ""),
        ("active gt true", ""),
        ("userName eq 5", ""),
        ("userName co true", "only a text"),
        ("active sw 1", ""),
        ('userName eq "\\u0000"', "cannot be stored"),
        ("(" * 2_000 + "userName pr" + ")" * 1_999, "syntax"),
        ("not (" * 700 + "userName pr" + ")" * 700, ""),
        ('userName eq "x" or ' * 5_000 + "userName pr", "too long"),
    ],
    ids=range(13),
)
def test_a_filter_that_cannot_be_applied_is_refused(scim: Provisioner, text: str, why: str) -> None:
    answer = scim.call("POST", "/Users/.search", {"filter": text})
    assert why in refused(answer, 400, "invalidFilter")


@pytest.mark.spec("RFC 7644 §3.12")
@pytest.mark.parametrize(
    ("kind", "one", "most"),
    [
        ("Users", 'id eq "x"', 100),
        ("Users", 'displayName co "x"', 33),
        ("Users", 'emails[type eq "x" and value co "y"]', 25),
        ("Users", 'groups eq "x"', 10),
        ("Groups", 'members.display co "x"', 2),
        ("Groups", 'not (members.display ne "x")', 2),
    ],
)
def test_a_filter_costs_no_more_than_a_database_does_in_a_moment(
    scim: Provisioner, kind: str, one: str, most: int
) -> None:
    for number, expected in ((most, 200), (most + 1, 400)):
        answer = scim.call("POST", f"/{kind}/.search", {"filter": " or ".join([one] * number)})
        assert answer.status_code == expected, answer.text
    refused(answer, 400, "tooMany")
    group = scim.group()["id"]
    selections = [operation("remove", 'members[display co "x"]')] * 11
    refused(scim.patch(f"/Groups/{group}", *selections), 413)
    assert scim.patched(f"/Groups/{group}", *selections[:10])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TREES | st.text(max_size=60), kind=st.sampled_from(["/Users", "/Groups", ""]))
def test_no_filter_is_a_failure_of_the_server(scim: Provisioner, text: str, kind: str) -> None:
    answer = scim.call("POST", f"{kind}/.search", {"filter": text})
    assert answer.status_code in (200, 400) and answer.content_type == JSON, answer.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=TREES | st.sampled_from(ATTRIBUTES) | st.text(max_size=30), verb=st.sampled_from(["add", "remove", "replace"])
)
def test_no_path_is_a_failure_of_the_server(scim: Provisioner, path: str, verb: str) -> None:
    for target in (f"/Users/{_target(scim, 'user')}", f"/Groups/{_target(scim, 'group')}"):
        answer = scim.patch(target, operation(verb, path, None if verb == "remove" else [{"value": "x"}]))
        assert answer.status_code in (200, 400, 409), answer.text


def _target(scim: Provisioner, kind: str) -> str:
    """Return the id of one user or group, made once for an application."""
    kept: dict[str, str] = vars(scim).setdefault("_targets", {})
    if kind not in kept:
        kept[kind] = (scim.user() if kind == "user" else scim.group())["id"]
    return kept[kind]
