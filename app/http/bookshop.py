"""The bookshop of the API's examples: its names and ids, and secrets of the right form that were never issued."""

from __future__ import annotations

import base64
import json

from app.crypto.opaque import Prefix, check_characters, hint
from app.maintenance.demo import STOCK

ISSUER = "https://login.bookshop.example"
READ, WRITE = "stock:read", "stock:write"
USERNAME, CLIENT_ID = "alice", "cli_019dfae0c2c21f4c1a7e9b3d5f60"
USER_ID, TOKEN_ID, KEY_ID = (
    "usr_019dfae0c107a3d94b2c6e8f1a35",
    "pat_019dfae0d11b5e70c9a1f42d8836",
    "key_019dfae0e24d80b1c7f36a95e2d4",
)
MACHINE_TOKEN_ID = "m2m_019dfae0f3c91b7d52e8a0c64f9b"  # noqa: S105 - an id, not a secret
SIGNING_KEY_ID = "sig_019dfae0a0553d7f1e9c24b86a70"
ISSUED_AT, EXPIRES_AT = 1893499200, 1893502800  # seconds


def _make_secret(prefix: Prefix, word: str) -> str:
    random_part = (word * 32)[:32]
    return f"{prefix}{random_part}{check_characters(random_part)}"


def _make_jwt(header: dict[str, object], claims: dict[str, object]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, claims)]
    return ".".join([*parts, "Example" * 12])


PERSONAL_TOKEN = _make_secret(Prefix.PAT, "Example")
REGENERATED_TOKEN = _make_secret(Prefix.PAT, "Example2")
API_KEY = _make_secret(Prefix.API_KEY, "Example")
ROTATED_API_KEY = _make_secret(Prefix.API_KEY, "Example2")
CLIENT_SECRET = _make_secret(Prefix.CLIENT_SECRET, "Example")
REFRESH_TOKEN = _make_secret(Prefix.REFRESH_TOKEN, "Example")
AUTHORIZATION_CODE = _make_secret(Prefix.AUTHORIZATION_CODE, "Example")
DEVICE_CODE = _make_secret(Prefix.DEVICE_CODE, "Example")
SECOND_CLIENT_SECRET = _make_secret(Prefix.CLIENT_SECRET, "Example2")
HINTS = {secret: hint(secret) for secret in (PERSONAL_TOKEN, API_KEY, CLIENT_SECRET, SECOND_CLIENT_SECRET)}
WEBHOOK_SECRET = f"whsec_{base64.b64encode(b'Example of 32 octets, signs naught').decode()}"
ACCESS_TOKEN = _make_jwt(
    {"alg": "ES256", "kid": SIGNING_KEY_ID, "typ": "at+jwt"},
    {"iss": ISSUER, "sub": CLIENT_ID, "aud": STOCK, "scope": READ, "iat": ISSUED_AT, "exp": EXPIRES_AT},
)
FOREIGN_ISSUER = "https://token.actions.githubusercontent.com"
FOREIGN_SUBJECT = "repo:bookshop/warehouse:ref:refs/heads/main"
FOREIGN_TOKEN = _make_jwt(
    {"alg": "RS256", "kid": "cc413527", "typ": "JWT"},
    {"iss": FOREIGN_ISSUER, "sub": FOREIGN_SUBJECT, "aud": ISSUER, "iat": ISSUED_AT, "exp": EXPIRES_AT},
)
