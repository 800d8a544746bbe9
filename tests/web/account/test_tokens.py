"""/account/tokens: a user's own tokens are created, changed and revoked."""

import re
from collections.abc import Iterator

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import UserChanges
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
Fields = dict[str, str | list[str]]
SECRET = re.compile(r"lk_pat_[0-9A-Za-z]{38}")


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("tokens"), rate_limits="off")
    yield made
    stop_face(made)


def person(face: Face, *scopes: str) -> tuple[Visitor, str]:
    """Return a signed-in user's browser and the id of the user."""
    name = face.person(*scopes)
    who = Visitor(face.app.test_client())
    assert who.sign_in(name, PASSWORD).status_code == 303
    who.get("/account/tokens/new")
    return who, face.core.row_id(name)


def create_token(who: Visitor, **fields: str | list[str]) -> str:
    """Make a token by the form; return the secret that the page shows."""
    asked: Fields = {"name": "laptop", "scopes": ["orders:read"]}
    answer = who.post("/account/tokens", **(asked | fields))
    assert answer.status_code == 303, answer.text
    (secret,) = SECRET.findall(who.get(answer.location).text)
    return str(secret)


def only_token(face: Face, user: str) -> str:
    ((token,), _) = face.core.actions.personal_access_tokens.page(user, 10)
    return token.id


def test_an_empty_list_says_what_to_do(face: Face) -> None:
    who, _ = person(face, "orders:read")
    page = who.get("/account/tokens").text
    assert "no token yet" in page and "/account/tokens/new" in page
    assert "Ask an operator" in person(face)[0].get("/account/tokens/new").text


@pytest.mark.asvs("10.7.3")
def test_scopes_are_offered_by_api_and_only_those_the_roles_give(face: Face) -> None:
    page = person(face, "orders:read")[0].get("/account/tokens/new").text
    assert 'value="orders:read"' in page and "https://api.example/orders" in page
    assert 'value="orders:write"' not in page and 'value="manage"' not in page


@pytest.mark.contract("a secret is shown once: not by a reload, nor by going back")
def test_a_token_is_shown_once_and_works(face: Face) -> None:
    who, user = person(face, "orders:read", "orders:write")
    made = who.post("/account/tokens", name="laptop", scopes=["orders:read"], lifetime="7", description="mine")
    answer = who.get(made.location)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    (secret,) = SECRET.findall(answer.text)
    assert "never again" in answer.text
    claims = face.core.actions.verify(secret)
    assert claims is not None and str(claims.grants.scopes) == "orders:read"
    assert claims.expires_at is not None and (claims.expires_at - face.core.clock()).days == 7
    token = only_token(face, user)
    for path in (made.location, "/account/tokens", f"/account/tokens/{token}", "/account", "/account/tokens/new"):
        page = who.get(path).text
        assert not SECRET.search(page), path
    assert "laptop" in who.get("/account/tokens").text and secret[-4:] in who.get("/account/tokens").text


@pytest.mark.contract("a secret is shown once: not by a reload, nor by going back")
def test_sent_again_the_form_makes_no_second_token(face: Face) -> None:
    who, _ = person(face, "orders:read")
    create_token(who)
    again = who.post("/account/tokens", name="laptop", scopes=["orders:read"])
    assert again.status_code == 409 and not SECRET.search(again.text) and "live token of this name" in again.text


@pytest.mark.asvs("2.2.2")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["orders:write"]}, "scopes"),
        ({"scopes": ["no such scope"]}, "scopes"),
        ({"lifetime": "5000"}, "lifetime"),
        ({"lifetime": "day"}, "expires_on"),
        ({"lifetime": "day", "expires_on": "tomorrow"}, "expires_on"),
        ({"lifetime": "day", "expires_on": "2001-01-01"}, "expires_on"),
        ({"lifetime": "day", "expires_on": "9999-12-31"}, "expires_on"),
        ({"description": "x" * 1001}, "description"),
    ],
)
def test_an_invalid_value_is_refused_at_its_field_and_what_was_typed_is_kept(
    face: Face, fields: Fields, field: str
) -> None:
    who, user = person(face, "orders:read")
    asked: Fields = {"name": "kept name", "scopes": ["orders:read"], "description": "kept words"}
    answer = who.post("/account/tokens", **(asked | fields))
    assert answer.status_code == 422, answer.text
    marks = (f'id="{field}-help"', "scopes-problem", "lifetime-problem")
    assert any(mark in answer.text for mark in marks)
    assert "name" in fields or 'value="kept name"' in answer.text
    assert "description" in fields or 'value="kept words"' in answer.text
    assert face.core.actions.personal_access_tokens.page(user, 10)[0] == []


