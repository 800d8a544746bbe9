"""Whether a JWT ends at its `exp` where it is verified locally: against a clock set to it, instead of waiting."""

from __future__ import annotations

from app.comparison import phrases
from app.comparison.report import Cell
from app.comparison.specimens import Http

LIVES = range(60, 86_401)  # seconds: the lifetimes that a JWT may have


def measure_jwt_expiry(http: Http, token: str) -> Cell:
    """Verify it a second before its `exp` and at it."""
    claims = http.introspect(token)
    life = claims["exp"] - claims["iat"]
    before, after = http.verify_locally(token, claims["exp"] - 1), http.verify_locally(token, claims["exp"])
    text = (phrases.JWT_ENDED if after is None else phrases.JWT_NOT_ENDED) % {"lifetime": life}
    return Cell(text, life, agrees=before is not None and after is None and life in LIVES)
