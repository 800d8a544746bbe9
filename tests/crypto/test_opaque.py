"""The opaque format: a new secret is recognized, and one with a changed character is not."""

import hashlib
import string
import zlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.crypto.opaque import ALPHABET, Prefix, check_characters, digest, hint, mint, prefix_of

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_PARTS = st.text(st.sampled_from(BASE62), min_size=32, max_size=32)
TOKENS = st.builds(lambda prefix, part: f"{prefix}{part}{naive_check(part)}", st.sampled_from(Prefix), RANDOM_PARTS)
quick = settings(deadline=None, max_examples=150)


def naive_check(random_part: str) -> str:
    """Compute the check characters bit by bit, without the code under test or zlib."""
    crc = 0xFFFFFFFF
    for byte in random_part.encode("ascii"):
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    number = crc ^ 0xFFFFFFFF
    return "".join(BASE62[number // 62**place % 62] for place in range(5, -1, -1))


@pytest.mark.contract("prefix, 32 random base62 characters, 6 check characters, padded")
def test_the_alphabet_is_digits_then_capitals_then_small_letters() -> None:
    assert ALPHABET == BASE62


@pytest.mark.contract("prefix, 32 random base62 characters, 6 check characters, padded")
@pytest.mark.parametrize(
    ("random_part", "check"),
    [
        ("0" * 32, "2wjyrI"),
        ("0123456789ABCDEFGHIJKLMNOPQRSTUV", "1ggZdL"),
        ("z" * 32, "4W8LJS"),
    ],
)
def test_the_check_characters_are_the_crc32_in_base62(random_part: str, check: str) -> None:
    assert check_characters(random_part) == check == naive_check(random_part)
    number = 0
    for character in check_characters(random_part):
        number = number * 62 + BASE62.index(character)
    assert number == zlib.crc32(random_part.encode())


@quick
@given(RANDOM_PARTS)
def test_the_check_is_always_six_characters_padded_with_zeros(random_part: str) -> None:
    check = check_characters(random_part)
    assert len(check) == 6 and check == naive_check(random_part)
    assert check[0] in "01234"  # 2**32 is less than 5 * 62**5


@pytest.mark.contract("prefix, 32 random base62 characters, 6 check characters, padded")
def test_a_small_check_is_padded_on_the_left() -> None:
    part = next(p for p in (f"{i:032d}" for i in range(100_000)) if zlib.crc32(p.encode()) < 62**5)
    assert check_characters(part).startswith("0") and prefix_of(f"lk_pat_{part}{check_characters(part)}") is Prefix.PAT


@pytest.mark.parametrize("prefix", Prefix)
def test_what_is_minted_is_recognised_by_its_prefix(prefix: Prefix) -> None:
    for _ in range(50):
        token = mint(prefix)
        assert prefix_of(token) is prefix
        assert len(token) == len(prefix) + 32 + 6
        assert set(token[len(prefix) :]) <= set(BASE62)


@pytest.mark.asvs("11.2.3", "11.5.1")
@pytest.mark.contract("random characters from a secure source, none twice")
def test_no_secret_is_minted_twice_and_every_character_occurs() -> None:
    minted = {mint(Prefix.PAT) for _ in range(300)}
    assert len(minted) == 300
    assert set("".join(token[7:39] for token in minted)) == set(BASE62)


@pytest.mark.contract("a client secret has the same format")
def test_the_prefixes_are_the_documented_ones() -> None:
    of_apps = {"lk_ref_", "lk_code_", "lk_dev_", "lk_reg_"}
    assert {str(prefix) for prefix in Prefix} == {"lk_pat_", "lk_key_", "lk_sec_"} | of_apps


@pytest.mark.contract("a wrong prefix, length, alphabet or check is refused")
@quick
@given(TOKENS, st.integers(7, 44), st.sampled_from(BASE62))
def test_one_changed_character_is_refused(token: str, place: int, character: str) -> None:
    assume(token[place] != character)
    assert prefix_of(token) is not None
    assert prefix_of(token[:place] + character + token[place + 1 :]) is None


@pytest.mark.contract("a wrong prefix, length, alphabet or check is refused")
@quick
@given(TOKENS, st.integers(0, 44), st.characters())
def test_one_character_from_outside_is_refused(token: str, place: int, character: str) -> None:
    assume(character not in BASE62)
    assume(token[place] != character)
    assert prefix_of(token[:place] + character + token[place + 1 :]) is None


@pytest.mark.contract("a wrong prefix, length, alphabet or check is refused")
@quick
@given(TOKENS, st.integers(0, 45), st.text(st.one_of(st.sampled_from(BASE62), st.characters()), min_size=1, max_size=3))
def test_anything_inserted_is_refused(token: str, place: int, more: str) -> None:
    assert prefix_of(token[:place] + more + token[place:]) is None


@pytest.mark.contract("a wrong prefix, length, alphabet or check is refused")
@quick
@given(TOKENS, st.integers(0, 44))
def test_a_token_cut_short_is_refused(token: str, end: int) -> None:
    assert prefix_of(token[:end]) is None
    assert prefix_of(token[end + 1 :]) is None


@quick
@given(TOKENS)
def test_two_neighbours_swapped_are_refused(token: str) -> None:
    place = next((i for i in range(7, 44) if token[i] != token[i + 1]), None)
    assume(place is not None)
    assert place is not None
    assert prefix_of(token[:place] + token[place + 1] + token[place] + token[place + 2 :]) is None


@pytest.mark.contract("a wrong prefix, length, alphabet or check is refused")
@pytest.mark.parametrize("wrong", ["LK_PAT_", "lk-pat-", "lk_pet_", "lk_PAT_", "ghp_abc", " lk_pat", "lk_pat "])
def test_a_wrong_prefix_is_refused(wrong: str) -> None:
    assert prefix_of(wrong + mint(Prefix.PAT)[7:]) is None


@pytest.mark.parametrize("around", ["\n", " ", "\x00", "\u200b", "\r\n"])
def test_nothing_around_a_token_is_forgiven(around: str) -> None:
    token = mint(Prefix.API_KEY)
    assert prefix_of(token + around) is None and prefix_of(around + token) is None


@pytest.mark.parametrize("digit", ["\u0660", "\uff10", "\u00b2", "\uff21"])  # digits and letters of other scripts
def test_digits_of_other_scripts_are_refused(digit: str) -> None:
    token = mint(Prefix.PAT)
    assert prefix_of(token[:10] + digit + token[11:]) is None


@quick
@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    assert prefix_of(text) is None or text.startswith("lk_")
    assert len(digest(text)) == 64
    assert isinstance(hint(text), str)


@pytest.mark.asvs("11.4.1")
@pytest.mark.contract("only a SHA-256 digest, uniquely indexed")
def test_the_digest_is_plain_sha256() -> None:
    token = mint(Prefix.PAT)
    assert digest(token) == hashlib.sha256(token.encode()).hexdigest()


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert digest("\ud800") != digest("\ud801")


def test_the_hint_is_the_prefix_and_the_last_four() -> None:
    token = mint(Prefix.PAT)
    assert hint(token) == f"lk_pat_…{token[-4:]}"
    assert len(hint(token)) < 20 and token[7:41] not in hint(token)
