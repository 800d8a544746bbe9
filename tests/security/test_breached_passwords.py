"""The file of breached passwords is searched by halves: each of its lines is found, and nothing between them."""

import hashlib
from pathlib import Path

import pytest

from app.actions.sign_in.breached_passwords import BreachedPasswords


def digests(count: int) -> list[str]:
    return sorted(hashlib.sha1(f"password {n}".encode()).hexdigest().upper() for n in range(count))  # noqa: S324


@pytest.mark.asvs("6.2.12")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
@pytest.mark.parametrize("count", [1, 2, 80, 90, 3_000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_line_of_the_file_is_found_and_nothing_else(tmp_path: Path, count: int, end: str) -> None:
    file = tmp_path / "breached.txt"
    lines = [f"{digest}:{7 ** (place % 9)}" for place, digest in enumerate(digests(count))]
    file.write_bytes(end.join([*lines, ""]).encode())
    breached = BreachedPasswords(file)
    assert all(f"password {n}" in breached for n in range(count))
    assert not any(f"password {n}" in breached for n in range(count, count + 500))


def test_lines_may_lack_their_count_and_the_last_one_its_end(tmp_path: Path) -> None:
    file = tmp_path / "breached.txt"
    file.write_text("\n".join(digests(300)).lower(), encoding="ascii")
    breached = BreachedPasswords(file)
    assert all(f"password {n}" in breached for n in range(300))


def test_without_a_file_nothing_is_breached() -> None:
    assert "password 1" not in BreachedPasswords(None)
