"""Example requests and answers of the OAuth endpoints. A test sends the requests, and validates the answers."""

from __future__ import annotations

from typing import Any

from app.actions.tokens.exchange import ACCESS_TOKEN as ACCESS_TOKEN_TYPE
from app.crypto.signing import ALGORITHM
from app.http import bookshop as shop
from app.maintenance.demo import STOCK
from app.oauth.authorization_code import AuthorizationCode
from app.oauth.client_credentials import ClientCredentials
from app.oauth.device_code import DeviceCode
from app.oauth.jwt_bearer import JwtBearer
from app.oauth.refresh_token import RefreshToken
from app.oauth.token_exchange import TokenExchange

FORMS: dict[str, dict[str, Any]] = {
    "machine": {"grant_type": ClientCredentials.GRANT_TYPE, "scope": shop.READ, "resource": [STOCK]},
    "exchange": {
        "grant_type": TokenExchange.GRANT_TYPE,
        "subject_token": shop.PERSONAL_TOKEN,
        "subject_token_type": ACCESS_TOKEN_TYPE,
        "scope": shop.READ,
        "resource": [STOCK],
    },
    "jwt_bearer": {"grant_type": JwtBearer.GRANT_TYPE, "assertion": shop.FOREIGN_TOKEN, "scope": shop.READ},
    "code": {
        "grant_type": AuthorizationCode.GRANT_TYPE,
        "code": shop.AUTHORIZATION_CODE,
        "redirect_uri": "https://app.bookshop.example/callback",
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",  # RFC 7636 appendix B
    },
    "refresh": {"grant_type": RefreshToken.GRANT_TYPE, "refresh_token": shop.REFRESH_TOKEN},
    "device_code": {"grant_type": DeviceCode.GRANT_TYPE, "device_code": shop.DEVICE_CODE},
    "device": {"client_id": shop.CLIENT_ID, "scope": shop.READ, "resource": [STOCK]},
    "introspect": {"token": shop.PERSONAL_TOKEN},
    "revoke": {"token": shop.PERSONAL_TOKEN},
}
ISSUED = {
    "access_token": shop.ACCESS_TOKEN,
    "token_type": "Bearer",
    "expires_in": 600,
    "scope": shop.READ,
}
DEVICE_CODES = {
    "device_code": shop.DEVICE_CODE,
    "user_code": "BCDF-GHJK",
    "verification_uri": f"{shop.ISSUER}/device",
    "verification_uri_complete": f"{shop.ISSUER}/device?user_code=BCDF-GHJK",
    "expires_in": 600,
    "interval": 5,
}
IDENTITY = {
    "active": True,
    "credential_type": "personal_access_token",
    "token_type": "Bearer",
    "scope": shop.READ,
    "aud": [STOCK],
    "iss": shop.ISSUER,
    "iat": shop.ISSUED_AT,
    "jti": shop.TOKEN_ID,
    "exp": shop.EXPIRES_AT,
    "sub": shop.USER_ID,
    "username": shop.USERNAME,
}
IDENTITY_HEADERS = {
    "X-Auth-Credential-Type": "personal_access_token",
    "X-Auth-Subject": shop.USER_ID,
    "X-Auth-Username": shop.USERNAME,
    "X-Auth-Client-Id": "",
    "X-Auth-Scope": shop.READ,
    "X-Auth-Credential-Id": shop.TOKEN_ID,
}
KEY_SET = {
    "keys": [
        {
            "crv": "P-256",
            "kty": "EC",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",  # RFC 7515 appendix A.3
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "kid": shop.SIGNING_KEY_ID,
            "use": "sig",
            "alg": ALGORITHM,
        }
    ]
}
