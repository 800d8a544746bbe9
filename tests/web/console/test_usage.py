"""Use on pages: a chart for each credential, and the most used ones on the overview."""

from ipaddress import ip_address

import pytest

from app.actions.tokens.usage import Use, origin_of
from tests.app_grants import connect_app, register_app
from tests.management.face import Face
from tests.web.console.test_api_keys import issue_key, view_of
from tests.web.visitor import Visitor, browser_of

GATEWAY = origin_of("gateway", ip_address("192.0.2.7"))


def use(face: Face, target: str, row_id: str, times: int, outcome: str = "ok") -> None:
    """Count uses of a row, as the endpoints do, and write them."""
    usage = face.core.actions.usage
    for _ in range(times):
        usage.note_use(Use((target, row_id, "", outcome)), face.core.clock(), GATEWAY)
    usage.flush()


@pytest.mark.contract("a chart on each credential's page")
def test_the_page_of_a_key_shows_its_use_and_where_it_came_from(face: Face, operator: Visitor) -> None:
    key = view_of(face, issue_key(operator, "charted"))
    assert "Not used in this time." in operator.get(f"/console/api-keys/{key.id}").text
    use(face, "api_key", key.id, 3)
    use(face, "api_key", key.id, 2, "rate_limited")
    page = operator.get(f"/console/api-keys/{key.id}").text
    assert "3 accepted, 2 refused." in page and '<svg class="chart"' in page
    assert "192.0.2.0/24" in page and "gateway" in page and "rate_limited" in page
    assert 'style="' not in page.split('<svg class="chart"', 1)[1].split("</svg>", 1)[0]


@pytest.mark.contract("a chart on each credential's page")
def test_the_pages_of_a_client_and_of_a_users_own_token_show_their_use(face: Face, operator: Visitor) -> None:
    client = face.core.client("charted")
    use(face, "client", client, 4)
    assert "4 accepted, 0 refused." in operator.get(f"/console/clients/{client}").text
    person = face.person("users:read")
    token = face.core.pat(person, "users:read")[0].id
    use(face, "personal_access_token", token, 5)
    assert "5 accepted, 0 refused." in browser_of(face, person).get(f"/account/tokens/{token}").text


@pytest.mark.contract("a chart on each credential's page")
def test_the_page_of_a_users_own_app_shows_the_use_of_all_its_grants(face: Face) -> None:
    person, other = face.person("orders:read"), face.person("orders:read")
    app = register_app(face.core, "Almanac")
    for name, times in ((person, 2), (person, 3), (other, 90)):
        use(face, "grant", connect_app(face.core, app, face.core.row_id(name), "orders:read").grant_id, times)
    page = browser_of(face, person).get(f"/account/apps/{app.row_id}").text
    assert "5 accepted, 0 refused." in page and '<svg class="chart"' in page


@pytest.mark.contract("a chart on each credential's page")
def test_a_credential_of_any_kind_has_a_page_with_its_chart(face: Face, operator: Visitor) -> None:
    person, app = face.person("orders:read"), register_app(face.core, "Planner")
    client = face.core.client("any-kind")
    made = {
        "Personal access token": ("personal_access_token", face.core.pat(person, "orders:read", name="shown")[0].id),
        "API key": ("api_key", view_of(face, issue_key(operator, "shown too")).id),
        "Machine client": ("client", client),
        "App grant": ("grant", connect_app(face.core, app, face.core.row_id(person), "orders:read").grant_id),
    }
    for times, (word, (target, row_id)) in enumerate(made.items(), 1):
        assert "Not used in this time." in operator.get(f"/console/credentials/{row_id}").text, word
        use(face, target, row_id, times)
        page = operator.get(f"/console/credentials/{row_id}").text
        assert f"<dt>Kind</dt><dd>{word}</dd>" in page and f"{times} accepted, 0 refused." in page
    assert (
        f'href="/console/api-keys/{made["API key"][1]}" role="button"'
        in operator.get(f"/console/credentials/{made['API key'][1]}").text
    )
    assert f'href="/console/clients/{client}" role="button"' in operator.get(f"/console/credentials/{client}").text


