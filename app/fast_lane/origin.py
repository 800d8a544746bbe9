"""Where a request comes from, kept as it was sent: its address is read when the use is written, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.actions.tokens.usage import Origin, origin_of
from app.http.peer import peer_address
from app.settings.addresses import Address
from app.settings.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LONGEST_KEPT = 500  # characters of X-Forwarded-For


class OriginReader:
    """Reads the origin of requests to one endpoint of this server."""

    def __init__(self, settings: Settings, server: str) -> None:
        self._proxies = settings.trusted_proxies
        self._server = server
        self._reads_forwarded = bool(settings.trusted_proxies)
        self._reader = self._read_address  # bound once

    def __call__(self, environ: WSGIEnvironment) -> Origin:
        """Return the origin, with the address still to be read."""
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "") if self._reads_forwarded else ""
        if len(forwarded) > LONGEST_KEPT:
            return origin_of(self._server, self._reader(environ.get("REMOTE_ADDR", ""), forwarded))
        return self._server, self._reader, environ.get("REMOTE_ADDR", ""), forwarded

    def _read_address(self, sender: str, forwarded: str) -> Address | None:
        return peer_address(sender, forwarded, self._proxies)
