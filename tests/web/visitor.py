"""A browser without scripts: a Flask test client that fills in the forms of the pages."""

from __future__ import annotations

import re
from html import unescape

import httpx
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.actions.audit.actor import Actor
from tests.api import User
from tests.browser import Cookies
from tests.management.face import PASSWORD, Face

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """One browser with its own cookies."""

    def __init__(self, http: FlaskClient) -> None:
        self.http = http
        self._token = ""

    def sign_in(self, username: str, password: str, onward: str = "") -> TestResponse:
        """Sign in by the form."""
        self.get("/login")
        return self.post("/login", username=username, password=password, next=onward)

    def get(self, path: str) -> TestResponse:
        """Open a page, and remember the CSRF token of its forms."""
        response = self.http.get(path)
        found = TOKEN.search(response.text)
        self._token = unescape(found[1]) if found else self._token
        return response

    def post(self, path: str, **fields: str | list[str]) -> TestResponse:
        """Send a form with the token of the last page."""
        response = self.http.post(path, data={"csrf_token": self._token, **fields})
        found = TOKEN.search(response.text)
        self._token = unescape(found[1]) if found else self._token
        return response


def session_of(url: str, user: User) -> Cookies:
    """Sign a user in to a live server by the form; return the cookies for a page of Chromium, which would take 1 s."""
    with httpx.Client(base_url=url, trust_env=False, verify=False) as http:
        [token, *_] = TOKEN.findall(http.get("/login").text)
        form = {"csrf_token": unescape(token), "username": user.username, "password": user.password}
        assert http.post("/login", data=form).status_code == 303
        return [{"name": it.name, "value": it.value, "url": url, "httpOnly": True} for it in http.cookies.jar]


def sign_in_at_once(face: Face, name: str) -> Visitor:
    """Sign a user in with another browser without the form, whose password costs 100 ms."""
    who, actor = Visitor(face.app.test_client()), Actor("user", face.core.row_id(name), name)
    begun = face.core.actions.sessions.begin(actor, "Firefox")
    with who.http.session_transaction("/login") as session:
        session["secret"] = begun.secret
    return who


def browser_of(face: Face, name: str, password: str = PASSWORD, agent: str = "Firefox") -> Visitor:
    """Sign a user in with another browser."""
    who = Visitor(face.app.test_client())
    who.http.environ_base["HTTP_USER_AGENT"] = agent
    assert who.sign_in(name, password).status_code == 303
    return who
