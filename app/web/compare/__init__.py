"""/compare: the kinds of credential side by side, as a page and as a file, and a guide that names the one to use."""

from __future__ import annotations

from app.web.compare import comparison

ROUTES = (comparison.routes, comparison.measuring)
