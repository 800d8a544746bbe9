"""/login, /logout and /account: signing in, and what users manage about themselves."""

from __future__ import annotations

from app.web.account import (
    apps,
    confirm,
    links,
    profile,
    provider_links,
    provider_logout,
    provider_sign_in,
    second_factor,
    second_step,
    sign_in,
    tokens,
)

ROUTES = (
    sign_in.routes,
    provider_sign_in.routes,
    provider_logout.routes,
    provider_links.routes,
    links.routes,
    second_step.routes,
    confirm.routes,
    second_factor.routes,
    profile.routes,
    tokens.routes,
    apps.routes,
)