def test_a_maximum_lifetime_removes_never_and_longer_presets(tmp_path_factory: pytest.TempPathFactory) -> None:
    day = 86_400
    face = start_face(tmp_path_factory.mktemp("policy"), pat_max_lifetime=40 * day, pat_default_lifetime=5 * day)
    who, _ = person(face, "orders:read")
    page = who.get("/account/tokens/new").text
    assert "5 days" in page and "30 days" in page and "90 days" not in page and "never" not in page
    assert who.post("/account/tokens", name="a", scopes=["orders:read"], lifetime="never").status_code == 422
    stop_face(face)


def test_an_expiry_is_warned_of_seven_days_ahead(face: Face) -> None:
    who, _ = person(face, "orders:read")
    create_token(who, name="soon over", lifetime="7")
    create_token(who, name="long to go", lifetime="90")
    rows = who.get("/account/tokens").text.split("<tr>")
    (soon,), (far,) = ([row for row in rows if name in row] for name in ("soon over", "long to go"))
    assert ">soon<" in soon and ">soon<" not in far


def test_regenerating_kills_the_old_secret_and_shows_the_new_one_once(face: Face) -> None:
    who, user = person(face, "orders:read")
    old, token = create_token(who), only_token(face, user)
    asked = who.get(f"/account/tokens/{token}/regenerate").text
    assert old[-4:] in asked and "refused from that moment" in asked
    answer = who.get(who.post(f"/account/tokens/{token}/regenerate").location)
    (new,) = SECRET.findall(answer.text)
    assert face.core.actions.verify(old) is None and face.core.actions.verify(new) is not None
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.asvs("10.4.9", "10.7.3")
def test_revoking_asks_once_says_what_stops_and_is_for_good(face: Face) -> None:
    who, user = person(face, "orders:read")
    secret, token = create_token(who), only_token(face, user)
    asked = who.get(f"/account/tokens/{token}/revoke").text
    assert "stops working at once" in asked and "orders:read" in asked and "never used" in asked
    assert face.core.actions.verify(secret) is not None
    assert who.post(f"/account/tokens/{token}/revoke").status_code == 303
    assert face.core.actions.verify(secret) is None
    page = who.get("/account/tokens?status=revoked").text
    assert "laptop" in page and "revoked by its owner" in page
    assert who.post(f"/account/tokens/{token}/regenerate").status_code == 409


def test_a_token_is_renamed_and_a_taken_name_is_refused_at_its_field(face: Face) -> None:
    who, user = person(face, "orders:read")
    create_token(who, name="first")
    token = only_token(face, user)
    create_token(who, name="second")
    who.get(f"/account/tokens/{token}")
    assert who.post(f"/account/tokens/{token}", name="renamed", description="new").status_code == 303
    assert "renamed" in who.get("/account/tokens").text
    taken = who.post(f"/account/tokens/{token}", name="second", description="")
    assert taken.status_code == 409 and "live token of this name" in taken.text.split('id="name-help">')[1]


def test_a_token_page_lists_its_events(face: Face) -> None:
    who, user = person(face, "orders:read")
    create_token(who)
    token = only_token(face, user)
    who.get(f"/account/tokens/{token}")
    who.post(f"/account/tokens/{token}", name="renamed", description="")
    page = who.get(f"/account/tokens/{token}").text
    assert "personal_access_token.create" in page and "personal_access_token.update" in page


@pytest.mark.asvs("8.2.2")
def test_another_users_token_is_not_there(face: Face) -> None:
    victim, user = person(face, "orders:read")
    secret, token = create_token(victim), only_token(face, user)
    attacker, _ = person(face, "orders:read")
    for path in (f"new?like={token}", f"{token}/secret"):
        assert attacker.get(f"/account/tokens/{path}").status_code == 404
    for path in ("", "/regenerate", "/revoke", "/delete"):
        assert attacker.get(f"/account/tokens/{token}{path}").status_code == 404
        assert attacker.post(f"/account/tokens/{token}{path}", name="mine", description="").status_code == 404
    assert face.core.actions.verify(secret) is not None