def test_the_page_says_whose_it_is_and_asks_before_it_is_revoked(face: Face, operator: Visitor) -> None:
    person = face.person("orders:read")
    token = face.core.pat(person, "orders:read", name="to <end>")[0]
    path = f"/console/credentials/{token.id}"
    page = operator.get(path).text
    for text in ("to &lt;end&gt;", token.hint, f"/console/users/{face.core.row_id(person)}", 'data-status="active"'):
        assert text in page
    question = operator.post(f"/console/credentials/revoke?owner={person}", ids=[token.id])
    assert (
        "Revoke 1 credential?" in question.text
        and face.core.actions.personal_access_tokens.get(face.core.row_id(person), token.id).status == "active"
    )
    assert operator.post("/console/credentials/revoke", ids=[token.id], sure="yes").status_code == 303
    ended = operator.get(path).text
    assert 'data-status="revoked"' in ended and "danger-zone" not in ended


def test_a_client_secret_leads_to_its_client_and_nothing_to_a_page(face: Face, operator: Visitor) -> None:
    client = face.core.client("with-secret")
    face.core.client_secret("with-secret")
    [secret], _ = face.core.actions.client_secrets.page(client, 1)
    page = operator.get(f"/console/credentials/{secret.id}").text
    assert (
        "Its use is counted for its owner." in page
        and f"/console/clients/{client}" in page
        and '<svg class="chart"' not in page
    )
    for row_id in ("pat_nobody", face.core.row_id(face.person()), "revoke"):
        assert operator.get(f"/console/credentials/{row_id}").status_code == 404


def test_lists_lead_to_the_page_of_what_has_no_other(face: Face, operator: Visitor) -> None:
    person, other, app = face.person("orders:read"), face.person("orders:read"), register_app(face.core, "Diary")
    user = face.core.row_id(person)
    token = face.core.pat(person, "orders:read")[0].id
    grant, theirs = (
        connect_app(face.core, app, face.core.row_id(one), "orders:read").grant_id for one in (person, other)
    )
    own, grants = f"/console/credentials/{token}", f"/console/clients/{app.row_id}/grants"
    listed = operator.get(f"/console/credentials?owner={person}").text
    page = operator.get(f"/console/users/{user}").text
    assert f'href="{own}"' in listed and f'href="/console/credentials/{grant}"' in listed and f'href="{own}"' in page
    assert f'href="{grants}?user={user}"' in page
    mine, all_users = operator.get(f"{grants}?user={user}").text, operator.get(grants).text
    assert f'href="/console/credentials/{grant}"' in mine and theirs not in mine
    assert f"{grants}?status=active&amp;user={user}" in mine and f'href="{grants}"' in mine
    assert f'href="/console/credentials/{theirs}"' in all_users and "of all users" not in all_users


@pytest.mark.contract("the top ten on the overview")
def test_the_most_used_tokens_and_grants_are_linked_too(face: Face, operator: Visitor) -> None:
    person, app = face.person("orders:read"), register_app(face.core, "Busy")
    token = face.core.pat(person, "orders:read", name="busy token")[0].id
    grant = connect_app(face.core, app, face.core.row_id(person), "orders:read").grant_id
    use(face, "personal_access_token", token, 900)
    use(face, "grant", grant, 901)
    page = operator.get("/console").text.split("Most used in the last 7 days", 1)[1]
    assert page.count(f"of <bdi>{person}</bdi>") == 2 and '"Kind">App grant</td>' in page
    assert f'href="/console/credentials/{token}">busy token</a>' in page
    assert f'href="/console/credentials/{grant}">Busy</a>' in page


@pytest.mark.contract("the top ten on the overview")
def test_the_overview_shows_the_most_used_and_links_them(face: Face, operator: Visitor) -> None:
    key = view_of(face, issue_key(operator, "busiest"))
    use(face, "api_key", key.id, 1_000)
    page = operator.get("/console").text
    row = page.split("Most used in the last 7 days", 1)[1].split("busiest", 1)
    assert f'href="/console/api-keys/{key.id}"' in row[0] and '<td data-label="Accepted">1000</td>' in row[1]
