"""The pseudo-locale: what is not translated is found, what is the same in every language is not."""

import pytest

from tests.web.pseudo_locale import PseudoTranslations, bracket, find_untranslated


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ("<p>⟦Tokens⟧</p><p>Tokens</p>", ["Tokens"]),
        ("<p>⟦in <b>5</b> days⟧ · 3</p>", []),
        ('<p title="Tokens" class="open">⟦Tokens⟧</p>', ["Tokens"]),
        ('<a title="⟦open ⟧laptop">⟦Tokens⟧</a>', ["laptop"]),
        ('<p><code>pat</code> <span lang="en">a <b>title</b></span> <time>om 5 dagar</time></p>x', ["x"]),
        ("<ul><li>⟦by ⟧alice⟦, today⟧</ul>", ["alice"]),
        ("<style>p { color: red }</style>Latchkey 2", []),
    ],
)
def test_what_is_outside_of_the_brackets_is_found(page: str, found: list[str]) -> None:
    assert find_untranslated(page) == found


def test_what_is_the_same_in_every_language_can_be_named() -> None:
    assert find_untranslated("<p>alice, bob</p>", ["alice"]) == ["alice, bob"]
    assert find_untranslated("<p>alice, bob</p>", ["alice", "bob"]) == []


def test_only_marked_texts_are_in_brackets() -> None:
    translations = PseudoTranslations()
    assert translations.ugettext("Compare credentials") == "⟦Compare credentials⟧"
    assert translations.ugettext("no text of a page") == "no text of a page"
    assert bracket("until %(day)s, at most") == "⟦until ⟧%(day)s⟦, at most⟧"
