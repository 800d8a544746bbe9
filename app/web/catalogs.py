"""The texts of pages in the language of each request, for Flask-Babel."""

from __future__ import annotations

from babel.support import NullTranslations
from flask_babel import Domain, get_locale

from app.catalogs import load_catalog


class Catalogs(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """Read each catalog once in a process, where Flask-Babel reads compiled ones once in an application."""

    def get_translations(self) -> NullTranslations:
        """Return the texts in the language of this request; English outside a request."""
        locale = get_locale()
        return NullTranslations() if locale is None or locale.language == "en" else load_catalog(str(locale))
