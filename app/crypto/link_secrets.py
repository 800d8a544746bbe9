"""The secrets of one-time links: derived from SECRET_KEY and the link's id, so that mail needs none that is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence

LABEL = b"latchkey one-time links"


class LinkSecrets:
    """Derives the secret of each link; a reader of the database, which has the digests alone, cannot."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY, and the earlier ones."""
        self._accepted = accepted

    def derive(self, link_id: str) -> str:
        """Return the secret of a new link: 43 characters, base64url of 256 bits."""
        return _derive(self._accepted()[0], link_id)

    def derive_each(self, link_id: str) -> Iterator[str]:
        """Return the secret that the link has under each key, the present one first."""
        return (_derive(key, link_id) for key in self._accepted())


def _derive(secret_key: str, link_id: str) -> str:
    key = hmac.digest(secret_key.encode(), LABEL, hashlib.sha256)
    return base64.urlsafe_b64encode(hmac.digest(key, link_id.encode(), hashlib.sha256)).decode().rstrip("=")
