"""An issuer with a path, behind a proxy that removes the path and behind one that does not."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import create_app
from app.cli.set_up import set_up_instance
from app.settings.settings import Settings
from tests.databases import database_in
from tests.dpop import Prover
from tests.web.visitor import Visitor

ISSUER = "https://login.example/auth"
PROXY, STRANGER = "10.1.2.3", "192.0.2.7"
LINK = re.compile(r"""(?:href|action|src|hx-get)=["'](/[^"']*)["']""")
Headers = dict[str, str]
REMOVED: Headers = {"X-Forwarded-Prefix": "/auth"}
PROXIES: dict[str, tuple[str, Headers]] = {
    "removed": ("", REMOVED),
    "kept": ("/auth", {}),
    "removed without a word": ("", {}),
}
through = pytest.mark.parametrize(("begin", "headers"), PROXIES.values(), ids=PROXIES)
FORGED = (
    "//evil.example",
    "https://evil.example",
    "/evil",
    "/auth/..",
    "/..",
    "/auth/../evil",
    "/auth\r\nSet-Cookie: a=b",
    "/auth, /evil",
    "/authx",
    "auth",
    "/",
    "",
    ",",
    "," * 5000,
    "/auth" * 3000,
    "/auth," + "/evil" * 3000,
    "%2Fauth%2F%2e%2e",
    '/auth"><script>',
)


@dataclass(frozen=True)
class Site:
    """An application with a path, and its first credentials."""

    app: Flask
    bootstrap: dict[str, str]


def site_in(folder: Path, issuer: str) -> Site:
    database = database_in(folder)
    made = Settings(
        instance_dir=folder,
        issuer=issuer,
        secret_key="k" * 40,
        trusted_proxies="10.0.0.0/8",
        rate_limits="off",
        **database.settings,
    )
    set_up_instance(made)
    return Site(create_app(made), json.loads(made.bootstrap_file.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_in(tmp_path_factory.mktemp("path"), ISSUER)


def visitor(site: Site, headers: Headers, peer: str = PROXY) -> Visitor:
    """Return a browser whose requests come by a proxy that adds these headers."""
    http = site.app.test_client()
    http.environ_base |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    http.environ_base["REMOTE_ADDR"] = peer
    http.environ_base["wsgi.url_scheme"] = "https"
    return Visitor(http)


def signed_in(site: Site, begin: str, headers: Headers) -> Visitor:
    who = visitor(site, headers)
    who.get(f"{begin}/login")
    first = site.bootstrap
    form = {"username": first["admin_username"], "password": first["admin_password"], "next": "/console/users"}
    answer = who.post(f"{begin}/login", **form)
    assert answer.status_code == 303 and answer.location == "/auth/console/users"
    return who


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@through
def test_every_link_form_redirect_and_asset_stays_below_the_path(site: Site, begin: str, headers: Headers) -> None:
    who = visitor(site, headers)
    assert who.get(f"{begin}/").location == "/auth/account/tokens"
    assert who.get(f"{begin}/account/tokens?status=active").location == (
        "/auth/login?next=/account/tokens?status%3Dactive"
    )
    who = signed_in(site, begin, headers)
    assert who.get(f"{begin}/login").location == "/auth/account/tokens"
    for path in ("/account", "/account/tokens/new", "/console", "/console/users", "/console/clients/new", "/compare"):
        page = who.get(begin + path)
        links = LINK.findall(page.text)
        assert page.status_code == 200 and len(links) > 2, path
        assert all(link.startswith("/auth/") for link in links), (path, links)
    for asset in {link for link in LINK.findall(who.get(f"{begin}/console").text) if "/assets/" in link}:
        assert who.http.get(begin + asset.removeprefix("/auth")).status_code == 200
    done = who.post(f"{begin}/console/roles", name=f"role {begin} {headers}", type="user")
    assert done.status_code == 303 and done.location.startswith("/auth/console/roles")


@through
def test_the_cookie_and_the_forms_token_work_below_the_path(site: Site, begin: str, headers: Headers) -> None:
    who = signed_in(site, begin, headers)
    [cookie] = who.http._cookies.values()  # type: ignore[union-attr]
    assert cookie.key.startswith("__Host-latchkey-") and cookie.path == "/"
    assert who.http.get(f"{begin}/api/v1/me").status_code == 200
    who.get(f"{begin}/account")
    answer = who.post(f"{begin}/logout")
    assert (answer.status_code, answer.location) == (303, "/auth/login")


@through
def test_the_api_its_description_and_its_proofs_know_the_url_of_the_issuer(
    site: Site, begin: str, headers: Headers
) -> None:
    http = visitor(site, headers).http
    docs = http.get(f"{begin}/api/docs").text
    assert 'href="/auth/api/docs/assets/docs.css?v=' in docs and 'href="v1/openapi.json"' in docs
    description: Any = http.get(f"{begin}/api/v1/openapi.json").json
    assert description["servers"] == [{"url": "/auth"}]
    told: Any = http.get(f"{begin}/.well-known/oauth-authorization-server").json
    assert told["token_endpoint"] == f"{ISSUER}/oauth/token"
    prover, pair = Prover(time.time), (site.bootstrap["client_id"], site.bootstrap["client_secret"])
    form = {"grant_type": "client_credentials", "resource": f"{ISSUER}/api/v1"}
    proof = {"DPoP": prover.proof("POST", f"{ISSUER}/oauth/token")}
    issued: Any = http.post(f"{begin}/oauth/token", data=form, auth=pair, headers=proof).json
    name = f"role {begin} {len(headers)}"
    for url, status in ((f"{ISSUER}/api/v1/roles", 201), ("https://login.example/api/v1/roles", 401)):
        sent = {
            "Authorization": f"DPoP {issued['access_token']}",
            "DPoP": prover.proof("POST", url, issued["access_token"]),
        }
        made = http.post(f"{begin}/api/v1/roles", json={"name": name, "type": "user"}, headers=sent)
        assert made.status_code == status, made.text
        assert status == 401 or made.headers["Location"].startswith(f"{ISSUER}/api/v1/roles/")


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@pytest.mark.parametrize("prefix", FORGED)
@pytest.mark.parametrize("peer", [PROXY, STRANGER])
def test_no_other_prefix_changes_anything(site: Site, prefix: str, peer: str) -> None:
    plain = visitor(site, {}, peer)
    who = visitor(site, {"X-Forwarded-Prefix": prefix}, peer)
    for path in ("/auth/login", "/login"):
        page = who.get(path)
        assert page.status_code == 200 and "evil" not in page.text and "evil" not in str(page.headers)
        assert LINK.findall(page.text) == LINK.findall(plain.get(path).text)
    assert who.get("/auth/account").location == "/auth/login?next=/account"
    assert who.get("/auth/auth/login").status_code == 404


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
def test_the_prefix_counts_only_from_a_trusted_proxy(site: Site) -> None:
    assert visitor(site, REMOVED, STRANGER).get("/auth/login").status_code == 200
    assert visitor(site, REMOVED, PROXY).get("/auth/login").status_code == 404


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
@pytest.mark.parametrize(
    "said", ["/auth", "/auth/", " /auth ", "/%61uth", "/somebody, /auth", "/au,/auth", "/x, " * 4000 + "/auth"]
)
def test_what_the_proxy_removed_is_not_removed_once_more(site: Site, said: str) -> None:
    """Where it is, `/auth/auth/metrics` of the caller passes the proxy's rule for `/auth/metrics`."""
    who = visitor(site, {"X-Forwarded-Prefix": said})
    for path in ("/auth/metrics", "/auth/login", "/auth/oauth/token", "/auth/api/v1/roles"):
        assert who.get(path).status_code == 404, path
    assert who.get("/login").status_code == 200


