"""The page of a scope's holders lists what introspection reports, after every change, with the reason."""

import re
import time
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import insert, select

from app.access.holders import Holder
from app.actions.audit.actor import OPERATOR
from app.actions.directory.lifetime import AskedLifetime
from app.errors import NotFound
from app.models import Permission, PersonalAccessTokenScope
from tests.core import ORDERS, STOCK, Core
from tests.management.face import Face
from tests.web.console.many import PATIENCE, many_tokens
from tests.web.visitor import Visitor

TAG = re.compile("<[^>]*>")
SCOPE, PUBLIC = "orders:read", "orders:list"


def list_holders(core: Core, scope: str, section: str) -> list[Holder]:
    """Return all holders of a scope, read in pages of two."""
    found, after = core.actions.holders.page(scope, section, 2)
    while after is not None:
        more, after = core.actions.holders.page(scope, section, 2, after)
        found += more
    assert len({it.id for it in found}) == len(found)
    return found


def list_ids(core: Core, scope: str) -> set[str]:
    return {holder.id for section in core.actions.holders.sections for holder in list_holders(core, scope, section)}


class Mix:
    """Credentials of every kind by their ids, and their secrets for introspection."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.secrets: dict[str, str] = {}
        core.resource(STOCK, "stock:read", public=["stock:list"])
        core.role("reader", "user", "orders:read", "orders:list")
        core.role("auditor", "user", "orders:read", "stock:read")
        core.role("robot", "machine", "orders:read", "orders:list")
        for name, *roles in (("ann", "reader"), ("bob", "reader", "auditor"), ("cem", "auditor")):
            core.user(name, *roles)
            for scope in ("orders:read", "orders:list", "stock:read"):
                self._pat(name, scope)
        for name in ("ci", "cron"):
            row_id = core.client(name, "robot")
            self.secrets[row_id] = core.m2m(name)
        for terms in ({}, {"scopes": ("orders:list",)}, {"scopes": ()}, {"enabled": False}):
            view, secret = core.key(**terms)
            self.secrets[view.id] = secret
        view, secret = core.key(STOCK)
        self.secrets[view.id] = secret

    def _pat(self, user: str, scope: str) -> None:
        if self._roles_grant(user, scope):
            week = AskedLifetime(expires_in=7 * 86_400)
            view, secret = self.core.pat(user, scope, name=f"{scope} of {user}", lifetime=week)
            self.secrets[view.id] = secret

    def _roles_grant(self, user: str, scope: str) -> bool:
        found = self.core.actions.reach.of_user(self.core.row_id(user))
        return any(scope == one.name for api in found for one in api.scopes)

    def carriers(self, scope: str) -> set[str]:
        """Return the ids of the credentials that have the scope, as introspection reports."""
        claims = {credential: self.core.actions.verify(secret) for credential, secret in self.secrets.items()}
        return {credential for credential, said in claims.items() if said and scope in said.scopes}

    def rotate(self, key_id: str) -> None:
        self.secrets[key_id] = self.core.actions.api_keys.rotate(OPERATOR, key_id, 0)[1].token

    def agrees(self) -> None:
        """Compare the page with introspection for every scope."""
        for scope in [one.name for one in self.core.actions.holders.scopes("", 100)]:
            users = {holder.id for holder in list_holders(self.core, scope, "users")}
            assert list_ids(self.core, scope) - users == self.carriers(scope), scope


@pytest.mark.contract('"who can do this?" says what introspection says')
def test_the_holders_agree_with_introspection_after_every_change(own_face: Face) -> None:
    core, mix = own_face.core, Mix(own_face.core)
    assert len(mix.carriers(SCOPE)) == 5 and len(mix.carriers(PUBLIC)) == 6
    tokens = core.actions.personal_access_tokens
    [anns] = [it for it in list_holders(core, SCOPE, "tokens") if it.owner_name == "ann"]
    keys = list_holders(core, PUBLIC, "api_keys")
    turns: list[Callable[[], object]] = [
        lambda: None,
        lambda: core.assign("ann"),
        lambda: core.assign("ann", "auditor"),
        lambda: core.enable("bob", False),
        lambda: core.enable("cron", False),
        lambda: core.publish(PUBLIC, False),
        lambda: core.publish("orders:read", True),
        lambda: core.publish(PUBLIC, True),
        lambda: mix.rotate(keys[0].id),
        lambda: core.actions.api_keys.revoke(OPERATOR, keys[1].id),
        lambda: core.enable("bob", True),
        lambda: tokens.revoke(OPERATOR, core.row_id("ann"), anns.id),
        lambda: core.drop_role("robot"),
        lambda: core.drop_permission("stock:read"),
        lambda: core.clock.advance(days=7),
    ]
    for turn in turns:
        turn()
        mix.agrees()
    with pytest.raises(NotFound):
        core.actions.holders.page("stock:read", "tokens", 2)


def test_users_whose_roles_give_the_scope_are_listed(own_face: Face) -> None:
    core = own_face.core
    Mix(core)
    assert {it.known_as for it in list_holders(core, SCOPE, "users")} == {"ann", "bob", "cem"}
    core.enable("ann", False)
    core.assign("cem", "reader")
    assert {it.known_as for it in list_holders(core, "stock:read", "users")} == {"bob"}
    [bob] = [it for it in list_holders(core, SCOPE, "users") if it.known_as == "bob"]
    assert [role.name for role in bob.roles] == ["auditor", "reader"]


def test_the_page_names_each_holder_and_the_reason(own_face: Face, own_operator: Visitor) -> None:
    Mix(own_face.core)
    page = TAG.sub("", own_operator.get(f"/console/holders?scope={SCOPE}").text)
    for said in (
        "not public: no API key carries it",
        "role reader",
        "roles auditor, reader",
        "orders:read of ann",
        "ci",
    ):
        assert said in page, said
    public = own_operator.get(f"/console/holders?scope={PUBLIC}").text
    assert "chosen for the key" in public and "the key carries all that is" in public
    own = own_operator.get("/console/holders?scope=users:read").text
    assert "/console/holders?scope=manage" in own and own.count("<p>None.</p>") == 5


def test_an_app_is_named_with_its_user_and_the_reason(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    Mix(core)
    core.app("planner")
    grant = core.delegate("bob", "planner", SCOPE).grant_id
    core.delegate("cem", "planner", SCOPE)
    assert {holder.owner_name for holder in list_holders(core, SCOPE, "apps")} == {"bob", "cem"}
    page = own_operator.get(f"/console/holders?scope={SCOPE}&kind=apps").text
    head, row = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[:2]
    assert re.findall(r">([^<]+)</th>", head) == ["Name", "Known as", "Of", "Because of"] and row.count("<td") == 3
    assert "allowed to the app, and given by its user’s roles auditor, reader" in TAG.sub("", page)
    assert "App grants" in page and "planner" in row
    core.actions.apps.end_grant(OPERATOR, grant)
    assert [holder.owner_name for holder in list_holders(core, SCOPE, "apps")] == ["cem"]


def test_an_unknown_scope_offers_similar_ones(own_operator: Visitor) -> None:
    answer = own_operator.get("/console/holders?scope=orders:")
    assert answer.status_code == 404 and "There is no scope orders:." in answer.text
    offered = set(re.findall(r'holders\?scope=([\w:%-]+)"><code', answer.text))
    assert offered == {"orders:read", "orders:write", "orders:list"}
    start = own_operator.get("/console/holders")
    assert start.status_code == 200 and "/console/holders?scope=manage" in start.text


def test_thousands_of_scopes_are_completed_by_a_part_of_the_name(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    core.resource("https://api.example/many", *(f"many:{number:04}" for number in range(2_000)))
    start = own_operator.get("/console/holders").text
    assert start.count("<option") <= 200 and "type a part of a name to find others" in start
    found = re.findall(r'<option value="([^"]+)"', own_operator.get("/console/holders/scopes?scope=ny:199").text)
    assert found == [f"many:{number}" for number in range(1990, 2000)]
    assert own_operator.get("/console/holders/scopes?scope=many").text.count("<option") == 50
    for nothing in ("no:such", "100%25", "_", "<script>", '"'):
        assert "<option" not in own_operator.get(f"/console/holders/scopes?scope={nothing}").text, nothing


def test_a_long_list_goes_on_kind_by_kind(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    core.role("reader", "user", SCOPE)
    core.user("ann", "reader")
    made = {core.pat("ann", SCOPE, name=f"token {number}")[0].hint for number in range(75)}
    page, seen = own_operator.get(f"/console/holders?scope={SCOPE}").text, set[str]()
    onward = re.search(r'href="([^"]+)" rel="next"', page)
    while True:
        seen |= set(re.findall(r"<code>(lk_pat_…\w+)</code>", page))
        if onward is None:
            break
        page = own_operator.get(unescape(onward[1])).text
        onward = re.search(r'href="([^"]+)" rel="next"', page)
    assert seen == made
    assert own_operator.get(f"/console/holders?scope={SCOPE}&kind=tokens&after=pat_1").status_code == 400
    assert own_operator.get(f"/console/holders?scope={SCOPE}&kind=cats").status_code == 400


@pytest.mark.contract("lists stay quick with 100,000 rows")
def test_it_stays_quick_with_a_hundred_thousand_tokens_that_no_role_gives_any_more(
    own_face: Face, own_operator: Visitor
) -> None:
    core = own_face.core
    core.role("reader", "user", SCOPE)
    owner, now = core.user("ann"), core.clock()
    core.user("bob", "reader")
    with core.store.transaction() as session:
        connection = session.connection()
        permission = session.scalars(select(Permission).where(Permission.name == SCOPE)).one()
        rows = many_tokens(session, owner, now)
        chosen = {"permission_id": permission.id, "resource_id": permission.resource_id}
        connection.execute(insert(PersonalAccessTokenScope), [{"token_id": row["id"], **chosen} for row in rows])
    began = time.perf_counter()
    page = own_operator.get(f"/console/holders?scope={SCOPE}").text
    took = time.perf_counter() - began
    assert page.count("chosen for the token") == 0  # each one must be checked
    assert "there are very many" in page
    assert took < PATIENCE, took
    core.assign("ann")
    assert list_holders(core, SCOPE, "tokens") == []


def test_only_the_resource_of_the_scope_counts(own_face: Face) -> None:
    core = own_face.core
    core.resource(STOCK, "stock:read", public=["stock:list"])
    core.key(ORDERS)
    assert list_holders(core, "stock:list", "api_keys") == []
    stock, _ = core.key(STOCK)
    assert [it.id for it in list_holders(core, "stock:list", "api_keys")] == [stock.id]
