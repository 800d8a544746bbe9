"""RFC 9449 §7.1: a token sent under the DPoP scheme gets a DPoP challenge, whatever is wrong with it."""

from typing import Any

import pytest

from tests.dpop import Prover
from tests.oauth.wire import ISSUER, OWN, Wire
from tests.spec.test_rfc9449 import ALGS, bound_token, managed

DEAD = "lk_pat_" + "0" * 38


def introspecting(wire: Wire, token: str, proof: str | None) -> Any:
    headers = {"Authorization": f"DPoP {token}"} | ({"DPoP": proof} if proof else {})
    return wire.post("introspect", {"token": "x"}, headers=headers)


def challenged(answer: Any, status: int, error: str) -> None:
    [challenge] = answer.headers.getlist("WWW-Authenticate")
    assert answer.status_code == status, answer.text
    assert challenge.startswith(f'DPoP realm="latchkey", error="{error}"') and challenge.endswith(f', algs="{ALGS}"')


@pytest.mark.spec("RFC 9449 §7.1")
def test_a_token_that_is_not_active_is_refused_under_the_scheme_it_came_by(wire: Wire) -> None:
    for answer in (managed(wire, "GET", "/roles", DEAD, None), introspecting(wire, DEAD, None)):
        challenged(answer, 401, "invalid_token")
    garbage = managed(wire, "GET", "/roles", "a b", None)
    challenged(garbage, 401, "invalid_token")


@pytest.mark.spec("RFC 9449 §7.1")
def test_so_is_a_token_for_another_audience_and_one_without_the_scope(wire: Wire, prover: Prover) -> None:
    wire.core.role("key keeper", "machine", "keys:read")
    wire.core.assign("robot", "worker", "key keeper")
    for token, status, error in (
        (bound_token(wire, prover), 401, "invalid_token"),
        (bound_token(wire, prover, resource=OWN), 403, "insufficient_scope"),
    ):
        challenged(managed(wire, "GET", "/roles", token, prover.proof("GET", f"{OWN}/roles", token)), status, error)
        proof = prover.proof("POST", f"{ISSUER}/oauth/introspect", token)
        challenged(introspecting(wire, token, proof), status, error)


@pytest.mark.spec("RFC 6750 §3")
def test_where_a_bearer_or_nothing_came_bearer_is_what_is_named(wire: Wire) -> None:
    for headers in ({"Authorization": f"Bearer {DEAD}"}, {}):
        answer = wire.http.get("/api/v1/roles", headers=headers)
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="latchkey"')
    own = wire.http.get("/api/v1/me", headers={"Authorization": f"DPoP {DEAD}"})  # takes no such token
    assert own.headers.getlist("WWW-Authenticate")[1] == 'Bearer realm="latchkey"'
