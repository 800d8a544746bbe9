"""Real Chromium: it records console errors, requests to other hosts, and the findings of axe on a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Error, Frame, Page, Request, ViewportSize, sync_playwright

# the first is the same engine without the menus and tabs around a page, for half of the CPU
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
]
Cookies = Sequence[Any]  # as a context gives and takes them
Scheme = Literal["light", "dark"]
WIDTHS = (390, 768, 1280)
PHONE_DARK: Mapping[int, Scheme] = {390: "dark", 1280: "light"}  # the looks in which axe sees a page
PHONE_LIGHT: Mapping[int, Scheme] = {390: "light", 1280: "dark"}
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
CUT = """() => [...document.querySelectorAll("body *")]
    .filter(one => !one.children.length && one.scrollWidth > one.clientWidth + 1)
    .filter(one => !["visible", "auto", "scroll"].includes(getComputedStyle(one).overflowX))
    .filter(one => one.checkVisibility() && one.innerText && !one.closest("[title], .unseen"))
    .filter(one => getComputedStyle(one).clipPath === "none")
    .map(one => one.innerText)"""
SETTLE = "for (const one of document.getAnimations()) try { one.finish() } catch {}"  # colours fade over
FILLED = "[...document.querySelectorAll('input:not([type=hidden])')].map(one => one.value.length)"
HEARD = """window.heard = []
    for (const type of ["keydown", "mousedown", "click", "input", "invalid", "submit", "blur", "pageshow", "pagehide"])
        addEventListener(type, event => heard.push(type + " " + (event.target.id || event.target.nodeName)), true)"""
CLEAR = "window.stop(); try { localStorage.clear(); sessionStorage.clear() } catch {}"  # an error's page has none
ALIKE = """() => {
    const styles = ["color", "backgroundColor", "backgroundImage", "opacity", "fontSize", "fontWeight", "textShadow",
        "position", "clipPath"]
    const numbers = new Map(), chains = new Map(), times = new Map()
    return [...document.querySelectorAll("*")].filter(one => {
        const own = getComputedStyle(one)
        const chain = [chains.get(one.parentElement), ...styles.map(name => own[name])].join()
        if (!numbers.has(chain)) numbers.set(chain, numbers.size)
        chains.set(one, numbers.get(chain))
        const text = [...one.childNodes].filter(it => it.nodeType === Node.TEXT_NODE).map(it => it.data).join("")
        const off = one.closest(":disabled, [aria-disabled]") || one.closest("label")?.control?.disabled
        if (off || !/[\\p{L}\\p{N}]{2}/u.test(text) || !one.checkVisibility()) return false
        times.set(numbers.get(chain), (times.get(numbers.get(chain)) || 0) + 1)
        return times.get(numbers.get(chain)) > 3
    })
}"""  # texts, but for the first three of the same colours, down from the root: axe needs 3 ms for each
VIOLATIONS = f"""async rules => {{
    const alike = ({ALIKE})()
    alike.forEach(one => one.dataset.alike = "")
    axe.configure({{rules: [{{id: "color-contrast", selector: ":not([data-alike])"}}]}})
    const found = await axe.run({{resultTypes: ["violations"], rules}})
    alike.forEach(one => delete one.dataset.alike)
    return found.violations.map(({{id, help, impact, nodes}}) => ({{id, help, impact, html: nodes[0].html}}))
}}"""  # the whole result costs three times as much
SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """A page and the errors recorded on it."""

    page: Page
    host: str = ""
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._record_message)
        self.page.on("pageerror", self._record_error)
        self.page.on("request", self._record_request)
        self.page.on("framenavigated", self._record_load)

    def end(self) -> None:
        """Record nothing more."""
        self.page.remove_listener("console", self._record_message)
        self.page.remove_listener("pageerror", self._record_error)
        self.page.remove_listener("request", self._record_request)
        self.page.remove_listener("framenavigated", self._record_load)

    def open(self, url: str) -> None:
        """Open a page of the server; a request to another host counts as foreign."""
        self.host = urlsplit(url).netloc
        response = self.page.goto(url)
        if response is None or not response.ok:
            self.errors.append(f"{url} answers {response and response.status}")

    def show_as(self, width: int, scheme: Scheme) -> None:
        """Show the open page in another width and scheme: to open it once more would cost as much as axe."""
        self._resize(width)
        self.page.emulate_media(color_scheme=scheme)
        self.page.evaluate(SETTLE)

    def faults(self, looks: Mapping[int, Scheme] = PHONE_DARK) -> list[str]:
        """Return what is wrong with the open page: layout at each width, axe in these looks, errors, other hosts."""
        found: list[str] = []
        for width in WIDTHS:  # each once: a page is laid out again for each, which costs half as much as axe
            found += self._layout_faults_at(width)
            if scheme := looks.get(width):
                self.show_as(width, scheme)
                found += [f"{width} {scheme}: {it}" for it in self.serious_findings()]
        return [*found, *self.errors, *self.foreign]

    def serious_findings(self, contrast: bool = True) -> list[str]:
        """Return the serious and critical findings of axe; half of its time are the contrasts of colours."""
        found = self.findings(contrast)
        return [f"axe: {it['id']}: {it['help']}" for it in found if it["impact"] in SERIOUS]

    def findings(self, contrast: bool = True) -> list[dict[str, str]]:
        """Return the findings of axe: id, help, impact, and the html of the first element."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        rules = {"color-contrast": {"enabled": contrast}}
        found: list[dict[str, str]] = self.page.evaluate(VIOLATIONS, rules)
        return found

    def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        return bool(self.page.evaluate(SIDEWAYS))

    def layout_faults(self) -> list[str]:
        """Return at which of the common widths the page is wider than the window, and which of its texts are cut there.

        A cut that shows the whole text on hover is meant.
        """
        own = self.page.viewport_size
        found = [fault for width in WIDTHS for fault in self._layout_faults_at(width)]
        if own:
            self.page.set_viewport_size(own)
        return found

    def _layout_faults_at(self, width: int) -> list[str]:
        self._resize(width)
        is_wide, cut = self.page.evaluate(f"() => [{SIDEWAYS}, ({CUT})()]")
        return [f"{width}: scrolls sideways"] * is_wide + [f"{width}: {text} is cut" for text in cut]

    def _resize(self, width: int) -> None:
        """Set the width of the window, unless it is that already: the page is laid out again in any case."""
        if self.page.viewport_size != (wanted := ViewportSize(width=width, height=900)):
            self.page.set_viewport_size(wanted)

    def describe(self) -> str:
        """Return the address, the texts and the recorded errors of the open page, for the report of a failed test."""
        try:
            shown = self.page.locator("body").inner_text(timeout=2_000)
            shown += f"\nCharacters in its fields: {self.page.evaluate(FILLED)}"
            shown += f"\nEvents: {self.page.evaluate('window.heard')}"
        except Error as error:
            shown = str(error)
        return f"The page at {self.page.url} shows:\n{shown[-2_000:]}\nLoaded: {self.loaded}\n{self.errors}"

    def _record_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"console: {message.text}")

    def _record_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def _record_load(self, frame: Frame) -> None:
        self.loaded.append(frame.url)

    def _record_request(self, request: Request) -> None:
        place = urlsplit(request.url)
        if place.scheme != "data" and place.netloc != self.host:
            self.foreign.append(f"a request to {place.netloc}")


