"""What a new token is bound to: the key of the request's DPoP proof (RFC 9449 §5), the certificate (RFC 8705 §3)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request as flask_request

from app.actions.sign_in.clients import KnownClient
from app.crypto.certificate import thumbprint_of
from app.crypto.confirmation import Confirmation
from app.crypto.dpop import Proof
from app.errors import InvalidProof, InvalidRequest
from app.http.client_certificate import handed_certificate
from app.http.current import actions


@dataclass(frozen=True, slots=True)
class Bond:
    """What the token will say of its holder, and the proof of it, still unused."""

    confirmation: Confirmation
    proof: Proof | None

    def seal(self) -> list[tuple[str, str]]:
        """Use the proof up, before the token is handed out; gives the headers to add. Raises InvalidProof."""
        if self.proof is None:
            return []
        actions().check_proof.use(self.proof)
        nonce = actions().check_proof.next_nonce()
        return [("DPoP-Nonce", nonce)] if nonce else []


def bond_of(client: KnownClient | None) -> Bond:
    """Read what came with a token request; `client` is the authenticated one, if any.

    Raises InvalidProof and NonceNeeded, also for a client that is bound and sends no proof (RFC 9449 §5.2), and
    InvalidRequest for one that is bound to certificates and has none (RFC 8705 §3).
    """
    x5t = _certificate() if client is not None and client.certificate_bound else None
    sent = flask_request.headers.get("DPoP")
    if sent is None:
        if client is not None and client.dpop_bound:
            raise InvalidProof("this client gets no token without a DPoP proof")
        return Bond(Confirmation(x5t_s256=x5t), None)
    url = f"{actions().settings.issuer}/oauth/token"
    proof = actions().check_proof(sent, flask_request.method, url)
    return Bond(Confirmation(proof.jkt, x5t), proof)


def _certificate() -> str:
    certificate = handed_certificate()
    if certificate is None:
        raise InvalidRequest("this client gets no token without its client certificate")
    return thumbprint_of(certificate)
