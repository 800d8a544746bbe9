"""Whether who sends a token may: one that is bound to a key needs a fresh proof of that key (RFC 9449 §7)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from flask import request

from app.credentials.dpop import ALGORITHMS
from app.credentials.kind import Claims
from app.errors import InvalidProof, NonceNeeded, Unproven
from app.operations.parts import actions

INVALID = "invalid_token"


@dataclass(frozen=True, slots=True)
class Sent:
    """How a token came: its scheme in small letters, and of the request that it opens its method and URL, if known."""

    scheme: str
    token: str
    method: str | None
    url: str | None


def sent_to_us(scheme: str, token: str) -> Sent:
    """Give what was sent to this server itself; its URL is the issuer's, whatever a proxy made of it."""
    return Sent(scheme, token, request.method, f"{actions().settings.issuer}{request.path}")


def prove(claims: Claims, sent: Sent) -> None:
    """Raise Unproven unless the token came as it must; a proof that was good is used up."""
    jkt = claims.confirmation.jkt
    if sent.scheme != "dpop":
        if jkt is not None:  # RFC 9449 §7.2: no downgrade to Bearer
            raise Unproven("the token is bound to a key: send it as DPoP, with a proof", INVALID, dpop=False)
        return
    if jkt is None:
        raise Unproven("the token is bound to no key: send it as Bearer", INVALID, dpop=True)
    try:
        _prove_key(jkt, sent)
    except InvalidProof as error:
        nonce = error.nonce if isinstance(error, NonceNeeded) else None
        raise Unproven(str(error), error.code, dpop=True, nonce=nonce) from None


def challenge(refused: Unproven) -> str:
    """Give the DPoP challenge (RFC 9449 §7.1)."""
    error = f', error="{refused.error}"' if refused.dpop else ""
    return f'DPoP realm="latchkey"{error}, algs="{" ".join(ALGORITHMS)}"'


def _prove_key(jkt: str, sent: Sent) -> None:
    proof = request.headers.get("DPoP")
    if proof is None:
        raise InvalidProof("a DPoP proof is needed")
    if sent.method is None or sent.url is None:
        raise InvalidProof("the gateway does not tell the method and the URL that the proof is for")
    checked = actions().check_proof(proof, sent.method, sent.url, sent.token)
    if not hmac.compare_digest(checked.jkt, jkt):
        raise Unproven("the proof is by another key than the token's", INVALID, dpop=True)
    actions().check_proof.use(checked)
