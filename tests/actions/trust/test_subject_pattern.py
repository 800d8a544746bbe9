"""Patterns of a foreign token's subject: what `*` matches, and which patterns are refused as too wide."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.actions.trust.subject_pattern import checked_pattern, matches
from app.errors import Invalid

FEW = st.text("ab:/-*.\n", max_size=14)


@pytest.mark.contract("a subject pattern matches nothing that a stranger could name")
@given(pattern=FEW, subject=st.text("ab:/-.\n", max_size=14))
@example(pattern="a*b*b", subject="abbb")
@example(pattern="*b*", subject="abb")
@example(pattern="*", subject="a\n")
@example(pattern="a.*", subject="abb")
def test_a_pattern_fits_as_one_or_more_characters_but_a_colon_would(pattern: str, subject: str) -> None:
    reference = "[^:]+".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, subject) == (re.fullmatch(reference, subject) is not None)


@given(st.text("ab:/-*", max_size=12), st.text("ab:/-*", max_size=12))
def test_a_pattern_without_a_star_fits_itself_alone(pattern: str, subject: str) -> None:
    exact = pattern.replace("*", "+")
    assert matches(exact, subject) == (exact == subject)


@pytest.mark.parametrize(
    "pattern",
    [
        "repo:acme/orders:ref:refs/heads/main",
        "repo:acme/orders:ref:refs/heads/*",
        "repo:acme/orders:ref:refs/heads/release-*",
        "repo:acme/*:environment:production",
        "repo:acme/*:*",
        "system:serviceaccount:ci:*",
        "system:serviceaccount:*:deployer",
        "spiffe://acme.example/*",
        "a name with spaces",
        "x",
    ],
)
def test_patterns_that_name_whose_they_are_are_kept(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@pytest.mark.contract("a subject pattern matches nothing that a stranger could name")
@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "**",
        "*:acme/orders",
        "repo:*",
        "repo:*:ref:refs/heads/main",
        "repo:a*/orders",
        "repo:acme*/orders",
        "repo::*",
        "://*",
        "spiffe://*",
        "repo:acme/orders*",
        "repo:acme/orders*:ref:refs/heads/main",
        "repo:acme/ö*:x",
        "repo:acme/**",
        "repo:acme/*-*-*-*-*-*",
        "repo:acme/orders\x00",
        "repo:acme/orders\n",
        "x" * 501,
    ],
)
def test_patterns_that_strangers_could_come_to_fit_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked_pattern(pattern)
    assert [error.field for error in refusal.value.errors] == ["subject"]


@pytest.mark.contract("a subject pattern matches nothing that a stranger could name")
@pytest.mark.parametrize(
    ("pattern", "subject", "good"),
    [
        ("repo:acme/orders:ref:refs/heads/*", "repo:acme/orders:ref:refs/heads/feature/x", True),
        ("repo:acme/orders:ref:refs/heads/*", "repo:acme/orders:ref:refs/heads/", False),
        ("repo:acme/orders:ref:refs/heads/*", "repo:acme/orders:ref:refs/heads/x:environment:y", False),
        ("repo:acme/*:ref:refs/heads/main", "repo:acme/x:environment:y:ref:refs/heads/main", False),
        ("repo:acme/*", "repo:acme/orders:ref:refs/heads/main", False),
        ("repo:acme/*", "repo:acme-evil/orders", False),
        ("system:serviceaccount:ci:*", "system:serviceaccount:ci-evil:x", False),
        ("system:serviceaccount:ci:*", "system:serviceaccount:ci:deployer", True),
        ("repo:acme/orders", "repo:acme/ORDERS", False),
    ],
)
def test_a_star_stays_within_its_part(pattern: str, subject: str, good: bool) -> None:
    assert matches(pattern, subject) is good
