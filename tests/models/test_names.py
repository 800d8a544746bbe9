"""Names: one spelling for names that look alike, no invisible characters, and a key without case."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.models.names import (
    LONGEST_KEY,
    BadName,
    email_key,
    name_key,
    normalize_email,
    normalize_name,
    normalize_username,
    username_key,
)

Rule = tuple[Callable[[str], str], Callable[[str], str]]
RULES: dict[str, Rule] = {
    "name": (normalize_name, name_key),
    "username": (normalize_username, username_key),
    "email": (normalize_email, email_key),
}
INVISIBLE = "\x00\t\n\r\x1b\x7f\x85\xad\u034f\u061c\u115f\u200b\u200c\u200d\u200e\u200f"
INVISIBLE += "\u2028\u2029\u202a\u202e\u2060\u2066\u2069"
INVISIBLE += "\u180e\u2800\u3164\ufe0f\ufeff\uffa0\ufff9\ue000\U000e0041\U000e0100\U0010fffd\u0378"
SHARED = [*map(chr, range(0x2B9, 0x2C2)), *map(chr, range(0x2C6, 0x2D2)), "\u02ec", "\u02ee", "\u2e2f"]
SHARED += [*map(chr, range(0xA717, 0xA720)), "\ua788"]  # letters of Unicode's Scripts.txt that are Common
ANY = st.text(st.characters(), max_size=40)
SPELLED = st.one_of(ANY, st.builds("{}@{}".format, ANY, ANY), st.text("aAbBßΣσςéİıＡ\u0301 .-_@1", max_size=12))


@pytest.mark.contract("names: normalised, visible, unique whatever their case")
@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=300)
@given(text=SPELLED)
@example(text=" \u0301a")
@example(text="Ⅷ\u3000ﬁ")
@example(text="ΑΣ")
@example(text="İ@İ.example")
def test_what_is_accepted_is_kept_as_it_is_and_shows_all_of_itself(rule: str, text: str) -> None:
    normalize, key_of = RULES[rule]
    try:
        name = normalize(text)
    except BadName:
        return
    assert normalize(name) == name == unicodedata.normalize("NFC", name) == name.strip()
    assert name and not set(name) & set(INVISIBLE)
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp") for c in name)
    assert len(key_of(name)) <= LONGEST_KEY
    for other in (unicodedata.normalize("NFD", name), f"  {name} ", "\u3000" + name):
        assert normalize(other) == name


@pytest.mark.contract("names: normalised, visible, unique whatever their case")
@pytest.mark.parametrize("rule", ["name", "username"])
@settings(deadline=None, max_examples=300)
@given(text=SPELLED)
@example(text="straße")
@example(text="ΑΣ")
def test_a_key_is_the_same_in_each_case(rule: str, text: str) -> None:
    normalize, key_of = RULES[rule]
    try:
        name = normalize(text)
    except BadName:
        return
    key = key_of(name)
    assert key == key_of(key) == key_of(name.casefold())


@pytest.mark.parametrize("character", INVISIBLE)
@pytest.mark.parametrize("rule", RULES)
def test_what_cannot_be_seen_is_refused_wherever_it_is(rule: str, character: str) -> None:
    normalize, _ = RULES[rule]
    plain = "ann@example.org" if rule == "email" else "ann"
    for text in (character + plain, plain + character, plain[:2] + character + plain[2:]):
        with pytest.raises(BadName):
            normalize(text)


@pytest.mark.parametrize("text", ["", " ", "\u3000\u00a0", "\u0301", "x" * 201])
def test_a_name_is_not_blank_nor_endless(text: str) -> None:
    with pytest.raises(BadName):
        normalize_name(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Laptop", "LAPTOP"),
        ("e\u0301tude", "ÉTUDE"),
        ("straße", "STRASSE"),
        ("ｂｏｔ", "Bot"),
        ("ΣΑΣ", "σας"),
        ("ci  1", "CI\u00a0 1"),
    ],
)
def test_names_that_differ_in_case_or_width_are_one(one: str, other: str) -> None:
    assert name_key(normalize_name(one)) == name_key(normalize_name(other))


def test_a_key_that_grows_is_a_digest() -> None:
    one, other = "\ufdfa" * 200, "\ufdfa" * 199
    assert len(name_key(one)) == len(name_key(other)) == 64 and name_key(one) != name_key(other)


@pytest.mark.spec("RFC 8265 §3.3")
@pytest.mark.parametrize(
    "username",
    [
        "ann",
        "Ann.Lee-2",
        "ann@shop.example",
        "Ünal",
        "Иван",
        "Ελένη",
        "田中taro",
        "たなかタロー",
        "김철수kim",
        "हिन्दी",
        "דוד",
    ],
)
def test_a_username_has_one_script_or_scripts_that_one_language_mixes(username: str) -> None:
    assert normalize_username(username) == username


@pytest.mark.spec("RFC 8265 §3.4")
@pytest.mark.parametrize(
    ("username", "kept"),
    [
        ("ka\u02bbū", "ka\u02bbū"),  # Hawaiian
        ("Ng\u02bcang\u02bca", "Ng\u02bcang\u02bca"),  # Swahili
        ("Мар\u02bcяна", "Мар\u02bcяна"),  # Ukrainian
        ("Nguyễn.Thị.Hồng", "Nguyễn.Thị.Hồng"),
        ("Nguye\u0302\u0303n", "Nguyễn"),
        ("Marcel·lí", "Marcel·lí"),  # Catalan
        ("佐々木たゝヽ", "佐々木たゝヽ"),
        ("サーバー係さくらー", "サーバー係さくらー"),
        ("𛀁の", "𛀁の"),  # old Hiragana
        ("ｻｰﾊﾞｰ係", "サーバー係"),
        ("Ｔａｒｏ田中", "Taro田中"),
        ("김哲秀", "김哲秀"),
        ("ｶﾞ・ﾊﾟ", "ガ・パ"),
        ("王小明ㄨㄤ", "王小明ㄨㄤ"),
        ("अ\u1ce9", "अ\u1ce9"),  # Vedic Sanskrit
    ],
)
def test_a_real_name_is_taken_with_the_marks_that_its_language_writes(username: str, kept: str) -> None:
    assert normalize_username(username) == kept


@pytest.mark.parametrize("letter", SHARED)
def test_a_letter_that_scripts_share_goes_with_each_and_hides_no_mixture(letter: str) -> None:
    for script in ("a", "я", "α", "田"):
        assert normalize_username(script + letter) == script + letter
    for mixed in (f"a{letter}я", f"α{letter}a", f"{letter}аa"):
        with pytest.raises(BadName, match=r"must not mix the letters of .*(Cyrillic|Greek)"):
            normalize_username(mixed)


@pytest.mark.spec("RFC 8265 §3.3")
@pytest.mark.parametrize(
    "username", ["\u0430nn", "ann\u0435", "p\u03b1ul", "Иvan", "аdmin", "ＡΑ", "Дед田", "たなかИ", "דודa", "ann\u0661"]
)
def test_letters_of_scripts_that_look_alike_are_not_mixed(username: str) -> None:
    with pytest.raises(BadName):
        normalize_username(username)


def test_an_address_is_one_whatever_its_case() -> None:
    assert normalize_email(" Ann@Example.ORG ") == "Ann@Example.ORG"
    assert email_key("Ann@Example.ORG") == email_key("aNN@example.org") == "ann@example.org"
