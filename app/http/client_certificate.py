"""The client certificate that a trusted proxy terminated TLS with and forwards in a header (RFC 9440)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from app.crypto.certificate import is_valid_at, read_certificate
from app.crypto.certificate_header import FORMS
from app.settings.settings import Settings

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers


def header_name(settings: Settings) -> str:
    """Return the name of the header that holds the certificate; empty when no proxy forwards one."""
    proxy = settings.client_certificate_proxy
    return FORMS[proxy].header if proxy else settings.client_certificate_header


def read_client_certificate(headers: Headers, settings: Settings, at: datetime) -> x509.Certificate | None:
    """Return the certificate in the headers of a trusted proxy; None without one that is readable and valid at `at`."""
    name = header_name(settings)
    text = headers.get(name, "") if name else ""
    if not text:
        return None
    proxy = settings.client_certificate_proxy
    certificate = FORMS[proxy].read(text) if proxy else read_certificate(text)
    return certificate if certificate is not None and is_valid_at(certificate, at) else None
