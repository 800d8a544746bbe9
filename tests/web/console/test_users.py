"""The console's users: created, found, changed, deleted; operators cannot lock themselves out by accident."""

import re

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser, UserView
from tests.management.face import PASSWORD, Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor

ANOTHER = "seventeen yellow umbrellas"


def user_of(face: Face, username: str) -> UserView:
    [user] = face.core.actions.users.page(1, username=username)[0]
    return user


def can_sign_in(face: Face, username: str, password: str) -> bool:
    """Return whether a user can sign in with this password."""
    return Visitor(face.app.test_client()).sign_in(username, password).status_code == 303


def manager(face: Face) -> tuple[UserView, Visitor]:
    """Return a user with the scope manage, and their signed-in browser."""
    username = face.person("manage")
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(username, PASSWORD)
    return user_of(face, username), visitor


def follow_link(face: Face, page: str, password: str) -> Visitor:
    """Set a password with the link that a page shows."""
    [code] = re.findall(r"/login/link#([\w-]+)", page)
    who = Visitor(face.app.test_client())
    who.get("/login/link")
    who.post("/login/link", code=code)
    assert who.post("/login/link/password", code=code, password=password, again=password).status_code == 303
    return who


@pytest.mark.contract("the operator never types a password")
def test_a_created_user_is_invited_and_signs_in(face: Face, operator: Visitor) -> None:
    face.core.role("clerk", "user", "orders:read")
    operator.get("/console/users/new")
    fields = {"username": "ann", "display_name": "Ann O'Neill", "email": "ann@shop.example"}
    assert operator.post("/console/users", **fields, enabled="yes", roles="clerk").status_code == 303
    user = user_of(face, "ann")
    assert (user.display_name, user.email) == ("Ann O'Neill", fields["email"])
    assert user.roles == ("clerk",) and user.enabled
    invited = operator.post(f"/console/users/{user.id}/link", purpose="invitation")
    follow_link(face, invited.text, PASSWORD)
    assert can_sign_in(face, "ann", PASSWORD)
    page = operator.get(f"/console/users/{user.id}").text
    assert "Ann O&#39;Neill" in page and 'value="clerk" checked' in page


def test_an_invalid_value_is_refused_at_its_field(face: Face, operator: Visitor) -> None:
    face.core.actions.users.create(OPERATOR, NewUser("taken", "taken@shop.example"))
    operator.get("/console/users/new")
    for field, value, status, said in (
        ("username", "a b", 422, "must be letters"),
        ("username", "Taken", 409, "another user has this username"),
        ("email", "nowhere", 422, "is not an email address"),
        ("email", "taken@shop.example", 409, "another user has this email"),
    ):
        fields = {"username": "bert", "email": ""} | {field: value}
        answer = operator.post("/console/users", **fields)
        assert answer.status_code == status and f'id="{field}-help">{said}' in answer.text, (field, value)
    unknown = operator.post("/console/users", username="bert", roles="no such role")
    assert unknown.status_code == 422 and "There is no role no such role" in unknown.text


def test_users_are_found_by_a_part_of_their_username(face: Face, operator: Visitor) -> None:
    for username in ("zoe", "zoltan", "zz_top", "zzytop"):
        face.core.user(username)
    page = operator.get("/console/users?q=Zo").text
    assert ">zoe<" in page and ">zoltan<" in page and ">zz_top<" not in page
    page = operator.get("/console/users?q=zz_").text
    assert ">zz_top<" in page and ">zzytop<" not in page, "the search text is not a pattern"
    assert "No users match" in operator.get("/console/users?q=nobody%25").text


def test_the_fields_and_roles_of_a_user_change(face: Face, operator: Visitor) -> None:
    row = face.core.user("carl")
    face.core.role("driver", "user")
    operator.get(f"/console/users/{row}")
    fields = {"username": "carla", "display_name": "Carla", "email": "c@shop.example", "roles": "driver"}
    assert operator.post(f"/console/users/{row}", **fields, enabled="yes").status_code == 303
    user = face.core.actions.users.get(row)
    assert (user.username, user.display_name, user.email) == ("carla", "Carla", "c@shop.example")
    assert user.roles == ("driver",)
    assert operator.post(f"/console/users/{row}", username="carla").status_code == 303
    user = face.core.actions.users.get(row)
    assert (user.display_name, user.email, user.roles, user.enabled) == ("", None, (), False)


def test_a_refused_change_shows_what_was_sent(face: Face, operator: Visitor) -> None:
    row = face.core.user("dora")
    face.core.role("sailor", "user")
    operator.get(f"/console/users/{row}")
    answer = operator.post(f"/console/users/{row}", username="dora", email="nowhere", display_name="Do", roles="sailor")
    assert answer.status_code == 422 and 'value="Do"' in answer.text and 'value="sailor" checked' in answer.text
    assert 'name="enabled" value="yes" checked' not in answer.text
    assert face.core.actions.users.get(row).display_name == ""


@pytest.mark.asvs("6.4.3", "7.4.5")
def test_a_reset_password_ends_the_sign_ins(face: Face, operator: Visitor) -> None:
    username = face.person("orders:read")
    theirs = Visitor(face.app.test_client())
    theirs.sign_in(username, PASSWORD)
    row = user_of(face, username).id
    page = operator.get(f"/console/users/{row}").text
    assert 'type="password"' not in page
    refused = operator.post(f"/console/users/{row}/link", purpose="fun")
    assert refused.status_code == 422 and "#password-form" in refused.text
    shown = operator.post(f"/console/users/{row}/link", purpose="reset")
    assert theirs.get("/account").status_code == 200
    follow_link(face, shown.text, ANOTHER)
    assert theirs.get("/account").status_code == 303
    assert can_sign_in(face, username, ANOTHER) and not can_sign_in(face, username, PASSWORD)


