"""/login, /logout and /account: signing in, and what users manage about themselves."""

from __future__ import annotations

from app.web.account import apps, links, profile, sign_in, tokens

ROUTES = (sign_in.routes, links.routes, profile.routes, tokens.routes, apps.routes)
