"""Ask an endpoint that others chose, and read the JSON object that it answers, whatever its status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.actions.trust.bounded_request import send_bounded
from app.actions.trust.fetch_json import LARGEST_RESPONSE, PATIENCE
from app.actions.trust.pinned_connection import UNREACHABLE, checked_address, host_of, read_url
from app.settings.strict_json import read_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """The status of an answer, and its JSON object, which may hold secrets."""

    status: int
    document: Mapping[str, Any] = field(repr=False)


class AskJson:
    """Sends requests under the rules of `fetch_json`; `what` names them in the log."""

    def __init__(self, what: str, *, allow_private: bool, patience: float = PATIENCE) -> None:
        """Take whether private addresses, and plain http to them, are allowed (ALLOW_PRIVATE_JWKS_URI)."""
        self._what = what
        self._allow_private = allow_private
        self._patience = patience

    def __call__(
        self, method: str, uri: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> JsonAnswer | None:
        """Return the answer; None when there is none in time, or not a JSON object. A redirect is not followed."""
        try:
            url = read_url(uri)
            address = checked_address(url, allow_private=self._allow_private)
            status, _, body = send_bounded(
                method, url, address, headers, content, patience=self._patience, largest=LARGEST_RESPONSE
            )
            document = read_json(body.decode("utf-8-sig"))
        except (*UNREACHABLE, OSError, TypeError, ValueError, RecursionError) as error:
            log.warning("%s did not answer (%s): %s", self._what, type(error).__name__, host_of(uri))
            return None
        return JsonAnswer(status, document) if isinstance(document, dict) else None
