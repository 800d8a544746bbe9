"""Sender-constrained tokens: check that the sender holds the key or certificate that the token is bound to."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from urllib.parse import quote

from app.actions.tokens.check_proof import CheckProof
from app.credentials.kind import Claims
from app.crypto.certificate import thumbprint_of
from app.crypto.confirmation import UNBOUND
from app.crypto.jws import ALGORITHMS
from app.errors import InvalidProof, NonceNeeded, Unproven
from app.http.request import Request

REALM = "latchkey"  # of every challenge
INVALID = "invalid_token"
BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """An access token as a request presents it, with the method and URL of the request that it authorizes.

    The DPoP proof names the same method and URL; None when a gateway does not send them.
    """

    token: str = field(repr=False)
    request: Request
    method: str | None
    url: str | None

    @classmethod
    def sent_here(cls, token: str, request: Request, issuer: str) -> PresentedToken:
        """Return a token that authorizes this very request; the URL begins with the issuer, behind any proxy."""
        return cls(token, request, request.method, f"{issuer}{quote(request.path)}")


def check_possession(claims: Claims, presented: PresentedToken, check_proof: CheckProof) -> None:
    """Raise Unproven unless the sender holds what the token is bound to; a valid proof is used up."""
    bound, uses_dpop = claims.confirmation, presented.request.scheme == "dpop"
    if bound == UNBOUND and not uses_dpop:
        return
    if bound.x5t_s256 is not None:
        _check_certificate(bound.x5t_s256, presented.request)
    if not uses_dpop:
        if bound.jkt is not None:  # RFC 9449 §7.2: no downgrade to Bearer
            raise Unproven("the token is bound to a key: send it as DPoP, with a proof", INVALID, BEARER, DPOP)
        return
    if bound.jkt is None:
        raise Unproven("the token is bound to no key: send it as Bearer", INVALID, DPOP)
    try:
        _check_key(bound.jkt, presented, check_proof)
    except InvalidProof as error:
        nonce = error.nonce if isinstance(error, NonceNeeded) else None
        raise Unproven(str(error), error.code, DPOP, nonce=nonce) from None


def challenges(refused: Unproven) -> list[str]:
    """Return the challenges of the scheme that was used and of the one that is needed (RFC 9449 §7.1, §7.2)."""
    parameters = f', error="{refused.error}"'
    of_scheme = {
        BEARER: challenge("bearer", parameters),
        DPOP: challenge("dpop", parameters if refused.schemes == (DPOP,) else ""),
    }
    return [of_scheme[scheme] for scheme in refused.schemes]


def challenge(scheme: str, parameters: str) -> str:
    """Return the challenge for a request that used this scheme; that of DPoP lists the algorithms."""
    if scheme == "dpop":
        return f'{DPOP} realm="{REALM}"{parameters}, algs="{" ".join(ALGORITHMS)}"'  # RFC 9449 §7.1
    return f'{BEARER} realm="{REALM}"{parameters}'


def _check_certificate(thumbprint: str, request: Request) -> None:
    """Compare with the certificate of the connection that the token came by (RFC 8705 §3)."""
    certificate = request.certificate()
    if certificate is None or not hmac.compare_digest(thumbprint_of(certificate), thumbprint):
        scheme = DPOP if request.scheme == "dpop" else BEARER
        raise Unproven("the token is bound to another client certificate", INVALID, scheme)


def _check_key(jkt: str, presented: PresentedToken, check_proof: CheckProof) -> None:
    """Check the DPoP proof of the request (RFC 9449 §4.3) and use it up."""
    if presented.request.proof is None:
        raise InvalidProof("a DPoP proof is needed")
    if presented.method is None or presented.url is None:
        raise InvalidProof("the gateway does not send the method and the URL that the proof is for")
    proof = check_proof(presented.request.proof, presented.method, presented.url, presented.token)
    if not hmac.compare_digest(proof.jkt, jkt):
        raise Unproven("the proof is by another key than the token's", INVALID, DPOP)
    check_proof.use(proof)
