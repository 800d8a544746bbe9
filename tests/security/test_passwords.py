"""Which passwords are taken, and that they count as they were typed: ASVS 5.0.0 section 6.2."""

import hashlib
from collections.abc import Iterator

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import NewUser
from app.errors import Invalid, Unauthenticated
from tests.core import Core, start_core

LONG = "Zebra crossing, 4 a.m., and no car for miles around: who waits? " * 3
BREACHED = "not on any list of common ones 7"
COMMON = (
    "password1234 123456789012 qwertyuiop[] qwertyuiop123 1q2w3e4r5t6y administrator iloveyou1234 abcdefghijkl "
    "aaaaaaaaaaaa passwordpassword letmein12345 welcome12345 sunshine1234 princess1234 football1234 1234567890qwe "
    "qwerty123456 monkey123456 dragon123456 superman1234 baseball1234 michelle1234 jennifer1234 trustno1trustno1 "
    "11111111111111 asdfghjklasdf zaq12wsxcde3 19701970197019 01011990 010119900101 P@ssw0rd1234 Passw0rd!123"
)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    folder = tmp_path_factory.mktemp("passwords")
    file = folder / "breached.txt"
    file.write_text(f"{hashlib.sha1(BREACHED.encode()).hexdigest().upper()}:3\n", encoding="ascii")  # noqa: S324
    made = start_core(folder, breached_passwords=file)
    yield made
    made.actions.usage.stop()
    made.store.dispose()


def user(core: Core, name: str, password: str, email: str | None = None, display_name: str = "") -> str:
    return core.actions.users.create(OPERATOR, NewUser(name, email, password, display_name)).id


def lets_in(core: Core, name: str, password: str) -> bool:
    try:
        core.actions.authenticate_user(name, password, None, None)
    except Unauthenticated:
        return False
    return True


@pytest.mark.asvs("6.2.4", "6.2.12")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
@pytest.mark.parametrize("password", COMMON.split(" "))
def test_common_passwords_are_refused(core: Core, password: str) -> None:
    with pytest.raises(Invalid):
        user(core, "somebody", password)


@pytest.mark.asvs("6.2.12", "6.3.3")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
def test_a_breached_password_is_refused(core: Core) -> None:
    with pytest.raises(Invalid) as refusal:
        user(core, "somebody", BREACHED)
    assert BREACHED not in str(refusal.value)
    assert user(core, "somebody", BREACHED + "8")


@pytest.mark.asvs("6.1.2", "6.2.11")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
@pytest.mark.parametrize(
    "password",
    [
        "Latchkey-2026!",
        "latchkey-latchkey",
        "Latchkey12345678",
        "l4tchk3yl4tchk3y",
        "login.example1",  # the issuer is https://login.example
        "rosalind.franklin",
        "RosalindFranklin51",
        "franklin@dna.example",
        "Photograph-51!",
        "photographphotograph",
    ],
)
def test_words_of_this_place_do_not_make_a_password(core: Core, password: str) -> None:
    with pytest.raises(Invalid):
        user(core, "rosalind.franklin", password, email="franklin@dna.example", display_name="Photograph 51")


@pytest.mark.parametrize("letter", ["\u0130", "\u00df", "\u1e9e", "\ufb01", "\u01c5"])
def test_letters_that_change_their_length_in_another_case_hide_no_word(core: Core, letter: str) -> None:
    for password in (letter * 12 + "latchkey", "Latchkey" + letter * 12, letter * 4 + "rosalind.franklin" + letter):
        with pytest.raises(Invalid):
            user(core, f"rosalind.franklin.{letter}", password, display_name="Rosalind Franklin")


def test_beside_other_words_they_may_stand(core: Core) -> None:
    assert user(core, "beside", "a latchkey beneath the seventh stair")
    assert user(core, "user-7f3a21", "password-user-7f3a21-x")


@pytest.mark.asvs("6.2.5")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
@pytest.mark.parametrize(
    "password",
    [
        "zwbqkfhxnrtp",
        "7391846205183",
        "ZWBQKFHXNRTP",
        ";)%&$#|{^~!_",
        "  zwb qkf hx  ",
        "рыбозавод ночью",
        "梅雨明けの朝に猫三匹と犬",
    ],
)
def test_any_characters_make_a_password(core: Core, password: str) -> None:
    name = f"any{hash(password) % 10**9}"
    user(core, name, password)
    assert lets_in(core, name, password)


@pytest.mark.asvs("6.2.8")
@pytest.mark.contract("passwords: any characters, as typed, none that is common, breached or made of the place's words")
def test_a_password_counts_as_it_was_typed(core: Core) -> None:
    typed = " Marmalade on Tuesdays only "
    user(core, "typist", typed)
    assert lets_in(core, "typist", typed)
    for other in (typed.strip(), typed.lower(), typed.upper(), typed[:-1], typed + " ", typed.replace(" ", "+")):
        assert not lets_in(core, "typist", other)


@pytest.mark.asvs("6.2.9")
def test_a_long_password_counts_to_its_end(core: Core) -> None:
    for length in (64, 72, 73, 128):
        user(core, f"long{length}", LONG[:length])
        assert lets_in(core, f"long{length}", LONG[:length])
        assert not lets_in(core, f"long{length}", LONG[: length - 1])
        assert not lets_in(core, f"long{length}", LONG[: length - 1] + "#")


@pytest.mark.asvs("6.2.10")
def test_a_password_does_not_age(core: Core) -> None:
    user(core, "faithful", LONG[:40])
    core.clock.advance(days=3650)
    assert lets_in(core, "faithful", LONG[:40])
