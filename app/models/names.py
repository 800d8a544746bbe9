"""Names that people choose: one spelling for what looks alike, and a key under which two of them are the same.

A name is in NFC, on one line, without space around it and without a character that cannot be seen or that changes the
direction of others. Its key is NFKC and case-folded (Unicode UAX #31, toNFKC_Casefold).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache

from precis_i18n import get_profile
from precis_i18n.profile import Profile

LONGEST_NAME = 200  # characters
LONGEST_USERNAME = 100  # characters
LONGEST_EMAIL = 254  # characters (RFC 5321 §4.5.3.1.3)
LONGEST_KEY = 254  # characters; a longer key is replaced by its digest
LONGEST_KEPT_KEY = 300  # characters: a key, and a row id where two rows had the same key before keys were unique
UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # control, format, unassigned, private, line ends
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")  # invisible letters
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")  # of glyph variants
USERNAME = re.compile(r"\w[^\x00-\x2c\x2f\x3a-\x3f\x5b-\x5e\x60\x7b-\x7f]*")  # a colon ends it in Basic (RFC 7617 §2)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
PLAIN_USERNAME = f"must be letters and digits, with . _ @ - inside, at most {LONGEST_USERNAME} characters"
TOGETHER = (  # scripts that one language mixes, and Latin with them (Unicode UTS #39 §5.2, "highly restrictive")
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)

SCRIPTLESS = ("MODIFIER LETTER ", "CARON", "VERTICAL TILDE", "VEDIC SIGN ", "MASU MARK")  # Script=Common (UAX #24)
SAME_SCRIPT = {"IDEOGRAPHIC": "CJK", "HENTAIGANA": "HIRAGANA", "ROMAN": "LATIN", "TURNED": "LATIN"}


class BadName(ValueError):
    """An invalid name; the text says why, and what is valid."""


def normalize_name(text: str, longest: int = LONGEST_NAME) -> str:
    """Return the name as it is stored; raise BadName."""
    name = plain_name(text)
    if not name:
        raise BadName("must not be blank")
    if len(name) > longest:
        raise BadName(f"is at most {longest} characters long")
    if unseen := next((c for c in name if _is_unseen(c)), None):
        raise BadName(_why_unseen(unseen))
    if unicodedata.category(name[0]).startswith("M"):
        raise BadName("must not begin with a mark that belongs to the character before it")
    return name


def plain_name(text: str) -> str:
    """Return any text in NFC, with ASCII spaces only and none around it."""
    spelled = unicodedata.normalize("NFC", text)
    return "".join(" " if unicodedata.category(c) == "Zs" else c for c in spelled).strip(" ")


def name_key(name: str) -> str:
    """Return the key of a name: the same for names that differ only in case or width."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _bounded(unicodedata.normalize("NFKC", folded.casefold()))  # folding may produce characters that fold again


def normalize_username(text: str) -> str:
    """Return the username as it is stored, with its case (RFC 8265 §3.4); raise BadName."""
    plain = plain_name(text)
    if len(plain) > LONGEST_USERNAME:
        raise BadName(PLAIN_USERNAME)
    try:
        name: str = _profile("UsernameCasePreserved").enforce(plain)
    except UnicodeEncodeError:
        raise BadName(PLAIN_USERNAME) from None
    if len(name) > LONGEST_USERNAME or USERNAME.fullmatch(name) is None:
        raise BadName(PLAIN_USERNAME)
    if len(mixed := _scripts(name)) > 1 and not any(mixed <= allowed for allowed in TOGETHER):
        raise BadName(
            f"must not mix the letters of {' and '.join(word.title() for word in sorted(mixed))}, which look alike"
        )
    return name


def username_key(username: str) -> str:
    """Return the key of a username, the same in any case (RFC 8265 §3.3); also for usernames of older versions.

    It is case-folded too, so that a final sigma equals a sigma.
    """
    try:
        return name_key(_profile("UsernameCaseMapped").enforce(plain_name(username)))
    except UnicodeEncodeError:
        return name_key(plain_name(username))


def normalize_email(text: str) -> str:
    """Return the address as it is stored; raise BadName."""
    address = plain_name(text)
    if len(address) > LONGEST_EMAIL or EMAIL.fullmatch(address) is None or any(map(_is_unseen, address)):
        raise BadName("is not an email address: write one such as ann@example.org")
    return address


def email_key(address: str) -> str:
    """Return the key of an address: its lower case."""
    return _bounded(unicodedata.normalize("NFC", address.lower()))


def _bounded(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _profile(name: str) -> Profile:
    return get_profile(name)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in UNSEEN or character in BLANK or SELECTORS.match(character) is not None


def _why_unseen(character: str) -> str:
    if unicodedata.category(character) == "Cs":  # how Python reads an argument that is not in the terminal's encoding
        return "contains bytes that are not valid in the encoding of the input"
    return f"must be one line of visible characters, without U+{ord(character):04X}"


def _scripts(name: str) -> frozenset[str]:
    """Return the scripts of the letters: the first word of each letter's Unicode name.

    A letter that several scripts share, such as the Hawaiian U+02BB, counts for none.
    """
    names = (unicodedata.name(c, "UNKNOWN") for c in name if c.isalpha())
    words = (one.replace("-", " ").split()[0] for one in names if not one.startswith(SCRIPTLESS))
    return frozenset(SAME_SCRIPT.get(word, word) for word in words)
