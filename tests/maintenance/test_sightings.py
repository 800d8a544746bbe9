"""Our secrets are found in bytes of any kind, each once, and nothing else is."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto.opaque import Prefix, mint
from app.maintenance import sightings as module
from app.maintenance.sightings import Sighting, sightings

ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be"]


def seen_in(text: bytes) -> list[Sighting]:
    return list(sightings(io.BytesIO(text)))


@pytest.mark.contract("leaked secrets are found in files, by format and check, offline")
@given(st.lists(st.tuples(st.sampled_from(list(Prefix)), st.text(max_size=40)), max_size=5), st.sampled_from(ENCODINGS))
def test_each_secret_is_found_once_whatever_surrounds_it(parts: list[tuple[Prefix, str]], encoding: str) -> None:
    around = [(mint(prefix), text.replace("lk_", "")) for prefix, text in parts]
    text = "".join(f"{words}\n{secret}\n" for secret, words in around)
    found = seen_in(text.encode(encoding, "surrogatepass"))
    assert [one.secret for one in found] == [secret for secret, _ in around]
    lines = [text[: text.index(secret)].encode(encoding, "surrogatepass").count(b"\n") + 1 for secret, _ in around]
    assert [one.line for one in found] == lines


@pytest.mark.contract("leaked secrets are found in files, by format and check, offline")
@given(st.integers(1, 120), st.integers(0, 300))
def test_it_is_found_wherever_the_pieces_that_are_read_end(piece: int, before: int) -> None:
    secrets = [mint(Prefix.PAT), mint(Prefix.CLIENT_SECRET)]
    text = b"x\n" * before + secrets[0].encode() + b"\n" + secrets[1].encode("utf-16-le")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(piece)

    found = list(sightings(Slow(text)))
    assert [(one.secret, one.line) for one in found] == [(secrets[0], before + 1), (secrets[1], before + 2)]


def test_what_is_not_in_the_format_is_not_found() -> None:
    secret = mint(Prefix.API_KEY)
    spoilt = [secret[:-1], secret.replace("lk_", "lk-"), secret[:10] + "é" + secret[11:], secret.upper()]
    assert [one for text in spoilt for one in seen_in(text.encode())] == []


def test_a_secret_with_one_wrong_character_is_not_found() -> None:
    secret = mint(Prefix.PAT)
    wrong = secret[:20] + ("A" if secret[20] != "A" else "B") + secret[21:]
    assert seen_in(wrong.encode()) == [] and seen_in(secret.encode()) != []


def test_it_is_found_within_other_text() -> None:
    secret = mint(Prefix.PAT)
    assert [one.secret for one in seen_in(f'"note\\n{secret}AAAA"'.encode())] == [secret]


@given(st.integers(0, 45), st.sampled_from(["ascii", "utf-16-le"]))
def test_a_broken_one_before_it_hides_nothing(kept: int, encoding: str) -> None:
    broken, secret = "lk_pat_" + "a" * 38, mint(Prefix.API_KEY)
    assert [one.secret for one in seen_in(f"{broken[:kept]}{secret}".encode(encoding))] == [secret]


def test_a_sighting_does_not_print_its_secret() -> None:
    secret = mint(Prefix.PAT)
    assert secret not in repr(seen_in(secret.encode()))


HANDBOOK = (Path(module.__file__).parents[2] / "instance" / "README.md").read_text(encoding="utf-8")


@pytest.mark.contract("the published expression and check are ours")
def test_the_expression_in_the_handbook_is_the_one_that_is_used() -> None:
    published = re.search(r"`(lk_\(pat[^`]+)`", HANDBOOK)
    assert published is not None and re.compile(published[1].encode()).fullmatch(mint(Prefix.PAT).encode())
    assert published[1].replace("(", "(?:") == module.NARROW.decode()


@pytest.mark.contract("the published expression and check are ours")
def test_the_check_in_the_handbook_is_the_one_that_is_used() -> None:
    source = HANDBOOK[HANDBOOK.index("from zlib import crc32") :].partition("```")[0]
    scope: dict[str, Any] = {}
    exec(source, scope)  # noqa: S102 - our own lines
    good = [mint(prefix) for prefix in Prefix for _ in range(20)]
    assert all(scope["is_latchkeys"](secret) for secret in good)
    assert not any(scope["is_latchkeys"](secret[:-1] + ("0" if secret[-1] != "0" else "1")) for secret in good)
