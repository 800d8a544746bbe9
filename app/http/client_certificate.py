"""The certificate of a client's connection, as its proxy hands it over: TRUSTED_PROXIES alone are believed."""

from __future__ import annotations

from cryptography import x509
from flask import request

from app.crypto.certificate import is_valid_at, read_certificate
from app.crypto.certificate_header import FORMS
from app.http.current import actions
from app.http.peer import comes_from_trusted_proxy
from app.settings.settings import Settings


def header_name(settings: Settings) -> str:
    """Return the name of the header that holds the certificate; empty when no proxy hands one over."""
    proxy = settings.client_certificate_proxy
    return FORMS[proxy].header if proxy else settings.client_certificate_header


def handed_certificate() -> x509.Certificate | None:
    """Give the certificate; None without one, from a stranger, or when it is unreadable, not yet valid or expired."""
    settings = actions().settings
    name = header_name(settings)
    text = request.headers.get(name, "") if name else ""
    if not text or not comes_from_trusted_proxy():
        return None
    proxy = settings.client_certificate_proxy
    certificate = FORMS[proxy].read(text) if proxy else read_certificate(text)
    return certificate if certificate is not None and is_valid_at(certificate, actions().clock()) else None
