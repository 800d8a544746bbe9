"""What looks like a secret is found in any text, in time that grows with the text and no faster."""

import time

import pytest

from app.crypto.opaque import Prefix, hint, mint
from app.database.redaction import REDACTED, hints_in, holds_secret, redact, redact_value

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb2JvdCJ9.c2lnbmF0dXJlc2lnbmF0dXJl"
WORST = ("eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJaaaaaaaa.", "lk_pat_", "lk_pat_" + "A" * 15, "A", ".eyJ", "_eyJ-")


@pytest.mark.parametrize("prefix", list(Prefix))
@pytest.mark.parametrize("around", ["{}", "Bearer {}", "x{}", "{}.", "https://h/{}?a=1", "{}\n{}"])
def test_a_secret_is_found_at_any_place_in_a_text(prefix: Prefix, around: str) -> None:
    secret = mint(prefix)
    text = around.format(secret, secret)
    assert (
        holds_secret(text) and holds_secret({"a": [1, {text: None}]}) and holds_secret(around.format(JWT, JWT)[-120:])
    )
    assert redact(text) == around.format(hint(secret), hint(secret))
    assert set(hints_in([text])) == {hint(secret)} and redact_value({text: [text]}) == {redact(text): [redact(text)]}
    assert redact(redact(text)) == redact(text) and not holds_secret(redact(text))


def test_what_was_cut_off_is_redacted_too() -> None:
    assert redact((JWT + "x" * 300)[:200]) == REDACTED and redact(JWT[:35]) == REDACTED
    assert redact(mint(Prefix.PAT)[:30]) == "lk_pat_…"


@pytest.mark.parametrize("text", ["", "lk_pat_", "lk_pat_rotation", "eyJ", "monkey_lk", "a.b.c", "lk_pat_…x7Qd"])
def test_text_without_a_secret_is_unchanged(text: str) -> None:
    assert redact(text) == text and not holds_secret(text)


@pytest.mark.parametrize("piece", WORST)
def test_the_worst_texts_take_time_that_grows_with_them_alone(piece: str) -> None:
    began = time.process_time()
    text = piece * (1_000_000 // len(piece))
    redact(text), holds_secret(text)
    assert time.process_time() - began < 2  # a quadratic pattern takes minutes
