"""The languages that the pages have, the default first."""

from __future__ import annotations

LANGUAGES = ("en", "zh-Hant", "sv", "ru", "nl")  # BCP 47 tags
EXPECTED = f"must be languages of {', '.join(LANGUAGES)}, separated by commas, the default first"


def check_languages(items: list[str]) -> tuple[str, ...]:
    """Return the languages in their own spelling, each once."""
    known = {language.lower(): language for language in LANGUAGES}
    if not items or any(item.lower() not in known for item in items):
        raise ValueError(EXPECTED)
    return tuple(dict.fromkeys(known[item.lower()] for item in items))
