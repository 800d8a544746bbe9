"""The target of opaque secrets, by itself: Atheris takes seconds to instrument what the other targets import."""

from __future__ import annotations

from app.crypto.opaque import ALPHABET, Prefix, check_characters, digest, hint, prefix_of
from tests.fuzzing.inputs import holds, text_of


def opaque(data: bytes) -> None:
    """Check that only a well-formed secret is recognized, and that one changed character is detected."""
    text = text_of(data)
    prefix, random_part, check = text[:7], text[7:39], text[39:]
    spelled = len(text) == 45 and all(c in ALPHABET for c in text[7:]) and prefix in set(Prefix)
    holds((prefix_of(text) is not None) == (spelled and check_characters(random_part) == check), text)
    holds(len(digest(text)) == 64 and hint(text), text)
    chosen = "".join(ALPHABET[byte % 62] for byte in data[:32].ljust(32, b"\0"))
    secret = f"lk_pat_{chosen}{check_characters(chosen)}"
    place = 7 + (data[0] if data else 0) % 38
    other = ALPHABET[(ALPHABET.index(secret[place]) + 1) % 62]
    holds(
        prefix_of(secret) is Prefix.PAT and prefix_of(f"{secret[:place]}{other}{secret[place + 1 :]}") is None, secret
    )
