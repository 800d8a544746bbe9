"""The catalogs of the pages' texts, one for each language but English, which is the texts' own."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask_babel import Domain, get_locale

FOLDER = Path(__file__).with_name("translations")


class Catalogs(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """Read each catalog once in a process, where Flask-Babel reads compiled ones once in an application."""

    def get_translations(self) -> NullTranslations:
        """Return the texts in the language of this request; English outside a request."""
        locale = get_locale()
        return NullTranslations() if locale is None or locale.language == "en" else load_catalog(str(locale))


@cache
def load_catalog(locale: str) -> Translations:
    """Read and compile a catalog, in some ms: so neither a checkout nor a wheel needs a build step."""
    compiled = BytesIO()
    with (FOLDER / locale / "LC_MESSAGES" / "messages.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale))
    compiled.seek(0)
    return Translations(compiled)
