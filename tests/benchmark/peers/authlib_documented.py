"""An authorization server as Authlib's documentation shows one: Flask-SQLAlchemy models with its mixins, its session
functions, the client-credentials grant with a JWT generator (RFC 9068), the introspection endpoint (RFC 7662).

LATCHKEY_PEER_DATABASE names the SQLite file, LATCHKEY_PEER_SECRETS the folder that `python -m` fills.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_query_token_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import Column, ForeignKey, Integer, String, event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import relationship

ISSUER = "http://127.0.0.1:8080"
CLIENT = "bench"
db: Any = SQLAlchemy()


class User(db.Model):  # type: ignore[misc]
    """A user; the client-credentials grant has none."""

    id = Column(Integer, primary_key=True)
    username = Column(String(40), unique=True)


class OAuth2Client(db.Model, OAuth2ClientMixin):  # type: ignore[misc]
    """A client."""

    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("user.id", ondelete="CASCADE"))
    user = relationship("User")


class OAuth2Token(db.Model, OAuth2TokenMixin):  # type: ignore[misc]
    """A token that was issued."""

    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("user.id", ondelete="CASCADE"))
    user = relationship("User")


class Introspection(IntrospectionEndpoint):
    """Any client may ask about any token."""

    def query_token(self, token_string: str, token_type_hint: str | None) -> Any:
        """Return the row of a token."""
        return create_query_token_func(db.session, OAuth2Token)(token_string, token_type_hint)

    def check_permission(self, token: Any, client: Any, request: Any) -> bool:
        """Allow every client."""
        return True

    def introspect_token(self, token: Any) -> dict[str, Any]:
        """Return the claims of a token."""
        return {
            "active": True,
            "client_id": token.client_id,
            "token_type": token.token_type,
            "scope": token.get_scope(),
            "sub": token.client_id,
            "aud": token.client_id,
            "iss": ISSUER,
            "exp": token.issued_at + token.expires_in,
            "iat": token.issued_at,
        }


class Jwts(JWTBearerTokenGenerator):
    """Signs with one key for the life of the process."""

    keys = KeySet([ECKey.generate_key("P-256", {"kid": "bench", "alg": "ES256", "use": "sig"})])

    def get_jwks(self) -> Any:
        """Return the key."""
        return self.keys


@event.listens_for(Engine, "connect")
def _wal(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")


def create_app() -> Flask:
    """Join the parts, as the documentation does."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["LATCHKEY_PEER_DATABASE"]
    db.init_app(app)
    server: Any = AuthorizationServer(
        app,
        query_client=create_query_client_func(db.session, OAuth2Client),
        save_token=create_save_token_func(db.session, OAuth2Token),
    )
    server.register_grant(grants.ClientCredentialsGrant)
    server.register_endpoint(Introspection)
    server.register_token_generator("default", Jwts(ISSUER, alg="ES256"))

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        return jsonify(status="ok")

    @app.post("/oauth/token")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/oauth/introspect")
    def introspect() -> Any:
        return server.create_endpoint_response(Introspection.ENDPOINT_NAME)

    return app


def fill(count: int, folder: Path) -> None:
    """Make the tables, a client and its tokens; their secrets go into files of the folder."""
    app, secret = create_app(), secrets.token_urlsafe(32)
    with app.app_context():
        db.create_all()
        client = OAuth2Client(client_id=CLIENT, client_secret=secret, client_id_issued_at=int(time.time()))
        client.set_client_metadata({
            "grant_types": ["client_credentials"], "scope": "orders:read orders:write",
            "token_endpoint_auth_method": "client_secret_basic",
        })  # fmt: skip
        db.session.add(client)
        db.session.commit()
    tokens = [secrets.token_urlsafe(32) for _ in range(count)]
    statement = (
        "INSERT INTO o_auth2_token (client_id, token_type, access_token, scope, issued_at, access_token_revoked_at, "
        "refresh_token_revoked_at, expires_in) VALUES (?, 'Bearer', ?, 'orders:read orders:write', ?, 0, 0, 864000)"
    )
    with sqlite3.connect(os.environ["LATCHKEY_PEER_DATABASE"]) as connection:
        connection.executemany(statement, [(CLIENT, token, int(time.time())) for token in tokens])
    (folder / "token").write_text("\n".join(tokens) + "\n", encoding="ascii")
    (folder / "client").write_text(f"{CLIENT}:{secret}\n", encoding="ascii")


if __name__ == "__main__":
    os.umask(0o077)
    fill(int(sys.argv[1]), Path(sys.argv[2]))
