"""Read a list by its links to the next page."""

import re
from html import unescape

from tests.web.visitor import Visitor

NEXT = re.compile(r'href="([^"]+)" rel="next"')


def pages_of(visitor: Visitor, path: str) -> list[str]:
    """Return the pages of a list, from `path` on."""
    pages = [visitor.get(path).text]
    while onward := NEXT.search(pages[-1]):
        pages.append(visitor.get(unescape(onward[1])).text)
        assert len(pages) < 20
    return pages
