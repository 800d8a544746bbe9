"""The browser and the system that a User-Agent names, such as "Chrome on Linux"."""

from __future__ import annotations

from functools import lru_cache

import ua_parser

UNKNOWN = "Unknown browser"


@lru_cache(maxsize=256)
def describe_browser(agent: str) -> str:
    """Return the names of the browser and its system, without versions, as far as they are known."""
    browser, system = ua_parser.parse_user_agent(agent), ua_parser.parse_os(agent)
    name = browser.family if browser else UNKNOWN
    return f"{name} on {system.family}" if system else name
