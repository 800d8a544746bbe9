"""A user's pages and the comparison in real Chromium, in each language, from a phone to a desk."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from app.database.store import Store
from app.settings.languages import LANGUAGES
from app.web.languages import COOKIE
from tests.actions.insight import crowd
from tests.api import Admin, User, unique
from tests.browser import Browser, Cookies
from tests.live import LiveServer
from tests.web.visitor import session_of

WITHOUT_SCRIPTS = ("ru", "nl")
ANSWERED = "/compare?signs_in=no&for_person=yes&kind=personal_access_token&kind=api_key"


@pytest.fixture(scope="module")
def user(admin: Admin) -> User:
    """A user with a token of two scopes, one that has expired and one that was revoked."""
    scopes = [unique("parcels:read"), unique("parcels:write")]
    admin.resource(permissions=scopes, name="Parcels")
    owner = admin.user([admin.role("user", scopes)], display_name="Nadezhda van der Åkerlund")
    admin.pat(owner, scopes, expires_in=1)
    admin.revoke(admin.pat(owner, scopes[:1])["token"])
    admin.pat(owner, scopes)
    return owner


@pytest.fixture(scope="module")
def session(server: LiveServer, user: User) -> Cookies:
    """The cookies of the user's browser."""
    return session_of(server.url, user)


@pytest.fixture(scope="module")
def consent_paths(admin: Admin, user: User) -> list[str]:
    """Requests of apps that an operator registered, on the web and on this computer."""
    [token, *_] = admin.get(f"/users/{user.id}/personal-access-tokens").json()["items"]
    made, link = [], "https://a-long-name-of-an-app.example/about"
    for uri in ("https://app.example/cb", "http://127.0.0.1:9/cb"):
        links = {
            "redirect_uris": [uri],
            "client_uri": link,
            "policy_uri": link,
            "logo_uri": "https://cdn.example/a.png",
        }
        app = admin.client(token_endpoint_auth_method="none", grant_types=["authorization_code"], **links)
        query = {"client_id": app.client_id, "scope": " ".join(token["scopes"]), "code_challenge": "a" * 43}
        query |= {"response_type": "code", "code_challenge_method": "S256"}
        made.append(f"/oauth/authorize?{urlencode(query)}")
    return made


@pytest.fixture(scope="module")
def app_paths(admin: Admin, user: User, server: LiveServer) -> list[str]:
    """The page of an app that the user has connected and that has been used, and of one that has not."""
    store, made = Store(server.database.engine()), []
    for grants in (60, 0):
        options = {"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"]}
        app = admin.client(token_endpoint_auth_method="none", name=unique("almanac"), **options)
        crowd.seed_grants(store, app.id, [user.id], datetime.now(UTC), grants)
        made += [f"/account/apps/{app.id}", f"/account/apps/{app.id}/end"]
    store.dispose()
    return made


@pytest.fixture(scope="module")
def paths(admin: Admin, user: User, consent_paths: list[str], app_paths: list[str]) -> list[str]:
    """The paths of the pages."""
    [token, *_] = admin.get(f"/users/{user.id}/personal-access-tokens").json()["items"]
    own = f"/account/tokens/{token['id']}"
    return [
        "/account",
        "/account/second-factor",
        *consent_paths,
        "/device?user_code=BCDF-GHJK",
        "/device/allowed",
        "/account/apps",
        *app_paths,
        "/account/tokens",
        "/account/tokens?status=revoked",
        "/account/tokens/new",
        own,
        f"{own}/regenerate",
        f"{own}/revoke",
        "/compare",
        ANSWERED,
        "/no-such-page",
    ]


@pytest.mark.contract("every page of a user and the comparison fit in five languages, without cut texts or findings")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_fits_in_each_language(
    browser: Browser, server: LiveServer, session: Cookies, paths: list[str], language: str
) -> None:
    chosen = [*session, {"name": COOKIE, "value": language, "url": server.url}]
    scripts = language not in WITHOUT_SCRIPTS
    with browser.page(javascript=scripts, cookies=chosen) as watched:
        for path in paths:
            watched.open(server.url + path)
            assert watched.page.locator("html").get_attribute("lang") == language
            assert watched.layout_faults() == [], path
            assert not scripts or not watched.serious_findings(contrast=False), path
            assert [it for it in watched.errors if "404" not in it] == watched.foreign == [], path
