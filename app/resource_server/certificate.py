"""Read the client certificate that a server or a trusted proxy hands on (RFC 8705)."""

from __future__ import annotations

import base64
import ssl
from urllib.parse import unquote

BEGIN = "-----BEGIN CERTIFICATE-----"


def read_certificate(text: str | None) -> bytes | None:
    """Return the DER of a certificate; None if there is none or it is not one.

    It may be PEM, as in `SSL_CLIENT_CERT`, PEM that is percent-encoded, as nginx and Traefik send it, or base64 between
    colons, as RFC 9440 has it.
    """
    try:
        value = (text or "").strip()
        if value.startswith(":") and value.endswith(":") and len(value) > 2:
            return base64.b64decode(value[1:-1], validate=True)
        value = unquote(value) if "%" in value else value
        return ssl.PEM_cert_to_DER_cert(value) if value.startswith(BEGIN) else None
    except ValueError:
        return None
