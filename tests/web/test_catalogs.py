"""The catalogs hold a translation of each text that pages translate, and nothing else."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from app.catalogs import FOLDER
from app.settings.languages import LANGUAGES
from app.web.wordings import REFUSALS
from tests.architecture.checkout import ROOT, files_in

PLACEHOLDER, TAG = re.compile(r"%(?:\(\w+\))?[a-z%]"), re.compile(r"</?\w+[^>]*>")
Texts = str | tuple[str, ...] | list[str] | None  # with its plural forms
TRANSLATED = [language.replace("-", "_") for language in LANGUAGES if language != "en"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Return the texts of the code."""
    file = tmp_path_factory.mktemp("texts") / "messages.pot"
    mapping, keyword = f"--mapping-file={ROOT / 'pyproject.toml'}", "--keywords=mark"
    CommandLineInterface().run(["", "--quiet", "extract", mapping, keyword, f"--output-file={file}", str(ROOT / "app")])  # type: ignore[no-untyped-call]
    return load(file)


def load(file: Path, locale: str | None = None) -> Catalog:
    with file.open("rb") as source:
        return read_po(source, locale)


@cache
def catalog(locale: str) -> Catalog:
    return load(FOLDER / locale / "LC_MESSAGES" / "messages.po", locale)


def texts(value: Texts) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def messages(one: Catalog) -> dict[object, Message]:
    return {message.id: message for message in one if message.id}


def test_each_language_has_a_catalog() -> None:
    assert sorted(folder.name for folder in FOLDER.iterdir()) == sorted(TRANSLATED)


@pytest.mark.parametrize("locale", TRANSLATED)
def test_a_catalog_has_the_texts_of_the_code(template: Catalog, locale: str) -> None:
    wanted, found = set(messages(template)), set(messages(catalog(locale)))
    assert (wanted - found, found - wanted) == (set(), set()), "run ./scripts/translations"
    assert not catalog(locale).obsolete


@pytest.mark.parametrize("locale", TRANSLATED)
def test_every_text_is_translated(locale: str) -> None:
    found = messages(catalog(locale)).values()
    assert [message.id for message in found if message.fuzzy or not all(texts(message.string))] == []


@pytest.mark.parametrize("locale", TRANSLATED)
def test_a_translation_has_the_placeholders_and_tags_of_its_text(locale: str) -> None:
    found = messages(catalog(locale)).values()
    assert [message.id for message in found if differs(message.id, message.string)] == []
    assert [error for message in found for error in message.check(catalog(locale))] == []


@pytest.mark.parametrize("broken", ["Till %(dag)s", "Till", "<b>Till</b> %(day)s", "Till %(day)s %s"])
def test_a_placeholder_or_a_tag_that_differs_is_found(broken: str) -> None:
    assert differs("until %(day)s", broken) and not differs("until %(day)s", "%(day)s till")


def differs(text: Texts, translation: Texts) -> bool:
    """Return whether a translation has other placeholders or tags than each form of its text."""
    for pattern in (PLACEHOLDER, TAG):
        wanted = [sorted(pattern.findall(one)) for one in texts(text)]
        if any(sorted(pattern.findall(one)) not in wanted for one in texts(translation) if one):
            return True
    return False


def test_each_refusal_of_the_table_is_a_text_of_the_code() -> None:
    """Find a refusal whose words were changed where it is raised: a page would show it in English."""
    shapes = {shape for file in files_in("app", "*.py") if file.name != "wordings.py" for shape in shapes_in(file)}
    assert [text for text in REFUSALS if re.sub(r"%\(\w+\)s", "{}", text) not in shapes] == []


def shapes_in(file: Path) -> set[str]:
    """Return the texts of a file; a value in one is {}, as in "must have {} characters"."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return plain | {shape(node) for node in nodes if isinstance(node, ast.JoinedStr)}


def shape(node: ast.JoinedStr) -> str:
    return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