@pytest.mark.asvs("3.2.2")
@pytest.mark.contract("stored scripts, in every name")
def test_every_text_is_escaped(face: Face) -> None:
    who, user = person(face, "orders:read")
    display = UserChanges(display_name=HOSTILE)
    face.core.actions.users.change(OPERATOR, user, display)
    answer = who.get(who.post("/account/tokens", name=HOSTILE, scopes=["orders:read"], description=HOSTILE).location)
    token = only_token(face, user)
    pages = [answer.text, who.post("/account/tokens", name=HOSTILE, scopes=[HOSTILE], lifetime=HOSTILE).text]
    paths = ("/account", "/account/tokens", f"/account/tokens/{token}")
    pages += [who.get(path).text for path in (*paths, f"{paths[2]}/revoke", f"{paths[2]}/regenerate")]
    for page in pages:
        assert "<script>alert" not in page and "<img" not in page and "&lt;script&gt;" in page


def test_a_long_list_comes_in_pages(face: Face) -> None:
    who, _ = person(face, "orders:read")
    for number in range(60):
        create_token(who, name=f"token {number:02}")
    first = who.get("/account/tokens").text
    onward = re.search(r'href="([^"]+)" rel="next"', first)
    assert onward is not None
    second = who.get(onward[1].replace("&amp;", "&")).text
    names = re.findall(r">(token \d\d)</a>", first + second)
    assert names == [f"token {number:02}" for number in reversed(range(60))] and 'rel="next"' not in second


def test_the_list_is_searched_and_filtered_together(face: Face) -> None:
    who, _ = person(face, "orders:read", "orders:write")
    create_token(who, name="laptop")
    create_token(who, name="nightly", scopes=["orders:write"])
    by_name, by_scope = who.get("/account/tokens?q=LAPT").text, who.get("/account/tokens?q=orders:write").text
    assert "laptop</a>" in by_name and "nightly</a>" not in by_name and 'value="LAPT"' in by_name
    assert "nightly</a>" in by_scope and "laptop</a>" not in by_scope
    assert "/account/tokens?q=LAPT" not in who.get("/account/tokens").text
    assert "status=revoked&amp;q=LAPT" in by_name or "q=LAPT&amp;status=revoked" in by_name
    assert "No token matches" in who.get("/account/tokens?q=LAPT&status=revoked").text


def test_an_expired_token_can_be_deleted_and_not_revoked(face: Face) -> None:
    who, user = person(face, "orders:read")
    create_token(who, name="short", lifetime="7")
    token = only_token(face, user)
    assert "/delete" not in who.get("/account/tokens").text
    assert who.post(f"/account/tokens/{token}/delete").status_code == 409
    face.core.clock.advance(seconds=7 * 86_400)
    who.sign_in(face.core.actions.users.get(user).username, PASSWORD)
    page, own = who.get("/account/tokens?status=expired").text, who.get(f"/account/tokens/{token}").text
    for text in (page, own):
        assert f"/account/tokens/{token}/delete" in text and f"/account/tokens/{token}/revoke" not in text
    asked = who.get(f"/account/tokens/{token}/delete").text
    assert "leaves your list" in asked
    assert who.post(f"/account/tokens/{token}/delete").status_code == 303
    assert "short</a>" not in who.get("/account/tokens").text and who.get(f"/account/tokens/{token}").status_code == 404


def test_the_examples_call_an_api_of_the_chosen_scopes(face: Face) -> None:
    who, _ = person(face, "orders:read", "stock:read")
    made = who.post("/account/tokens", name="laptop", scopes=["orders:read"])
    shown = who.get(made.location).text
    example = shown.split('id="code-curl">')[1].split("</pre>")[0]
    assert "https://api.example/orders" in example and "stock" not in shown


@pytest.mark.parametrize(
    "query",
    [
        "status=none",
        "q=%00",
        "q=%25",
        "q=" + "x" * 3000,
        "after=%00",
        "after=" + "x" * 3000,
        "after='",
        "status=active&after=pat_",
    ],
)
def test_an_odd_query_is_not_an_error(face: Face, query: str) -> None:
    assert person(face, "orders:read")[0].get(f"/account/tokens?{query}").status_code == 200
