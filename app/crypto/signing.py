"""Signing keys: create, encrypt, publish and rotate them; PyJWT signs and verifies with them (RFC 7515, RFC 9068)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from jwt.utils import base64url_encode
from sqlalchemy import Connection, delete, or_, select
from sqlalchemy.orm import Session

from app.clock import earliest
from app.crypto.provider_secrets import reseal_providers, sealed_provider_secrets
from app.crypto.seal import Seal
from app.crypto.webhook_secrets import reseal_webhooks, sealed_secrets
from app.database.locks import advisory_lock
from app.database.types import new_id
from app.errors import BadSettings, NotFound
from app.models import SigningKey

ALGORITHM = "ES256"
ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 §2.1
LONGEST_LIFETIME = timedelta(days=1)  # of a token: the largest access_token_ttl of a resource
SKEW = timedelta(minutes=1)  # by which the clocks of two nodes may differ
RETIRING = LONGEST_LIFETIME + SKEW
MOST_VERIFIED = 1_000  # tokens whose signature need not be checked again
LOCK = 0x1A7C4E3  # of a rotation
NOT_PUBLISHED = "no signing key with this kid is published"
TEXTS = ("iss", "sub", "jti", "client_id", "scope", "credential_type")  # claims of every token
OBJECTS: Mapping[str, set[str]] = {"act": {"sub"}, "origin": {"id"}, "cnf": set()}  # of some; needed members
KID = re.compile(r"sig_[0-9a-f]{1,60}")
_ES256 = ec.ECDSA(hashes.SHA256())
_ACTIVE = select(SigningKey.kid, SigningKey.sealed_private_key).where(SigningKey.state == "active")
_SIGNING = select(SigningKey).where(SigningKey.state != "retiring")
_SEALED = select(SigningKey.sealed_private_key).where(SigningKey.state != "retiring")
_BEGAN = select(SigningKey.state, SigningKey.created_at).where(SigningKey.state != "retiring")
_PUBLIC = select(SigningKey.public_jwk, SigningKey.retires_at)
_ACTIVE_KID = select(SigningKey.kid).where(SigningKey.state == "active")


@dataclass(frozen=True, slots=True)
class Turn:
    """Since when the active key signs: a rotation publishes the next key at the moment when another begins to sign.

    `together`: the active and the next key were created at once, so that both were published from the start.
    """

    began_at: datetime
    together: bool


@dataclass(frozen=True, slots=True)
class Signer:
    """The active key, until it is rotated."""

    kid: str
    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign(self, payload: bytes, typ: str = ACCESS_TOKEN_TYPE) -> str:
        """Return a compact JWS (RFC 7515 §7.1) of a JSON object."""
        signed = b".".join((_header(typ, self.kid), base64url_encode(payload)))
        r, s = decode_dss_signature(self._key.sign(signed, _ES256))
        signature = base64url_encode(r.to_bytes(32) + s.to_bytes(32))  # RFC 7518 §3.4
        return b".".join((signed, signature)).decode()


@lru_cache(maxsize=16)
def _header(typ: str, kid: str) -> bytes:
    return base64url_encode(compact({"alg": ALGORITHM, "kid": kid, "typ": typ}))


def compact(value: Mapping[str, Any]) -> bytes:
    """Return JSON without white space."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Signed:
    """The claims of a token that a key of ours signed, and when they are valid: from `issued_at`, before `ends_at`.

    `ends_at` is the token's `exp`, or the end of its key where that comes first.
    """

    claims: Mapping[str, Any]
    issued_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        """Return whether the token is valid at this instant; an `iat` in the future is refused (RFC 7519 §4.1.6)."""
        return self.issued_at <= at + SKEW and at < self.ends_at


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """A key as verification needs it, until it retires."""

    jwk: jwt.PyJWK
    retires_at: datetime | None


@dataclass(slots=True)
class _Cache:
    """The results since the authority epoch moved: public keys by kid, verified tokens by digest."""

    epoch: int | None
    public: dict[str, _PublicKey] = field(default_factory=dict)
    verified: dict[bytes, Signed] = field(default_factory=dict)


def _read(token: str, issuer: str, key_of: Callable[[object], _PublicKey | None]) -> Signed | None:
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != ACCESS_TOKEN_TYPE:  # RFC 9068 §4: nothing else is an access token
            return None
        key = key_of(header.get("kid"))
        if key is None:
            return None
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False,
                        "require": ["exp", "iat", "sub", "jti", "aud", "client_id"]}  # fmt: skip
        claims = jwt.decode(token, key.jwk, algorithms=[ALGORITHM], issuer=issuer, options=options)
        return _accept_claims(claims, key.retires_at)
    except (jwt.PyJWTError, ValueError, OverflowError, OSError):
        return None