class Browser:
    """One Chromium; each page is its own visitor."""

    def __init__(self, chromium: Chromium) -> None:
        self._chromium = chromium
        self._idle: dict[bool, Page] = {}  # by whether it runs scripts

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
        scheme: Scheme = "light",
        javascript: bool = True,
        cookies: Cookies = (),
        new: bool = False,
    ) -> Iterator[Watched]:
        """Open a window of `width` pixels, with these cookies and no others; `new`: not one that was used before."""
        page = (None if new else self._idle.pop(javascript, None)) or self._new_page(javascript)
        page.context.add_cookies(cookies)
        watched = Watched(page)
        watched.show_as(width, scheme)
        try:
            yield watched
        except BaseException as error:
            error.add_note(watched.describe())
            page.context.close()
            raise
        watched.end()
        self._keep(page, javascript)

    def _new_page(self, javascript: bool) -> Page:
        context = self._chromium.new_context(java_script_enabled=javascript, reduced_motion="reduce")
        context.add_init_script(HEARD)
        return context.new_page()

    def close_idle_pages(self) -> None:
        """Close the pages that are kept for the next visitor.

        Input to a page that comes from another server was lost now and then, on a busy machine.
        """
        for page in self._idle.values():
            page.context.close()
        self._idle.clear()

    def _keep(self, page: Page, javascript: bool) -> None:
        """Keep a page for the next visitor, who knows nothing of this one: a new one would cost a second of CPU."""
        if javascript in self._idle:
            page.context.close()
            return
        for other in page.context.pages:
            if other != page:
                other.close()
        page.evaluate(CLEAR)
        page.emulate_media(media="null")
        page.context.clear_cookies()
        page.context.clear_permissions()
        self._idle[javascript] = page
