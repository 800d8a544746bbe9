"""What one process of an API caches, and for how long."""

import pytest

from app.resource_server import InvalidProof, cache
from app.resource_server.cache import AnswerCache, ReplayCache
from app.resource_server.proof import Proofs
from tests.dpop import Prover

ACTIVE = {"active": True}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_is_kept_for_its_token_its_address_and_its_time() -> None:
    clock = Clock()
    answers = AnswerCache(30, clock)
    answers.put("token", "192.0.2.1", ACTIVE)
    clock.now += 29
    assert answers.get("token", "192.0.2.1") == ACTIVE
    assert answers.get("token", None) is None and answers.get("other", "192.0.2.1") is None
    clock.now += 1
    assert answers.get("token", "192.0.2.1") is None


@pytest.mark.parametrize(("max_age", "answer"), [(0, ACTIVE), (30, {"active": False})], ids=["no age", "a refusal"])
def test_refusals_and_responses_without_an_age_are_not_cached(max_age: float, answer: dict[str, bool]) -> None:
    answers = AnswerCache(max_age, Clock())
    answers.put("token", None, answer)
    assert answers.get("token", None) is None


def test_answers_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_ANSWERS", 2)
    answers = AnswerCache(30, Clock())
    for token in "abc":
        answers.put(token, None, ACTIVE)
    assert [answers.get(token, None) for token in "abc"] == [None, ACTIVE, ACTIVE]


def test_a_used_proof_is_remembered_only_while_it_is_valid() -> None:
    clock = Clock()
    used = ReplayCache(60, clock)
    assert [used.add("a"), used.add("a"), used.add("b")] == [True, False, True]
    clock.now += 60
    assert used.add("a")


@pytest.mark.spec("RFC 9449 §11.1")
def test_a_proof_from_the_future_is_valid_once_as_long_as_it_is_fresh() -> None:
    clock = Clock()
    prover, proofs, url = Prover(clock), Proofs(clock), "https://api.example/"
    proof = prover.proof("GET", url, "token", iat=clock.now + 60)
    proofs(proof, prover.jkt, "token", "GET", url)
    for seconds in (0, 60, 60):
        clock.now += seconds
        with pytest.raises(InvalidProof):
            proofs(proof, prover.jkt, "token", "GET", url)
    unused = prover.proof("GET", url, "token", iat=clock.now - 60)
    proofs(unused, prover.jkt, "token", "GET", url)
