"""Real Chromium: it records console errors, requests to other hosts, and the findings of axe on a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Request, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
]
Cookies = Sequence[Any]  # as a context gives and takes them
WIDTHS = (390, 768, 1280)
CUT = """() => [...document.querySelectorAll("body *")]
    .filter(one => one.checkVisibility() && one.innerText && !one.closest("[title], .unseen"))
    .filter(one => getComputedStyle(one).clipPath === "none")
    .filter(one => !one.children.length && getComputedStyle(one).overflowX !== "visible")
    .filter(one => !["auto", "scroll"].includes(getComputedStyle(one).overflowX))
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => one.innerText)"""
SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """A page and the errors recorded on it."""

    page: Page
    host: str = ""
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._record_message(message.type, message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._record_request)

    def open(self, url: str) -> None:
        """Open a page of the server; a request to another host counts as foreign."""
        self.host = urlsplit(url).netloc
        response = self.page.goto(url)
        if response is None or not response.ok:
            self.errors.append(f"{url} answers {response and response.status}")

    def serious_findings(self, contrast: bool = True) -> list[str]:
        """Return the serious and critical findings of axe; half of its time are the contrasts of colours."""
        options = None if contrast else {"rules": {"color-contrast": {"enabled": False}}}
        found = Axe().run(self.page, options=options).response["violations"]
        return [f"axe: {it['id']}: {it['help']}" for it in found if it["impact"] in SERIOUS]

    def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def layout_faults(self) -> list[str]:
        """Return at which of the common widths the page is wider than the window, and which of its texts are cut there.

        A cut that shows the whole text on hover is meant.
        """
        own = self.page.viewport_size
        found: list[str] = []
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            found += [f"{width}: scrolls sideways"] * self.scrolls_sideways()
            found += [f"{width}: {text} is cut" for text in self.page.evaluate(CUT)]
        if own:
            self.page.set_viewport_size(own)
        return found

    def _record_message(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(f"console: {text}")

    def _record_request(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme != "data" and place.netloc != self.host:
            self.foreign.append(f"a request to {place.netloc}")


class Browser:
    """One Chromium; each page is its own visitor."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium

    @classmethod
    @contextmanager
    def start(cls, program: str | None = None) -> Iterator[Browser]:
        """Start the Chromium of this machine; raise FileNotFoundError if there is none."""
        found = program or next(filter(None, map(shutil.which, PROGRAMS)), None)
        if found is None:
            raise FileNotFoundError("no chromium on this machine")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
            try:
                yield cls(chromium)
            finally:
                chromium.close()

    @contextmanager
    def page(
        self,
        width: int = 1280,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
        cookies: Cookies = (),
    ) -> Iterator[Watched]:
        """Open a window of `width` pixels, with these cookies."""
        context = self._chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=javascript
        )
        context.add_cookies(cookies)
        try:
            yield Watched(context.new_page())
        finally:
            context.close()
