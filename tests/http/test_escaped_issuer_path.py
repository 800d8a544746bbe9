"""An issuer whose path has escapes: WSGI hands over the decoded path (PEP 3333), and a link has it encoded."""

import html
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.fast_lane.lane import Lane
from app.http.issuer_path import decoded_path, encoded_path
from tests.http.test_issuer_path import LINK, Site, site_in, visitor
from tests.web.visitor import Visitor

ISSUERS = ("https://login.example/a%20b", "https://login.example/caf%c3%a9", "https://login.example/100%25%3Fx%2Fy")


@pytest.fixture(scope="module", params=ISSUERS)
def issuer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def site(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_in(tmp_path_factory.mktemp("escaped"), issuer)


@pytest.fixture
def begin(issuer: str) -> str:
    return urlsplit(issuer).path


@pytest.fixture
def answered(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list to which each request adds whether the fast lane answered it."""
    lane, seen = site.app.wsgi_app, list[bool]()
    assert isinstance(lane, Lane)
    answer = lane.answer

    def watched(*given: Any) -> bytes | None:
        seen.append((body := answer(*given)) is not None)
        return body

    monkeypatch.setattr(lane, "answer", watched)
    return seen


def with_token(site: Site, begin: str, issuer: str) -> tuple[Visitor, str]:
    who, first = visitor(site, {}), site.bootstrap
    form = {"grant_type": "client_credentials", "resource": f"{issuer}/api/v1"}
    issued: Any = who.http.post(f"{begin}/oauth/token", data=form, auth=(first["client_id"], first["client_secret"]))
    assert issued.status_code == 200, issued.text
    return who, issued.json["access_token"]


def test_the_decoded_path_is_the_text_of_wsgi() -> None:
    assert [decoded_path(one) for one in ISSUERS] == ["/a b", "/caf\xc3\xa9", "/100%?x/y"]
    assert decoded_path("https://login.example") == ""


@pytest.mark.spec("RFC 6749 §3.2")
def test_the_fast_lane_answers_below_the_path(site: Site, begin: str, issuer: str, answered: list[bool]) -> None:
    first = site.bootstrap
    pair = (first["client_id"], first["client_secret"])
    for _ in range(2):  # what the lane remembers, it answers from the second request on
        who, token = with_token(site, begin, issuer)
        assert who.http.post(f"{begin}/oauth/introspect", data={"token": token}, auth=pair).status_code == 200
        opened = who.http.get(
            f"{begin}/oauth/forward-auth/of/the/caller",
            query_string={"resource": f"{issuer}/api/v1"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert opened.status_code == 200, opened.text
    assert answered[-3:] == [True] * 3


@pytest.mark.spec("RFC 8414 §3.1")
@pytest.mark.parametrize("name", ["oauth-authorization-server", "openid-configuration"])
def test_the_metadata_is_at_each_of_its_places(site: Site, begin: str, issuer: str, name: str) -> None:
    http = visitor(site, {}).http
    for path in (f"{begin}/.well-known/{name}", f"/.well-known/{name}{begin}", f"/.well-known/{name}"):
        answer: Any = http.get(path)
        assert answer.status_code == 200, path
        assert answer.json["issuer"] == issuer and answer.json["jwks_uri"].startswith(f"{issuer}/")
        assert http.get(urlsplit(answer.json["jwks_uri"]).path).status_code == 200
    assert http.get(f"/.well-known/{name}/other").status_code == 404


def signed_in(site: Site, begin: str) -> Visitor:
    who, first = visitor(site, {}), site.bootstrap
    who.get(f"{begin}/login")
    form = {"username": first["admin_username"], "password": first["admin_password"], "next": "/console/users"}
    answer = who.post(f"{begin}/login", **form)
    assert answer.status_code == 303 and answer.location.endswith("/console/users")
    assert who.get(answer.location).status_code == 200
    return who


def links_of(page: str) -> list[str]:
    return [html.unescape(link) for link in LINK.findall(page)]


def test_every_link_form_and_redirect_is_below_the_encoded_path(site: Site, begin: str, issuer: str) -> None:
    encoded = encoded_path(decoded_path(issuer))
    assert visitor(site, {}).get(f"{begin}/account").location.startswith(f"{encoded}/login?next=")
    who = signed_in(site, begin)
    for path in ("/account/tokens/new", "/console", "/console/users", "/console/clients/new", "/compare"):
        found = links_of(who.get(begin + path).text)
        assert len(found) > 2 and all(link.startswith(f"{encoded}/") for link in found), (path, found)
    for link in links_of(who.get(f"{begin}/console").text):
        assert link.endswith("/logout") or who.http.get(link).status_code in (200, 303), link


def test_a_form_that_is_asked_about_again_goes_to_the_encoded_path(site: Site, begin: str) -> None:
    who = signed_in(site, begin)
    own = next(link for link in links_of(who.get(f"{begin}/console/users").text) if "/users/usr_" in link)
    who.get(own)
    asked = who.post(own, username=site.bootstrap["admin_username"])
    assert "Lock yourself out?" in asked.text and own in links_of(asked.text)


def test_the_log_has_the_path_of_the_setting(site: Site, begin: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (f"{begin}/login", f"{begin}/oauth/forward-auth"):
        visitor(site, {}).get(path)
        assert json.loads(capsys.readouterr().err.splitlines()[-1])["path"] == path


@pytest.mark.spec("RFC 3986 §6.2.2.1")
def test_both_cases_of_an_escape_are_one_and_a_needless_escape_is_not_found(site: Site, begin: str) -> None:
    http, needless = visitor(site, {}).http, f"/%{ord(begin[1]):x}{begin[2:]}"
    for path, status in ((begin.upper(), 404), (begin.replace("%c3%a9", "%C3%A9"), 200), (needless, 404)):
        assert http.get(f"{path}/login").status_code == status, path
