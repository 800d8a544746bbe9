"""The browser of a user, without one: it signs in and consents on the pages of the server, as a person does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

FORM = re.compile(r'<form method="post" action="([^"]*)"')
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
ONWARD = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]+)">')  # from a page of ours to the app
AUTHORIZE = "/oauth/authorize"


class UserBrowser:
    """A browser with cookies of its own; `requests` counts what it has sent."""

    def __init__(self, client: httpx.Client, username: str, password: str) -> None:
        self._client = client
        self._user = {"username": username, "password": password}
        self._cookies: dict[str, str] = {}
        self.requests = 0

    def authorize(self, address: str, ticked: Sequence[str]) -> str:
        """Open the request of an app, sign in where needed, agree to the scopes in `ticked`; return the code."""
        response = self._send("GET", address)
        if "/login" in response.headers.get("Location", ""):
            response = self._sign_in(response.headers["Location"])
        if response.status_code == 200 and not ONWARD.search(response.text):
            action, form = _read_form(response.text, AUTHORIZE)
            response = self._send("POST", action, data=form | {"decision": "allow", "scopes": [*ticked]})
        return _read_code(response)

    def _sign_in(self, location: str) -> httpx.Response:
        """Sign in with the form, and follow its redirect; raises KeyError when the server refuses to."""
        action, form = _read_form(self._send("GET", location).text, "/login")
        signed_in = self._send("POST", action, data=form | self._user)
        return self._send("GET", signed_in.headers["Location"])

    def _send(self, method: str, place: str, data: dict[str, Any] | None = None) -> httpx.Response:
        url = self._client.base_url.join(place) if self.requests else place  # links hold the path of the issuer
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        response = self._client.request(method, url, data=data, headers=headers if self._cookies else None)
        self._client.cookies.clear()  # other probes share the client, not the session
        for line in response.headers.get_list("Set-Cookie"):
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        self.requests += 1
        return response


def _read_form(page: str, path: str) -> tuple[str, dict[str, Any]]:
    """Return where the form goes whose action contains `path`, and its hidden fields; raises ValueError."""
    for form in FORM.finditer(page):
        if path in form[1]:
            fields, _, _ = page[form.end() :].partition("</form>")
            return unescape(form[1]), {name: unescape(value) for name, value in HIDDEN.findall(fields)}
    raise ValueError(f"the page has no form of {path}")


def _read_code(response: httpx.Response) -> str:
    """Return the code that the server sends the browser on with; raises KeyError for any other page or an error."""
    onward = ONWARD.search(response.text)
    address = unescape(onward[1]) if onward else response.headers["Location"]
    return parse_qs(urlsplit(address).query)["code"][0]
