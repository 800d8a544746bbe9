"""A file that this server sends as it is: compressed, and cached for good where its address names its content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass, field

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

MAX_AGE = 86_400  # seconds that a browser caches a file whose address does not name its content
FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent, plain and compressed."""

    plain: bytes = field(repr=False)
    compressed: bytes = field(repr=False)
    media_type: str
    version: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Asset:
        """Compress a file; equal files give equal bytes on every node."""
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return cls(content, gzip.compress(content, mtime=0), media_type, hashlib.sha256(content).hexdigest()[:16])

    def send(self) -> AnyResponse:
        """Answer with the file, compressed where the client takes that, or 304 for the version that it has."""
        response = Response(self.plain, content_type=f"{self.media_type}; charset=utf-8")
        if accepts_gzip():
            response.data = self.compressed
            response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
        response.set_etag(self.version, weak=True)  # RFC 9110 §8.8.3: one tag for both encodings
        named = request.args.get("v") == self.version
        response.headers["Cache-Control"] = FOR_GOOD if named else f"public, max-age={MAX_AGE}"
        return response.make_conditional(request)


def accepts_gzip() -> bool:
    """Return whether the client of this request reads gzip."""
    return request.accept_encodings["gzip"] > 0
