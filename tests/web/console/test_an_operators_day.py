"""An operator uses every function once, in real Chromium, with and without scripts; the API confirms the results."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.api import Admin, unique
from tests.browser import Browser, Cookies, Watched
from tests.live import LiveServer

HERE = "127.0.0.1"  # in a network that the key is used from


class Day:
    """A page of the console, with the steps of an operator."""

    def __init__(self, watched: Watched, server: LiveServer) -> None:
        self.page: Page = watched.page
        self._url = server.url

    def go(self, path: str) -> None:
        """Open a page of the console."""
        self.page.goto(f"{self._url}/console{path}")

    def fill(self, **fields: str) -> None:
        """Fill in fields by their names."""
        for name, value in fields.items():
            self.page.locator(f"main [name={name}]:not([type=hidden])").first.fill(value)

    def press(self, name: str) -> None:
        """Press the button or link with this text."""
        self.page.locator("main").get_by_role("button", name=name, exact=True).first.click()

    def tick(self, value: str) -> None:
        """Tick a box."""
        self.page.locator(f"main [value='{value}']").check()

    def secret(self) -> str:
        """Return the secret that the page shows once."""
        self.page.locator("#secret").wait_for()
        return self.page.locator("#secret").input_value()

    def says(self, words: str) -> None:
        """Wait until the page shows the text."""
        self.page.locator("main").get_by_text(words).first.wait_for()

    def row(self) -> str:
        """Return the id in the path of the page."""
        return self.page.url.rsplit("/", 1)[1].partition("?")[0]


@pytest.mark.contract(
    "an operator issues an API key by console, API, CLI",
    "an operator does everything, with scripts and without, and by keyboard",
)
@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_an_operator_does_everything(
    browser: Browser, server: LiveServer, admin: Admin, session: Cookies, javascript: bool, tmp_path: Path
) -> None:
    with browser.page(javascript=javascript, cookies=session) as watched:
        watched.host = server.url.removeprefix("http://")
        day = Day(watched, server)
        scope = unique("parcels:read")
        api = defines_an_api(day, scope)
        user_role, machine_role = (makes_a_role(day, kind, scope) for kind in ("user", "machine"))
        user = makes_a_user(day, user_role)
        client_id, client_secret = registers_a_client(day, machine_role)
        key, key_row = issues_a_key(day, api)
        assert admin.introspect(key, client_ip=HERE)["scope"] == scope
        granted = {"grant_type": "client_credentials", "scope": scope}
        token = admin.http.post("/oauth/token", data=granted, auth=(client_id, client_secret)).json()["access_token"]
        assert admin.active(token)
        sees_who_can(day, scope, user, client_id, key)
        rotates_a_key(day, admin, key, key_row)
        rotates_the_signing_key(day, admin)
        assert admin.active(token)
        revokes_what_was_pasted(day, admin, client_secret)
        assert admin.http.post("/oauth/token", data=granted, auth=(client_id, client_secret)).status_code == 401
        reads_the_trace(day, key_row, tmp_path)
        takes_it_all_away(day, admin, user_role, token)
        assert not watched.errors and not watched.foreign


def defines_an_api(day: Day, scope: str) -> str:
    """Define an API with a public permission; return its identifier."""
    name = unique("parcels")
    day.go("/resources/new")
    day.fill(identifier=f"https://{name}.example/", name=name)
    day.press("Define it")
    day.fill(permission=scope)
    day.page.get_by_label("Public: API keys may carry it").check()
    day.press("Add it")
    day.says(scope)
    return f"https://{name}.example/"


def makes_a_role(day: Day, kind: str, scope: str) -> str:
    """Create a role that grants the scope; return its name."""
    name = unique(f"{kind}-role")
    day.go("/roles/new")
    day.fill(name=name)
    day.tick(kind)
    if day.page.locator(f"main [value='{scope}']").count():
        day.tick(scope)
    day.page.locator("main button[type=submit]").first.click()
    day.says(name)
    return name


def makes_a_user(day: Day, role: str) -> str:
    """Create a user who has the role, and invite them; return the username."""
    name = unique("user")
    day.go("/users/new")
    day.fill(username=name)
    day.tick(role)
    day.press("Make the user")
    day.says(f"The user {name} is created: invite them to set a password.")
    day.page.get_by_role("link", name="Password", exact=True).click()
    day.press("Invite them")
    assert "/login/link#" in day.secret()
    return name


def registers_a_client(day: Day, role: str) -> tuple[str, str]:
    """Register a client that has the role; return its client_id and its first secret."""
    day.go("/clients/new")
    day.fill(name=unique("client"))
    day.tick(role)
    day.press("Register it")
    return day.page.locator("main dd code").first.inner_text(), day.secret()


def issues_a_key(day: Day, api: str) -> tuple[str, str]:
    """Issue a key of the API; return its secret and its row."""
    day.go(f"/api-keys/new?resource={api}")
    day.fill(name=unique("key"), requests="100", window_seconds="60", allowed_ips="127.0.0.0/8\n::1/128")
    day.press("Issue the key")
    secret = day.secret()
    day.press("I have copied it")
    day.says("What happened to it")
    return secret, day.row()


def sees_who_can(day: Day, scope: str, user: str, client_id: str, key: str) -> None:
    """List the holders of the scope."""
    day.go(f"/holders?scope={scope}")
    text = day.page.locator("main").inner_text()
    assert user in text and client_id in text and key[-4:] in text and "the scope is public" in text


def rotates_a_key(day: Day, admin: Admin, old: str, row: str) -> None:
    """Rotate the key, with no overlap."""
    day.go(f"/api-keys/{row}/rotate")
    day.fill(overlap_seconds="0")
    day.press("Rotate")
    assert admin.active(day.secret(), client_ip=HERE) and not admin.active(old, client_ip=HERE)


def rotates_the_signing_key(day: Day, admin: Admin) -> None:
    """Rotate the signing keys."""
    before = {one["kid"] for one in admin.get("/signing-keys").json()["items"]}
    day.go("/signing-keys/rotate")
    day.page.locator("main button[type=submit]").first.click()
    day.says("retiring")
    assert {one["kid"] for one in admin.get("/signing-keys").json()["items"]} > before


def revokes_what_was_pasted(day: Day, admin: Admin, secret: str) -> None:
    """Find the credential of a secret, and revoke it."""
    day.go("/search")
    day.fill(credential=secret)
    day.page.locator("main button[type=submit]").first.click()
    day.says("Client secret")
    assert secret not in day.page.content()
    day.press("Revoke")
    day.press("Revoke")
    day.says("It is revoked")


def reads_the_trace(day: Day, row: str, folder: Path) -> None:
    """Find the events of the key in the audit log, and download them in both formats."""
    day.go(f"/audit?target={row}")
    text = day.page.locator("main").inner_text()
    assert "api_key.create" in text and "api_key.rotate" in text
    files = []
    for form in ("CSV", "JSON"):
        with day.page.expect_download() as coming:
            day.page.get_by_role("link", name=f"Save as {form}").click()
        coming.value.save_as(folder / form)
        files.append((folder / form).read_text(encoding="utf-8"))
    actions = [event["action"] for event in json.loads(files[1])["events"]]
    assert actions == [line["action"] for line in csv.DictReader(io.StringIO(files[0]))]
    assert "api_key.rotate" in actions


def takes_it_all_away(day: Day, admin: Admin, role: str, token: str) -> None:
    """Delete the user's role after a confirmation; the client's token stays valid."""
    (row,) = [one["id"] for one in admin.get("/roles", params={"limit": 200}).json()["items"] if one["name"] == role]
    day.go(f"/roles/{row}/delete")
    day.press("Delete")
    day.page.wait_for_url("**/console/roles")
    assert admin.get(f"/roles/{row}").status_code == 404 and admin.active(token)
