"""Use on pages: a chart on the page of a key, a client and a token, and the most used credentials on the overview."""

from ipaddress import ip_address

import pytest

from app.actions.tokens.usage import Use, origin_of
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
    assert "3 accepted, 2 refused." in page and "<svg" in page
    assert "192.0.2.0/24" in page and "gateway" in page and "rate_limited" in page
    assert 'style="' not in page.split("<svg", 1)[1].split("</svg>", 1)[0]


@pytest.mark.contract("a chart on each credential's page")
def test_the_pages_of_a_client_and_of_a_users_own_token_show_their_use(face: Face, operator: Visitor) -> None:
    client = face.core.client("charted")
    use(face, "client", client, 4)
    assert "4 accepted, 0 refused." in operator.get(f"/console/clients/{client}").text
    person = face.person("users:read")
    token = face.core.pat(person, "users:read")[0].id
    use(face, "personal_access_token", token, 5)
    assert "5 accepted, 0 refused." in browser_of(face, person).get(f"/account/tokens/{token}").text


@pytest.mark.contract("the top ten on the overview")
def test_the_overview_shows_the_most_used_and_links_them(face: Face, operator: Visitor) -> None:
    key = view_of(face, issue_key(operator, "busiest"))
    use(face, "api_key", key.id, 1_000)
    page = operator.get("/console").text
    row = page.split("Most used in the last 7 days", 1)[1].split("busiest", 1)
    assert f'href="/console/api-keys/{key.id}"' in row[0] and '<td data-label="Accepted">1000</td>' in row[1]
