"""The browser and the system that a User-Agent names, such as "Chrome on Linux"."""

from __future__ import annotations

from functools import lru_cache

import ua_parser
from flask_babel import gettext


def describe_browser(agent: str) -> str:
    """Return the names of the browser and its system, without versions, as far as they are known."""
    browser, system = _parse(agent)
    name = browser or str(gettext("Unknown browser"))
    return str(gettext("%(browser)s on %(system)s", browser=name, system=system)) if system else name


@lru_cache(maxsize=256)
def _parse(agent: str) -> tuple[str, str]:
    """Return the names of the browser and its system, "" for an unknown one."""
    browser, system = ua_parser.parse_user_agent(agent), ua_parser.parse_os(agent)
    return browser.family if browser else "", system.family if system else ""
