"""A person over HTTP: signs in, agrees to what an app asks for and enters device codes, by the forms of the pages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from tests.api import User
from tests.live import client

MOST_STEPS = 20  # redirects and forms between the first request and the answer to the app
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
Decision = Literal["allow", "deny"]
Pairs = list[tuple[str, str]]


@dataclass
class Form:
    """A form as the page shows it: what is sent with any button, its boxes, its buttons, its empty fields."""

    action: str
    method: str
    sent: Pairs = field(default_factory=list)
    boxes: Pairs = field(default_factory=list)
    ticked: Pairs = field(default_factory=list)
    buttons: Pairs = field(default_factory=list)

    def names(self) -> set[str]:
        """Return the names of all controls."""
        return {name for name, _ in [*self.sent, *self.boxes, *self.buttons]}

    def add(self, kind: str, name: str, value: str, ticked: bool) -> None:
        """Add a control by its type."""
        if kind in ("submit", "button", "image", "reset"):
            self.buttons.append((name, value))
        elif kind in ("checkbox", "radio"):
            self.boxes.append((name, value))
            self.ticked += [(name, value)] if ticked else []
        else:
            self.sent.append((name, value))


class Page(HTMLParser):
    """An answer of the server: its forms, and where it continues by itself."""

    def __init__(self, response: httpx.Response) -> None:
        """Read the page."""
        super().__init__()
        self.url = str(response.url)
        self.status = response.status_code
        self.text = response.text
        self.forms: list[Form] = []
        self.onward: str | None = response.headers.get("Location")
        self._open = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Note a form, a control of the open form, or a refresh."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", "")), given.get("method", "get").lower()))
            self._open = True
        elif tag in ("input", "button", "textarea") and self._open and given.get("name") and "disabled" not in given:
            kind = given.get("type", "submit" if tag == "button" else "text")
            value = given.get("value", "on" if kind in ("checkbox", "radio") else "")
            self.forms[-1].add(kind, given["name"], value, "checked" in given)
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.onward = given["content"].partition("url=")[2].strip("'\" ")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a form."""
        self._open = self._open and tag != "form"

    def form_with(self, name: str) -> Form | None:
        """Return the first form that has a control of this name."""
        return next((form for form in self.forms if name in form.names()), None)


class Person:
    """One browser without scripts, with its own cookies."""

    def __init__(self, issuer: str, user: User) -> None:
        """Open nothing yet; `issuer` is the server's address."""
        parts = urlsplit(issuer)
        self._origin = f"{parts.scheme}://{parts.netloc}/"
        self._user = user
        self._http = client(issuer)

    def close(self) -> None:
        """Close the browser."""
        self._http.close()

    def allow(self, url: str, leave_out: Collection[str] = ()) -> str:
        """Open an app's authorization request and agree to all but these scopes; return the URL that the app gets."""
        return self._answer(url, "allow", leave_out)

    def deny(self, url: str) -> str:
        """Open an app's authorization request and refuse it; return the URL that the app gets."""
        return self._answer(url, "deny")

    def open(self, url: str) -> Page | str:
        """Open a page of the server, signing in where that is asked; return it, or the URL of the app it leads to."""
        return self._arrive(self._http.get(url))

    def allow_device(self, url: str, user_code: str = "", leave_out: Collection[str] = ()) -> Page:
        """Open the page of device codes, enter the code if it is not in the URL, and agree; return the last page."""
        return self._answer_device(url, user_code, "allow", leave_out)

    def deny_device(self, url: str, user_code: str = "") -> Page:
        """Open the page of device codes, enter the code if it is not in the URL, and refuse; return the last page."""
        return self._answer_device(url, user_code, "deny")

    def submit(self, form: Form, *buttons: tuple[str, str], **fields: str) -> Page | str:
        """Send a form with its boxes as they are, and go where it leads."""
        kept = [(name, value) for name, value in [*form.sent, *form.ticked] if name not in fields]
        body = urlencode([*kept, *buttons, *fields.items()])
        if form.method == "get":
            return self._arrive(self._http.get(f"{form.action.partition('?')[0]}?{body}"))
        return self._arrive(self._http.post(form.action, content=body, headers=FORM))

    def _answer(self, url: str, decision: Decision, leave_out: Collection[str] = ()) -> str:
        page = self.open(url)
        if isinstance(page, Page):
            page = self._decide(page, decision, leave_out)
        assert isinstance(page, str), f"{page.url} answers {page.status}\n{page.text}"
        return page

    def _answer_device(self, url: str, user_code: str, decision: Decision, leave_out: Collection[str] = ()) -> Page:
        page = self.open(url)
        assert isinstance(page, Page)
        entry = page.form_with("user_code")
        if entry and not page.form_with("decision"):
            page = self.submit(entry, **({"user_code": user_code} if user_code else {}))
            assert isinstance(page, Page)
        page = self._decide(page, decision, leave_out)
        assert isinstance(page, Page) and page.status == 200, page
        return page

    def _decide(self, page: Page, decision: Decision, leave_out: Collection[str]) -> Page | str:
        form = page.form_with("decision")
        assert form, f"{page.url} answers {page.status} and asks for no decision\n{page.text}"
        form.ticked = [(name, scope) for name, scope in form.boxes if scope not in leave_out]
        assert ("decision", decision) in form.buttons, form
        return self.submit(form, ("decision", decision))

    def _arrive(self, response: httpx.Response) -> Page | str:
        """Follow redirects and refreshes to a page of the server, past the sign-in, or to the URL of an app."""
        for _ in range(MOST_STEPS):
            page = Page(response)
            if page.onward is not None:
                onward = urljoin(page.url, page.onward)
                if not onward.startswith(self._origin):
                    return onward
                response = self._http.get(onward)
            elif sign_in := page.form_with("password"):
                response = self._sign_in(sign_in)
            else:
                return page
        raise AssertionError(f"{MOST_STEPS} steps lead to no page: {response.url}")

    def _sign_in(self, form: Form) -> httpx.Response:
        kept = [(name, value) for name, value in form.sent if name not in ("username", "password")]
        filled = [*kept, ("username", self._user.username), ("password", self._user.password)]
        response = self._http.post(form.action, content=urlencode(filled), headers=FORM)
        assert response.status_code < 400, f"the sign-in answers {response.status_code}\n{response.text}"
        return response
