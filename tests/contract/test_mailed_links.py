"""Invitations and resets that arrive by mail: the link in them works once, and nobody else ever sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import httpx
import pytest

from tests.api import Admin, User, expect
from tests.contract.waiting import until
from tests.hurried import HurriedServer
from tests.live import client
from tests.mail_server import MailServer, mail_server
from tests.web.visitor import TOKEN

pytestmark = pytest.mark.both_databases
PASSWORD = "seventeen yellow umbrellas"
LINK = re.compile(r"http://\S+/login/link#([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])")


@dataclass
class Post:
    """A server that sends mail, and where it arrives."""

    admin: Admin
    mailbox: MailServer

    def code(self, user: User, number: int = 0) -> str:
        """Wait for a message to a user; return the secret of the link in it, the same in both of its parts."""
        until(lambda: len(self.mailed(user)) > number)
        return self.mailed(user)[number]

    def mailed(self, user: User) -> list[str]:
        messages = [one for one in [*self.mailbox.messages] if one["To"] == f"{user.username}@example.com"]
        bodies = [(one.get_body(("plain",)), one.get_body(("html",))) for one in messages]
        found = [{code for body in both if body for code in LINK.findall(body.get_content())} for both in bodies]
        return [code for [code] in found]

    def ask(self, name: str) -> tuple[int, str, str]:
        """Ask for a link as somebody who cannot sign in; return the answer, without what is new in each."""
        browser = self.browser()
        answer = self.send(browser, "/login/forgot", "/login/forgot", username=name)
        page = re.sub(r'value="[^"]*"|nonce[-=][^ ;>]*', "", browser.get("/login/forgot").text)
        return answer.status_code, answer.headers["location"], page

    def use(self, code: str, password: str = PASSWORD) -> httpx.Response:
        browser = self.browser()
        return self.send(browser, "/login/link", "/login/link/password", code=code, password=password, again=password)

    def browser(self) -> httpx.Client:
        return client(self.admin.server.url, headers={"Accept-Language": "en"})

    def send(self, browser: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
        [token, *_] = TOKEN.findall(browser.get(page).text)
        return browser.post(path, data={"csrf_token": unescape(token), **fields})


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("post")
    with mail_server(folder) as mailbox:
        settings = {"smtp_url": mailbox.url(), "mail_from": "latchkey@example.org"}
        server = HurriedServer(folder / "instance", settings)
        try:
            yield Post(Admin(server.start()), mailbox)
        finally:
            server.kill()


@pytest.mark.contract("invitation and reset links work once, for an hour")
@pytest.mark.parametrize("purpose", ["invitation", "reset"])
def test_a_link_by_mail_sets_a_password_once_and_is_shown_to_nobody_else(post: Post, purpose: str) -> None:
    user = post.admin.user([])
    made = expect(200, post.admin.post(f"/users/{user.id}/links", {"purpose": purpose})).json()
    assert made["url"] is None and made["sent_to"] == f"{user.username}@example.com"
    code = post.code(user)
    assert post.use(code).status_code == 303 and post.use(code).status_code == 422
    assert post.admin.get("/me", auth=(user.username, PASSWORD)).status_code == 200
    assert post.admin.get("/me", auth=user.basic).status_code == 401
    assert code not in post.admin.server.log_text() + post.admin.get("/audit-events?limit=200").text


@pytest.mark.contract("an answer never says whether an address has an account")
def test_a_user_who_forgot_the_password_gets_a_link_and_a_stranger_the_same_answer(post: Post) -> None:
    user, disabled = post.admin.user([]), post.admin.user([])
    post.admin.change(f"/users/{disabled.id}", {"enabled": False})
    answers = {post.ask(user.username)}
    first = post.code(user)
    answers |= {post.ask(f"{user.username}@example.com")}
    second = post.code(user, 1)
    answers |= {post.ask(name) for name in (disabled.username, "nobody", "nobody@example.com")}
    assert len(answers) == 1
    assert post.use(first).status_code == 422 and post.use(second).status_code == 303  # a newer one ends it
    assert post.mailed(disabled) == []
