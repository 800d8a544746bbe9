"""Whether who sends a token may: what it is bound to, a key or a certificate, must be the sender's."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import quote

from flask import request

from app.credentials.kind import Claims
from app.crypto.certificate import thumbprint_of
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.jws import ALGORITHMS
from app.errors import InvalidProof, NonceNeeded, Unproven
from app.http.client_certificate import handed_certificate
from app.http.current import actions

REALM = "latchkey"  # of every challenge
INVALID = "invalid_token"
BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True, slots=True)
class Sent:
    """How a token came: its scheme in small letters, and of the request that it opens its method and URL, if known."""

    scheme: str
    token: str
    method: str | None
    url: str | None


def sent_to_us(scheme: str, token: str) -> Sent:
    """Give what was sent to this server itself; its URL is the issuer's, whatever a proxy made of it."""
    return Sent(scheme, token, request.method, f"{actions().settings.issuer}{quote(request.path)}")


def prove(claims: Claims, sent: Sent) -> None:
    """Raise Unproven unless the token came as it must; a proof that was good is used up."""
    bound = claims.confirmation
    if bound == UNBOUND and sent.scheme != "dpop":
        return
    _prove_certificate(bound, sent)
    if sent.scheme != "dpop":
        if bound.jkt is not None:  # RFC 9449 §7.2: no downgrade to Bearer
            raise Unproven("the token is bound to a key: send it as DPoP, with a proof", INVALID, BEARER, DPOP)
        return
    if bound.jkt is None:
        raise Unproven("the token is bound to no key: send it as Bearer", INVALID, DPOP)
    try:
        _prove_key(bound.jkt, sent)
    except InvalidProof as error:
        nonce = error.nonce if isinstance(error, NonceNeeded) else None
        raise Unproven(str(error), error.code, DPOP, nonce=nonce) from None


def challenges(refused: Unproven) -> list[str]:
    """Give the challenges: of the scheme that was used, and of the one that it takes (RFC 9449 §7.1, §7.2)."""
    said = f', error="{refused.error}"'
    known = {BEARER: challenge("bearer", said), DPOP: challenge("dpop", said if refused.schemes == (DPOP,) else "")}
    return [known[scheme] for scheme in refused.schemes]


def challenge(scheme: str, said: str) -> str:
    """Give the challenge to who used this scheme, `said` its parameters; whoever used DPoP hears of its algorithms."""
    if scheme == "dpop":
        return f'{DPOP} realm="{REALM}"{said}, algs="{" ".join(ALGORITHMS)}"'  # RFC 9449 §7.1
    return f'{BEARER} realm="{REALM}"{said}'


def scheme_used() -> str:
    """Give the scheme of the request's Authorization header in small letters; empty without one."""
    return request.headers.get("Authorization", "").partition(" ")[0].lower()


def _prove_certificate(bound: Confirmation, sent: Sent) -> None:
    """Compare with the certificate of the connection that the token came by (RFC 8705 §3)."""
    if bound.x5t_s256 is None:
        return
    certificate = handed_certificate()
    if certificate is None or not hmac.compare_digest(thumbprint_of(certificate), bound.x5t_s256):
        scheme = DPOP if sent.scheme == "dpop" else BEARER
        raise Unproven("the token is bound to another client certificate", INVALID, scheme)


def _prove_key(jkt: str, sent: Sent) -> None:
    proof = request.headers.get("DPoP")
    if proof is None:
        raise InvalidProof("a DPoP proof is needed")
    if sent.method is None or sent.url is None:
        raise InvalidProof("the gateway does not tell the method and the URL that the proof is for")
    checked = actions().check_proof(proof, sent.method, sent.url, sent.token)
    if not hmac.compare_digest(checked.jkt, jkt):
        raise Unproven("the proof is by another key than the token's", INVALID, DPOP)
    actions().check_proof.use(checked)
