"""The issuer URL: given, or made from the address that the server listens on."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit


def make_issuer(host: str, port: int) -> str:
    """Return the issuer of a server for which none is set."""
    return f"http://{_url_host(host)}:{port}"


def check_issuer(issuer: str, allow_insecure: bool) -> str:
    """Return the issuer without a slash at its end; raise ValueError for one that cannot work."""
    issuer = issuer.rstrip("/")
    parts = _split(issuer)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or "?" in issuer or "#" in issuer or "@" in parts.netloc:
        raise ValueError("ISSUER must be an http(s) URL without query, fragment or user (RFC 8414 §2)")
    if not issuer.isascii() or any(c.isspace() or c in '"\\<>' for c in issuer):
        raise ValueError("ISSUER has characters that a URL cannot have")
    if parts.scheme == "http" and not _is_loopback(host) and not allow_insecure:
        raise ValueError("ISSUER is plain http off loopback: use https, or set ALLOW_INSECURE_ISSUER")
    return issuer


def _split(issuer: str) -> SplitResult:
    try:
        parts = urlsplit(issuer)
        parts.port  # noqa: B018 - raises when it is not a number
    except ValueError:
        raise ValueError("ISSUER is not a URL") from None
    return parts


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - "every interface" cannot be the host of a URL
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
