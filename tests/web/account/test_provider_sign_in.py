"""Who a person is that an identity provider signs in: linked by issuer and subject, with the roles of their groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser, UserChanges
from app.models import IdentityLink, OutboxMessage, ProvidedRole, SpentChallenge, User, UserSession
from tests.fake_provider import CLIENT, SECRET
from tests.management.face import OWN, PASSWORD
from tests.web.account.provider_scene import ID, NAME, Scene, staged
from tests.web.visitor import Visitor, browser_of, sign_in_at_once

pytestmark = pytest.mark.both_databases
ELSEWHERE = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/../account", "")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def sessions_of(scene: Scene, username: str) -> list[UserSession]:
    with scene.face.core.store.reading() as session:
        query = select(UserSession).join(User, User.id == UserSession.user_id).where(User.username == username)
        return list(session.scalars(query))


def alert(text: str) -> str:
    return " ".join(text.split('role="alert"')[1].split("</p>")[0].split())


def test_a_person_signs_in_and_is_made_a_user(scene: Scene) -> None:
    who = scene.visitor()
    assert f"Sign in with {NAME}" in who.get("/login").text
    response = scene.sign_in(who, "s-1", preferred_username="ann", email="ann@acme.example", email_verified=True)
    assert response.status_code == 303 and response.location == "/account/tokens", response.text
    assert who.get("/account").status_code == 200
    user = scene.user("ann")
    assert user.email == "ann@acme.example" and user.password_digest is None
    [session] = sessions_of(scene, "ann")
    assert session.methods == ["fed"] and session.provider == ID
    begun = scene.face.core.trace("user_session.begin")[-1]
    assert begun.details["methods"] == ["fed"] and begun.actor == user.id
    assert [event.actor_type for event in scene.face.core.trace("user.create")] == ["server"]
    linked = scene.face.core.trace("user.link")[-1]
    assert linked.details == {"issuer": scene.provider.issuer, "subject": "s-1"}


@pytest.mark.asvs("6.8.4")
def test_a_second_factor_at_the_provider_is_noted(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann", amr=["pwd", "mfa"], sid="a session")
    [session] = sessions_of(scene, "ann")
    assert session.methods == ["fed", "mfa"] and session.provider_session == "a session"


@pytest.mark.asvs("3.7.2")
@pytest.mark.contract("open redirect after sign-in")
@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_no_sign_in_at_a_provider_redirects_to_another_site(scene: Scene, wanted: str) -> None:
    who = scene.visitor()
    back = scene.provider.consent(scene.begin(who, next=wanted), "s-1", preferred_username="ann")
    assert who.http.get(back).location == "/account/tokens"


def test_the_page_that_was_asked_for_opens_after_the_sign_in(scene: Scene) -> None:
    who = scene.visitor()
    form = who.get(who.get("/account/apps?status=active").location)
    [button] = re.findall(r'href="(/login/with/[^"]+)"', form.text)
    url = who.http.get(button.replace("&amp;", "&")).location
    back = scene.provider.consent(str(url), "s-1", preferred_username="ann")
    assert who.http.get(back).location == "/account/apps?status=active"


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("session fixation")
def test_a_cookie_from_before_the_sign_in_is_not_valid_after_it(scene: Scene) -> None:
    who = scene.visitor()
    url = scene.begin(who)
    planted = who.http.get_cookie("__Host-latchkey")
    assert planted is not None
    who.http.get(scene.provider.consent(url, "s-1", preferred_username="ann"))
    assert who.get("/account").status_code == 200
    other = scene.visitor()
    other.http.set_cookie("__Host-latchkey", planted.value)
    assert other.get("/account").status_code == 303


@pytest.mark.asvs("7.6.2")
@pytest.mark.parametrize("sender", ["cross-site", "same-site"])
def test_a_page_of_another_site_signs_nobody_in(scene: Scene, sender: str) -> None:
    response = scene.visitor().http.get(f"/login/with/{ID}", headers={"Sec-Fetch-Site": sender})
    assert response.status_code == 303 and response.location == "/login"
    own = scene.visitor().http.get(f"/login/with/{ID}", headers={"Sec-Fetch-Site": "same-origin"})
    assert str(own.location).startswith(scene.provider.issuer)


@pytest.mark.asvs("6.8.1", "10.5.2")
@pytest.mark.contract("a user is linked by issuer and subject, never by a name or an address")
def test_a_changed_username_or_address_is_the_same_user(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann", email="ann@acme.example", email_verified=True)
    first = scene.user("ann")
    scene.admit("s-1", preferred_username="bob", email="bob@acme.example", email_verified=True)
    assert scene.count(User) == 1 and scene.user("ann").id == first.id and scene.user("ann").email == first.email


@pytest.mark.asvs("6.8.1", "10.5.2")
@pytest.mark.contract("a user is linked by issuer and subject, never by a name or an address")
def test_an_account_is_not_taken_over_by_its_username_or_address(scene: Scene) -> None:
    new = NewUser("ann", "ann@acme.example", PASSWORD)
    scene.face.core.actions.users.create(OPERATOR, new)
    who = scene.visitor()
    response = scene.sign_in(who, "evil", preferred_username="Ann", email="ann@acme.example", email_verified=True)
    assert response.status_code == 403 and "an account has your username already" in response.text.lower()
    assert who.get("/account").status_code == 303 and scene.count(IdentityLink) == 0
    scene.admit("evil", preferred_username="evil", email="ann@acme.example", email_verified=True)
    assert scene.user("evil").email is None and scene.user("ann").email == "ann@acme.example"


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_unverified_address_is_not_stored(scene: Scene, verified: object) -> None:
    scene.admit("s-1", preferred_username="ann", email="ann@acme.example", email_verified=verified)
    assert scene.user("ann").email is None


@pytest.mark.parametrize("username", [None, "", "a b", "x" * 101, 7, "a\0b", "<b>", ["ann"]])
def test_a_username_that_cannot_be_used_is_refused_with_a_page(scene: Scene, username: object) -> None:
    response = scene.sign_in(scene.visitor(), "s-1", preferred_username=username)
    assert response.status_code == 403 and "gives no username" in alert(response.text)
    assert scene.count(User) == 0 and scene.count(IdentityLink) == 0


@pytest.mark.parametrize("name", ["a\0b", "\u202eevil", "x" * 500, 7, "   "])
def test_an_odd_display_name_is_left_out(scene: Scene, name: object) -> None:
    scene.admit("s-1", preferred_username="ann", name=name)
    assert scene.user("ann").display_name == ""


def test_an_unknown_person_is_refused_where_users_are_not_created(tmp_path: Path) -> None:
    with staged(tmp_path, entries={"create_users": False}) as scene:
        response = scene.sign_in(scene.visitor(), "s-1", preferred_username="ann")
        assert response.status_code == 403 and "no account here is linked to you" in alert(response.text)
        assert scene.count(User) == 0 and scene.face.core.count(SpentChallenge) == 0


def test_a_disabled_user_stays_out(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann")
    users = scene.face.core.actions.users
    users.change(OPERATOR, scene.user("ann").id, UserChanges(enabled=False))
    who = scene.visitor()
    response = scene.sign_in(who, "s-1")
    assert response.status_code == 403 and "disabled" in alert(response.text)
    assert who.get("/account").status_code == 303 and not sessions_of(scene, "ann")


@pytest.mark.parametrize("claims", [{}, {"hd": "evil.example"}, {"hd": ["evil.example"]}, {"hd": True}])
def test_a_claim_that_everybody_must_have_is_required(tmp_path: Path, claims: dict[str, Any]) -> None:
    with staged(tmp_path, entries={"required_claims": {"hd": "acme.example"}}) as scene:
        response = scene.sign_in(scene.visitor(), "s-1", preferred_username="ann", **claims)
        assert response.status_code == 403 and "does not say that you may sign in" in alert(response.text)
        scene.admit("s-1", preferred_username="ann", hd="acme.example")
        scene.admit("s-1", hd=["acme.example", "other.example"])


def test_what_the_id_token_lacks_comes_from_the_userinfo_of_the_same_subject(scene: Scene) -> None:
    scene.provider.userinfo = {"sub": "s-1", "preferred_username": "ann", "groups": ["buyers"], "iss": "https://evil"}
    scene.admit("s-1")
    assert scene.roles("ann") == {"buyer": False}
    scene.provider.userinfo = {"sub": "s-2", "preferred_username": "bob", "groups": ["auditors"]}
    response = scene.sign_in(scene.visitor(), "s-1")  # OpenID Connect Core §5.3.2
    assert response.status_code == 403 and scene.roles("ann") == {"buyer": False}


def test_the_userinfo_is_not_fetched_when_nothing_lacks(scene: Scene) -> None:
    scene.provider.userinfo = {"sub": "s-1"}
    scene.admit("s-1", preferred_username="ann", groups=[])
    assert "/userinfo" not in [path for path, *_ in scene.provider.asked]


@pytest.mark.contract("roles from groups follow each sign-in, and roles given here stay")
def test_roles_follow_the_groups_at_each_sign_in(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann", groups=["buyers", "unmapped", 7])
    assert scene.roles("ann") == {"buyer": False}
    scene.admit("s-1", groups=["auditors"])
    assert scene.roles("ann") == {"auditor": False, "buyer": False}
    users, ann = scene.face.core.actions.users, scene.user("ann").id
    users.change(OPERATOR, ann, UserChanges(roles=("buyer",)))  # what the provider gives stays
    assert scene.roles("ann") == {"auditor": False, "buyer": False}
    scene.admit("s-1", groups="buyers")
    assert scene.roles("ann") == {"buyer": False}
    scene.admit("s-1", groups=[])
    assert scene.roles("ann") == {} and scene.count(ProvidedRole) == 0
    users.change(OPERATOR, ann, UserChanges(roles=("buyer",)))
    scene.admit("s-1", groups=["buyers"])
    scene.admit("s-1", groups=[])
    assert scene.roles("ann") == {"buyer": True}


def test_a_role_that_was_given_here_too_is_withdrawn_here_alone(scene: Scene) -> None:
    scene.face.core.user("bea", "buyer")
    users, bea = scene.face.core.actions.users, scene.face.core.row_id("bea")
    link_account(scene, "bea", "s-2", groups=["buyers"])
    assert scene.roles("bea") == {"buyer": True}
    users.change(OPERATOR, bea, UserChanges(roles=()))
    assert scene.roles("bea") == {"buyer": False}
    assert users.get(bea).provided_roles == ("buyer",)
    scene.admit("s-2", groups=[])
    assert scene.roles("bea") == {} and users.get(bea).provided_roles == ()


def link_account(scene: Scene, name: str, subject: str, **claims: Any) -> Visitor:
    """Sign a user in without a password, and link an account of the provider."""
    who = sign_in_at_once(scene.face, name)
    page = who.get("/account")
    assert f"Link an account of {NAME}" in page.text
    onward = who.post(f"/account/providers/{ID}/link")
    assert onward.status_code == 200, onward.text
    [url] = re.findall(r'href="(http://127[^"]+)"', onward.text)
    response = who.http.get(scene.provider.consent(url.replace("&amp;", "&"), subject, **claims))
    assert response.status_code == 303 and response.location == "/account", response.text
    return who


def test_a_lost_role_ends_the_scopes_of_tokens_at_once(scene: Scene) -> None:
    who = scene.admit("s-1", preferred_username="ann", groups=["buyers"])
    assert who.get("/account").status_code == 200
    core = scene.face.core
    core._rows["ann"] = scene.user("ann").id
    _, token = core.pat("ann", "orders:read")
    assert core.scope(token) == "orders:read"
    scene.admit("s-1", groups=[])
    assert core.scope(token) == "" or not core.active(token)


@pytest.mark.asvs("6.8.1")
def test_a_user_links_an_account_signs_in_with_it_and_ends_the_link(scene: Scene) -> None:
    name = scene.face.person("orders:read")
    who = link_account(scene, name, "mine", preferred_username="somebody")
    assert scene.count(User) == 1 and "mine" in who.get("/account").text
    again = scene.admit("mine")
    assert name in again.get("/account").text
    [link] = re.findall(r"/account/providers/links/([^/]+)/unlink", who.get("/account").text)
    assert who.post(f"/account/providers/links/{link}/unlink").status_code == 303
    assert scene.count(IdentityLink) == 0
    assert [event.action for event in scene.face.core.trace() if "link" in event.action] == ["user.link", "user.unlink"]
    response = scene.sign_in(scene.visitor(), "mine", preferred_username=name)
    assert response.status_code == 403


def test_a_user_is_mailed_when_an_account_is_linked_and_unlinked(tmp_path: Path) -> None:
    with staged(tmp_path, smtp_url="smtp://127.0.0.1:9", mail_from="latchkey@acme.example") as scene:
        core, name = scene.face.core, scene.face.person("orders:read")
        core.actions.users.change(OPERATOR, core.row_id(name), UserChanges(email="ann@acme.example"))
        who = link_account(scene, name, "mine")
        [link] = core.actions.federation.links.of_user(core.row_id(name))
        assert who.post(f"/account/providers/links/{link.id}/unlink").status_code == 303
        with core.store.reading() as session:
            sent = session.scalars(select(OutboxMessage).where(OutboxMessage.type == "linked_account.changed")).all()
        assert len(sent) == 2 and all(name in str(message.payload) for message in sent)


def test_an_account_of_another_user_is_not_linked(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann")
    name = scene.face.person()
    who = browser_of(scene.face, name)
    who.get("/account")
    onward = who.post(f"/account/providers/{ID}/link")
    [url] = re.findall(r'href="(http://127[^"]+)"', onward.text)
    response = who.http.get(scene.provider.consent(url.replace("&amp;", "&"), "s-1"))
    assert response.status_code == 403 and "linked to another user" in alert(response.text)
    assert name in who.get("/account").text and scene.count(IdentityLink) == 1


def test_a_link_that_was_begun_by_another_user_is_refused(scene: Scene) -> None:
    first, second = scene.face.person(), scene.face.person()
    who = browser_of(scene.face, first)
    who.get("/account")
    onward = who.post(f"/account/providers/{ID}/link")
    [url] = re.findall(r'href="(http://127[^"]+)"', onward.text)
    with who.http.session_transaction("/login") as kept:
        begun = kept["begun"]
    assert who.sign_in(second, PASSWORD).status_code == 303
    with who.http.session_transaction("/login") as changed:
        changed["begun"] = begun
    response = who.http.get(scene.provider.consent(url.replace("&amp;", "&"), "s-1"))
    assert response.status_code == 403 and scene.count(IdentityLink) == 0


def test_linking_needs_a_form_of_ours_and_a_recent_sign_in(scene: Scene) -> None:
    who = browser_of(scene.face, scene.face.person())
    assert who.http.post(f"/account/providers/{ID}/link").status_code == 400
    who.get("/account")
    scene.face.core.clock.advance(minutes=16)
    assert who.post(f"/account/providers/{ID}/link").status_code == 403


def test_the_only_way_to_sign_in_is_not_unlinked(scene: Scene) -> None:
    who = scene.admit("s-1", preferred_username="ann")
    [link] = re.findall(r"/account/providers/links/([^/]+)/unlink", who.get("/account").text)
    assert who.post(f"/account/providers/links/{link}/unlink").status_code == 409 and scene.count(IdentityLink) == 1


def test_nobody_ends_the_link_of_another(scene: Scene) -> None:
    scene.admit("s-1", preferred_username="ann")
    with scene.face.core.store.reading() as session:
        link = session.scalars(select(IdentityLink.id)).one()
    who = browser_of(scene.face, scene.face.person())
    who.get("/account")
    assert who.post(f"/account/providers/links/{link}/unlink").status_code == 404 and scene.count(IdentityLink) == 1


def test_strangers_who_choose_a_provider_leave_no_row(scene: Scene) -> None:
    tables = (User, IdentityLink, SpentChallenge, UserSession)
    before = [scene.face.core.count(table) for table in tables]
    for _ in range(50):
        scene.begin(scene.visitor())
    assert [scene.face.core.count(table) for table in tables] == before and not scene.face.core.trace("user.create")


def test_failures_of_an_address_are_recorded_and_limited(tmp_path: Path) -> None:
    with staged(tmp_path, rate_limits="on") as scene:
        who = scene.visitor()
        statuses = [who.http.get(f"/login/callback/{ID}?state=s&code=c").status_code for _ in range(101)]
        assert statuses == [403] * 100 + [429]
        failed = scene.face.core.trace("authentication.fail")[0]
        assert (failed.target_type, failed.target, failed.details["by"]) == ("identity_provider", ID, "provider")
        assert "100" not in [event.details.get("state") for event in scene.face.core.trace()]


def test_our_signing_key_authenticates_us_where_there_is_no_secret(tmp_path: Path) -> None:
    with staged(tmp_path, entries={"client_secret": None, "private_key_jwt": True}) as scene:
        scene.admit("s-1", preferred_username="ann")
        form = next(form for path, _, form in scene.provider.asked if path == "/token")
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        keys: Any = scene.face.app.test_client().get("/.well-known/jwks.json").json
        assertion = form["client_assertion"]
        kid = jwt.get_unverified_header(assertion)["kid"]
        key = jwt.PyJWK(next(one for one in keys["keys"] if one["kid"] == kid))
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(assertion, key, ["ES256"], audience=scene.provider.issuer, options=options)
        assert claims["iss"] == claims["sub"] == CLIENT and 0 < claims["exp"] - claims["iat"] <= 60 and claims["jti"]
        assert scene.face.core.actions.verify(assertion) is None  # and is not a token here


def test_a_provider_that_takes_the_secret_in_the_form_gets_it_there(scene: Scene) -> None:
    scene.provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    scene.admit("s-1", preferred_username="ann")
    form = next(form for path, _, form in scene.provider.asked if path == "/token")
    assert form["client_secret"] == SECRET


def test_no_secret_of_a_sign_in_is_logged_or_audited(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    who = scene.visitor()
    url = scene.begin(who)
    state = parse_qs(urlsplit(url).query)["state"][0]
    who.http.get(scene.provider.consent(url, "s-1", preferred_username="ann"))
    verifier = next(form for path, _, form in scene.provider.asked if path == "/token")["code_verifier"]
    text = caplog.text + repr([event.details for event in scene.face.core.trace()])
    for secret in (state, verifier, SECRET, "an access token"):
        assert secret not in text


def test_an_administrator_may_come_from_the_provider(tmp_path: Path) -> None:
    with staged(tmp_path, entries={"roles": {"admins": ["boss"]}}) as scene:
        scene.face.core.role("boss", "user", "manage")
        who = scene.admit("s-1", preferred_username="ann", groups=["admins"])
        assert who.get("/console").status_code == 200 and OWN
        scene.admit("s-1", groups=[])
        assert who.get("/console").status_code == 403