@pytest.mark.asvs("6.2.3")
def test_ones_own_password_needs_the_current_one(face: Face) -> None:
    me, visitor = manager(face)
    page = visitor.get(f"/console/users/{me.id}").text
    assert "/link" not in page and 'href="/account"' in page
    assert visitor.post(f"/console/users/{me.id}/link", purpose="reset").status_code == 403
    assert can_sign_in(face, me.username, PASSWORD)


@pytest.mark.parametrize(("enabled", "keeps_role"), [(True, False), (False, True)], ids=["the role", "enabled"])
def test_a_change_that_locks_the_operator_out_needs_a_confirmation(face: Face, enabled: bool, keeps_role: bool) -> None:
    manager(face)  # another operator, because the last one cannot lose manage
    me, visitor = manager(face)
    fields = {"username": me.username}
    fields |= {"enabled": "yes"} if enabled else {}
    fields |= {"roles": me.username} if keeps_role else {}
    visitor.get(f"/console/users/{me.id}")
    asked = visitor.post(f"/console/users/{me.id}", **fields)
    assert asked.status_code == 200 and "This is you" in asked.text
    assert face.core.actions.users.get(me.id) == me
    assert visitor.post(f"/console/users/{me.id}", **fields, sure="yes").status_code == 303
    assert face.core.actions.users.get(me.id) != me
    assert visitor.get("/console/users").status_code in (303, 403)


def test_a_change_without_a_lock_out_needs_no_confirmation(face: Face) -> None:
    me, visitor = manager(face)
    visitor.get(f"/console/users/{me.id}")
    fields = {"username": me.username, "display_name": "Me", "enabled": "yes", "roles": me.username}
    assert visitor.post(f"/console/users/{me.id}", **fields).status_code == 303
    assert face.core.actions.users.get(me.id).display_name == "Me"


def test_a_deletion_says_what_ends_and_warns_of_deleting_oneself(face: Face, operator: Visitor) -> None:
    username = face.person("orders:read")
    row, (_, secret) = user_of(face, username).id, face.core.pat(username, "orders:read")
    asked = operator.get(f"/console/users/{row}/delete").text
    assert "1 live personal access token<" in asked and "This is you" not in asked
    assert face.core.actions.users.get(row).username == username, "asking deletes nothing"
    assert operator.post(f"/console/users/{row}/delete").status_code == 303
    assert not face.core.actions.users.page(1, username=username)[0] and not face.core.active(secret)
    me, visitor = manager(face)
    assert "This is you" in visitor.get(f"/console/users/{me.id}/delete").text


def test_a_token_of_theirs_is_shown_by_its_hint_and_revoked(face: Face, operator: Visitor) -> None:
    username = face.person("orders:read")
    row, (token, secret) = user_of(face, username).id, face.core.pat(username, "orders:read", name="robot arm")
    page = operator.get(f"/console/users/{row}").text
    assert "robot arm" in page and token.hint in page and secret not in page
    asked = operator.get(f"/console/users/{row}/tokens/{token.id}/revoke").text
    assert "Revoke robot arm?" in asked and "never used" in asked and face.core.active(secret)
    assert operator.post(f"/console/users/{row}/tokens/{token.id}/revoke").status_code == 303
    assert not face.core.active(secret)
    page = operator.get(f"/console/users/{row}").text
    assert "revoked by an operator" in page and f"{token.id}/revoke" not in page


def test_the_list_and_its_search_go_on_by_their_cursor(face: Face, operator: Visitor) -> None:
    for number in range(55):
        face.core.user(f"many{number:02}")
    for path in ("/console/users", "/console/users?q=many"):
        pages = pages_of(operator, path)
        assert len(pages) > 1
        for number in range(55):
            assert [f">many{number:02}<" in page for page in pages].count(True) == 1
    assert all(">ann<" not in page for page in pages)


def test_a_token_is_made_for_them_and_shown_this_once(face: Face, operator: Visitor) -> None:
    username = face.person("orders:read")
    row = user_of(face, username).id
    operator.get(f"/console/users/{row}/tokens/new")
    for fields, mark in (
        ({"name": "arm", "scopes": "orders:write"}, 'id="scopes-problem"'),
        ({"name": "arm"}, 'id="scopes-problem"'),
        ({"name": "", "scopes": "orders:read"}, 'id="name-help">is needed'),
        ({"name": "arm", "scopes": "orders:read", "expires_on": "2001-01-01"}, 'id="expires_on-help"'),
    ):
        refused = operator.post(f"/console/users/{row}/tokens", **fields)
        assert refused.status_code == 422 and mark in refused.text, fields
    made = operator.post(f"/console/users/{row}/tokens", name="arm", scopes="orders:read", expires_on="2030-01-31")
    assert made.status_code == 201
    secret = made.text.split('id="secret" value="')[1].split('"')[0]
    assert face.core.scope(secret) == "orders:read" and face.core.verified(secret).subject == row
    page = operator.get(f"/console/users/{row}").text
    assert ">arm<" in page and "2030-02-01 00:00" in page and secret not in page
    taken = operator.post(f"/console/users/{row}/tokens", name="arm", scopes="orders:read")
    assert taken.status_code == 409 and 'id="name-help">the user has a live token' in taken.text


def test_a_user_without_scopes_is_offered_no_token_form(face: Face, operator: Visitor) -> None:
    row = face.core.user("roleless")
    assert "Give them a role first" in operator.get(f"/console/users/{row}/tokens/new").text
