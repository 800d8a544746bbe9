"""The catalogs of translated texts, one for each language but English, which is the texts' own."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

FOLDER = Path(__file__).with_name("web") / "translations"


@cache
def load_catalog(locale: str) -> Translations:
    """Read and compile a catalog, in some ms: so neither a checkout nor a wheel needs a build step."""
    compiled = BytesIO()
    with (FOLDER / locale / "LC_MESSAGES" / "messages.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale))
    compiled.seek(0)
    return Translations(compiled)
