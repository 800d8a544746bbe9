"""An authenticator in software (WebAuthn §6): it makes and uses passkeys, honestly or falsely."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40  # WebAuthn §6.1


@dataclass
class Authenticator:
    """One passkey, at first of nobody; each part of what it answers can be set to something false."""

    origin: str
    rp_id: str
    count: int = 0
    flags: int = USER_PRESENT | USER_VERIFIED
    user_handle: str | None = None
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: str) -> str:
        """Answer what `navigator.credentials.create` was asked."""
        asked = json.loads(options)
        self.user_handle = asked["user"]["id"]
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(HAS_CREDENTIAL) + self._public()}
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer(clientDataJSON=client, attestationObject=encode_cbor(attestation), transports=["internal"])

    def use(self, options: str, challenge: str = "") -> str:
        """Answer what `navigator.credentials.get` was asked, or another challenge; the counter goes up."""
        self.count += 1
        client, data = self._client("webauthn.get", challenge or json.loads(options)["challenge"]), self._data()
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        handle = None if self.user_handle is None else urlsafe_b64decode(self.user_handle + "==")
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signature, userHandle=handle)

    def _client(self, type_: str, challenge: str) -> bytes:
        return json.dumps({"type": type_, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, further_flags: int = 0) -> bytes:
        rp_hash = hashlib.sha256(self.rp_id.encode()).digest()
        return rp_hash + bytes([self.flags | further_flags]) + self.count.to_bytes(4)

    def _public(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}  # RFC 9053 §7.1.1
        return bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + encode_cbor(key)

    def _answer(self, **response: Any) -> str:
        own = _text(self.credential_id)
        shown = {name: _text(value) if isinstance(value, bytes) else value for name, value in response.items()}
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": shown})


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")
