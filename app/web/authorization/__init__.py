"""The pages on which a user lets an app act for them: the question of consent, and the code of a device."""

from __future__ import annotations

from app.web.authorization import device

ROUTES = (device.routes,)
