"""Scopes and grants are values: their arithmetic has laws, and narrowing never widens."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.access.scopes import MAX_SCOPE_LENGTH, Grants, MalformedScope, Scopes, is_scope_name

ALLOWED = [chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\']
NAMES = st.text(st.sampled_from(ALLOWED), min_size=1, max_size=12)
SMALL_NAMES = st.sampled_from(["a", "b:read", "c/write", "d", "e"])
SCOPES = st.frozensets(st.one_of(SMALL_NAMES, NAMES), max_size=6).map(Scopes)
RESOURCES = st.sampled_from(["https://a.example", "https://b.example/x", "urn:c"])
GRANTS = st.lists(st.tuples(RESOURCES, SMALL_NAMES), max_size=12).map(Grants.of)
quick = settings(deadline=None, max_examples=80)


@pytest.mark.spec("RFC 6749 §3.3")
@quick
@given(SCOPES)
def test_reading_what_was_written_gives_the_same_scopes(scopes: Scopes) -> None:
    assert Scopes.parse(str(scopes)) == scopes


@pytest.mark.spec("RFC 6749 §3.3")
@quick
@given(st.lists(NAMES, max_size=6), st.randoms())
def test_neither_order_nor_repetition_matters(names: list[str], random: Random) -> None:
    shuffled = names + names[:2]
    random.shuffle(shuffled)
    assert Scopes.parse("  ".join(shuffled)) == Scopes.of(*names)
    assert str(Scopes.parse(" ".join(shuffled))) == " ".join(sorted(set(names)))


@pytest.mark.spec("RFC 6749 §3.3")
@quick
@given(st.text(max_size=30))
def test_any_text_is_read_as_the_grammar_says_or_refused(text: str) -> None:
    allowed = re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*", text) is not None
    if allowed:
        assert Scopes.parse(text).names == set(text.split(" ")) - {""}
    else:
        with pytest.raises(MalformedScope):
            Scopes.parse(text)


@pytest.mark.parametrize("bad", ["a\tb", "a\nb", 'a"b', "a\\b", "é", "a\x00", "a\u00a0b", "a\x7f", "\ud800"])
@pytest.mark.spec("RFC 6749 §3.3")
def test_what_the_grammar_leaves_out_is_refused(bad: str) -> None:
    assert not is_scope_name(bad)
    with pytest.raises(MalformedScope):
        Scopes.parse(f"good {bad}")


def test_a_scope_name_has_a_longest_length() -> None:
    assert is_scope_name("x" * MAX_SCOPE_LENGTH)
    assert not is_scope_name("x" * (MAX_SCOPE_LENGTH + 1))
    assert not is_scope_name("")
    assert not is_scope_name("two words")


@quick
@given(SCOPES, SCOPES, SCOPES)
def test_scopes_follow_the_laws_of_sets(a: Scopes, b: Scopes, c: Scopes) -> None:
    assert a & b == b & a and a | b == b | a
    assert (a & b) & c == a & (b & c) and (a | b) | c == a | (b | c)
    assert a & (b | c) == (a & b) | (a & c)
    assert a & a == a == a | a
    assert (a - b) & b == Scopes()
    assert (a - b) | (a & b) == a
    assert a & b <= a <= a | b
    assert (a <= b) == (a & b == a)


@quick
@given(SCOPES)
def test_scopes_are_iterated_in_the_order_they_are_written(scopes: Scopes) -> None:
    assert list(scopes) == str(scopes).split()
    assert len(scopes) == len(list(scopes))
    assert bool(scopes) == bool(str(scopes))
    assert all(name in scopes for name in scopes)


@quick
@given(st.lists(st.tuples(RESOURCES, SMALL_NAMES), max_size=12), st.randoms())
def test_grants_do_not_depend_on_the_order_of_their_pairs(pairs: list[tuple[str, str]], random: Random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert Grants.of(shuffled) == Grants.of(pairs) == Grants.of(pairs + pairs)


@quick
@given(GRANTS, st.lists(RESOURCES))
def test_cutting_to_an_audience_never_widens(grants: Grants, audience: list[str]) -> None:
    cut = grants.on(audience)
    assert set(cut.audience) == set(grants.audience) & set(audience)
    assert all(cut.by_resource[i] == grants.by_resource[i] for i in cut.audience)
    assert cut.scopes <= grants.scopes
    assert cut.on(audience) == cut


@quick
@given(GRANTS, SCOPES)
def test_cutting_to_scopes_never_widens(grants: Grants, scopes: Scopes) -> None:
    cut = grants.only(scopes)
    assert cut.scopes == grants.scopes & scopes
    assert set(cut.audience) <= set(grants.audience)
    assert all(cut.by_resource[i] <= grants.by_resource[i] and cut.by_resource[i] for i in cut.audience)
    assert cut.only(scopes) == cut


@quick
@given(GRANTS, st.lists(RESOURCES), SCOPES, SCOPES)
def test_cuts_may_come_in_any_order(grants: Grants, audience: list[str], a: Scopes, b: Scopes) -> None:
    assert grants.on(audience).only(a) == grants.only(a).on(audience)
    assert grants.only(a).only(b) == grants.only(b).only(a) == grants.only(a & b)


@quick
@given(GRANTS)
def test_a_scope_names_a_resource_exactly_when_it_is_granted(grants: Grants) -> None:
    for name in ["a", "b:read", "c/write", "d", "e"]:
        resource = grants.resource_of(name)
        assert (resource is None) == (name not in grants.scopes)
        assert resource is None or name in grants.by_resource[resource]


def test_the_audience_is_sorted() -> None:
    assert Grants.of([("b", "x"), ("a", "y"), ("b", "z")]).audience == ("a", "b")
    assert Grants().audience == () and Grants().scopes == Scopes()