def _accept_claims(claims: Mapping[str, Any], retires_at: datetime | None) -> Signed | None:
    """Refuse claims of a form that this server never issues, and a longer lifetime than any it issues.

    A stolen key must neither sign tokens that last longer nor make verification raise.
    """
    if not _has_valid_claims(claims):
        return None
    iat, exp = claims["iat"], claims["exp"]
    if type(iat) is not int or type(exp) is not int or not 0 <= exp - iat <= LONGEST_LIFETIME.total_seconds():
        return None
    expires_at = datetime.fromtimestamp(exp, UTC)
    return Signed(claims, datetime.fromtimestamp(iat, UTC), earliest(expires_at, retires_at) or expires_at)


def _has_valid_claims(claims: Mapping[str, Any]) -> bool:
    """Return whether each claim that verification reads has the type that this server gives it."""
    aud = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    objects = [(claims[name], needed) for name, needed in OBJECTS.items() if name in claims]
    if not all(isinstance(one, dict) and needed <= one.keys() for one, needed in objects):
        return False
    texts = (*map(claims.get, TEXTS), *aud, *(inner for one, _ in objects for inner in one.values()))
    return all(
        isinstance(text, str) and text.isprintable() for text in texts
    )  # a driver fails at NUL or a lone surrogate


class SigningKeys:
    """The server's keys: `next` is published before it signs, `active` signs, `retiring` only verifies."""

    def __init__(self, secret_keys: str | Callable[[], Sequence[str]], epoch: Callable[[], int] | None = None) -> None:
        """`secret_keys`: the SECRET_KEY, or a callable that returns the accepted ones, the current one first.

        With the authority epoch, public keys and verified tokens are cached until it moves.
        """
        self._epoch = epoch
        self._known = _Cache(None)
        self._seal = Seal((lambda: [secret_keys]) if isinstance(secret_keys, str) else secret_keys)
        self._private: dict[str, ec.EllipticCurvePrivateKey] = {}

    def ensure(self, session: Session, at: datetime) -> None:
        """Create the first `active` and `next` key where they are missing."""
        present = set(session.scalars(select(SigningKey.state)))
        for state in ("active", "next"):
            if state not in present:
                session.add(self._new(state, at))

    def rotate(self, session: Session, at: datetime) -> str:
        """Make the `next` key active and publish a new `next`; the old one verifies until its last token has expired.

        Return the kid that signs from now on; raises BadSettings when SECRET_KEY does not open it.
        """
        advisory_lock(session, LOCK)
        self.sweep(session, at)
        keys = {key.state: key for key in session.scalars(_SIGNING)}
        retiring, coming = keys["active"], keys["next"]
        self._unseal(coming.sealed_private_key)  # a key that this node cannot decrypt must never be active
        retiring.state, retiring.retires_at = "retiring", at + RETIRING
        session.flush()  # one active key at any moment, as the index demands
        coming.state = "active"
        session.flush()
        session.add(self._new("next", at))
        session.flush()
        return coming.kid

    def revoke(self, session: Session, kid: str, at: datetime) -> str:
        """End a key now, and with it every token that it signed; return the state that it had.

        The active key is rotated first, so that there is always one to sign with. Raises NotFound for a key that is
        not published, and BadSettings where SECRET_KEY does not open the next key.
        """
        advisory_lock(session, LOCK)
        key = session.get(SigningKey, kid) if KID.fullmatch(kid) else None
        if key is None or (key.retires_at is not None and key.retires_at <= at):
            raise NotFound(NOT_PUBLISHED)
        state = key.state
        if state == "active":
            self.rotate(session, at)
        session.delete(key)  # moves the authority epoch: no process keeps what the key verified
        session.flush()
        self.ensure(session, at)
        return state

    def sweep(self, session: Session, at: datetime) -> None:
        """Drop the keys whose last token has expired."""
        session.execute(delete(SigningKey).where(SigningKey.state == "retiring", SigningKey.retires_at <= at))

    def published(self, connection: Connection | Session, at: datetime) -> list[dict[str, Any]]:
        """Return the JWK set's members, public parts only, the active key first (RFC 7517 §5)."""
        live = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > at)
        rows = connection.execute(select(SigningKey.public_jwk).where(live).order_by(SigningKey.state)).scalars()
        return list(rows)

    def sign(self, connection: Connection | Session, claims: Mapping[str, Any], typ: str = ACCESS_TOKEN_TYPE) -> str:
        """Sign claims with the active key."""
        return self.signer(connection).sign(compact(claims), typ)

    def signer(self, connection: Connection | Session) -> Signer:
        """Return the active key, to sign with until the authority epoch moves."""
        return Signer(*self._active(connection))

    def read(self, connection: Connection | Session, token: str, issuer: str) -> Signed | None:
        """Return the claims that one of our keys signed, and when they are valid; None for anything else."""
        known, digest = self._current_cache(), sha256(token.encode("utf-8", "surrogatepass")).digest()
        if digest in known.verified:
            return known.verified[digest]
        signed = _read(token, issuer, lambda kid: self._public_key(connection, known, kid))
        if signed is not None and self._epoch:
            if len(known.verified) >= MOST_VERIFIED:
                known.verified.clear()
            known.verified[digest] = signed
        return signed

    def turn(self, connection: Connection | Session) -> Turn:
        """Return since when the active key signs; a rotation calls this under the advisory lock."""
        began = {row.state: row.created_at for row in connection.execute(_BEGAN)}
        return Turn(began["next"], began["active"] == began["next"])

    def check_seal(self, connection: Connection | Session) -> None:
        """Raise BadSettings when no accepted key opens the active or the next key."""
        for sealed in connection.execute(_SEALED).scalars():
            self._seal.open(sealed)

    def sealed_before(self, connection: Connection | Session) -> int:
        """Count what is still encrypted with an earlier SECRET_KEY: keys, and the secrets of webhooks and providers."""
        keys = connection.execute(select(SigningKey.sealed_private_key)).scalars()
        sealed = [*keys, *sealed_secrets(connection), *sealed_provider_secrets(connection)]
        return sum(not self._seal.is_current(one) for one in sealed)

    def reseal(self, session: Session) -> int:
        """Encrypt again what an earlier SECRET_KEY encrypted; return how many keys. Raises BadSettings if none fits."""
        advisory_lock(session, LOCK)
        old = [key for key in session.scalars(select(SigningKey)) if not self._seal.is_current(key.sealed_private_key)]
        for key in old:
            key.sealed_private_key = self._seal.close(self._seal.open(key.sealed_private_key))
        reseal_webhooks(session, self._seal)  # what is encrypted in the same way
        reseal_providers(session, self._seal)
        session.flush()
        return len(old)

    def _active(self, connection: Connection | Session) -> tuple[str, ec.EllipticCurvePrivateKey]:
        kid = connection.execute(_ACTIVE_KID).scalar_one()
        if kid not in self._private:
            row = connection.execute(_ACTIVE).one()
            kid, key = row.kid, self._unseal(row.sealed_private_key)
            self._private = {kid: key}  # a key that was rotated or revoked is not kept in memory
            return kid, key
        return kid, self._private[kid]

    def _current_cache(self) -> _Cache:
        epoch, known = self._epoch() if self._epoch else None, self._known
        if known.epoch != epoch:  # a key that was deleted verifies nothing any more
            known = self._known = _Cache(epoch)
        return known

    def _public_key(self, connection: Connection | Session, known: _Cache, kid: object) -> _PublicKey | None:
        if not isinstance(kid, str) or KID.fullmatch(kid) is None:  # unchecked text never reaches the database
            return None
        public = known.public
        if kid not in public:
            row = connection.execute(_PUBLIC.where(SigningKey.kid == kid)).one_or_none()
            if row is None:
                return None
            public[kid] = _PublicKey(jwt.PyJWK(row.public_jwk), row.retires_at)
        return public[kid]

    def _unseal(self, sealed: bytes) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_der_private_key(self._seal.open(sealed), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BadSettings("the signing key in the database is of another type")
        return key

    def _new(self, state: str, at: datetime) -> SigningKey:
        key = ec.generate_private_key(ec.SECP256R1())
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        kid = new_id("sig")
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
        jwk = {"kty": "EC", "crv": "P-256", "x": public["x"], "y": public["y"]}
        jwk |= {"kid": kid, "use": "sig", "alg": ALGORITHM}
        return SigningKey(
            kid=kid,
            alg=ALGORITHM,
            state=state,
            public_jwk=jwk,
            sealed_private_key=self._seal.close(der),
            created_at=at,
        )
