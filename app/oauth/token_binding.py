"""Bind a new token to the key of the request's DPoP proof (RFC 9449 §5) or to the certificate (RFC 8705 §3)."""

from __future__ import annotations

from dataclasses import dataclass

from app.actions.sign_in.clients import KnownClient
from app.actions.tokens.check_proof import CheckProof
from app.crypto.certificate import thumbprint_of
from app.crypto.confirmation import Confirmation
from app.crypto.dpop import Proof
from app.errors import InvalidProof, InvalidRequest
from app.http.request import Request


@dataclass(frozen=True, slots=True)
class TokenBinding:
    """The `cnf` claim of the new token, and the proof that it comes from, not used up yet."""

    confirmation: Confirmation
    proof: Proof | None
    check_proof: CheckProof

    def consume_proof(self) -> list[tuple[str, str]]:
        """Use the proof up, before the token is returned; return the headers to add. Raise InvalidProof."""
        if self.proof is None:
            return []
        self.check_proof.use(self.proof)
        nonce = self.check_proof.next_nonce()
        return [("DPoP-Nonce", nonce)] if nonce else []


def read_binding(client: KnownClient | None, request: Request, issuer: str, check_proof: CheckProof) -> TokenBinding:
    """Read what a token request is bound to; `client` is the authenticated one, if any.

    Raise InvalidProof and NonceNeeded, also for a bound client without a proof (RFC 9449 §5.2), and InvalidRequest
    for a client that is bound to certificates and sends none (RFC 8705 §3).
    """
    x5t = _certificate_thumbprint(request) if client is not None and client.certificate_bound else None
    if request.proof is None:
        if client is not None and client.dpop_bound:
            raise InvalidProof("this client gets no token without a DPoP proof")
        return TokenBinding(Confirmation(x5t_s256=x5t), None, check_proof)
    proof = check_proof(request.proof, request.method, f"{issuer}/oauth/token")
    return TokenBinding(Confirmation(proof.jkt, x5t), proof, check_proof)


def _certificate_thumbprint(request: Request) -> str:
    certificate = request.certificate()
    if certificate is None:
        raise InvalidRequest("this client gets no token without its client certificate")
    return thumbprint_of(certificate)