@pytest.mark.parametrize("prefix", ["/evil" * 4000, "/auth," * 3000, "/x, " * 9000 + "/auth"])
@pytest.mark.parametrize("peer", [PROXY, STRANGER])
def test_a_prefix_longer_than_any_header_may_be_is_refused_below_the_path_too(
    site: Site, prefix: str, peer: str
) -> None:
    who = visitor(site, {"X-Forwarded-Prefix": prefix}, peer)
    for path in ("/login", "/auth/login", "/auth/metrics", "/auth/api/v1/roles"):
        answer = who.get(path)
        assert answer.status_code == 431 and "evil" not in answer.text + str(answer.headers), path


def test_proxies_in_a_row_remove_a_piece_each(tmp_path: Path) -> None:
    site = site_in(tmp_path, "https://login.example/a/b")
    removed = dict.fromkeys(("/a, /b", "/a/b", "/x, /a, /b", "/a,/b/"), 404)
    for said, status in (removed | dict.fromkeys(("/b", "/b, /a", "/a", "/a/b, /x"), 200)).items():
        assert visitor(site, {"X-Forwarded-Prefix": said}).get("/a/b/login").status_code == status, said


def test_without_a_path_in_the_issuer_no_prefix_counts(tmp_path: Path) -> None:
    page = visitor(site_in(tmp_path, "https://login.example"), {"X-Forwarded-Prefix": "/evil"}).get("/login")
    assert page.status_code == 200 and "/evil" not in page.text


def test_the_log_has_the_path_as_it_came(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/login", "/auth/login", "/auth/auth/login"):
        visitor(site, {}).get(path)
        assert json.loads(capsys.readouterr().err.splitlines()[-1])["path"] == path
