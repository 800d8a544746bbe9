"""The language of a page: the browser's choice by a cookie, else its Accept-Language, else the first of the setting.

The console is in English, and so are every interface for programs and the page that describes the API.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Flask, Response, has_request_context, request
from flask_babel import Babel, get_locale
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from app.settings.settings import Settings
from app.web.catalogs import Catalogs
from app.web.wordings import translate, translate_filter

COOKIE = "latchkey-language"
ENGLISH = "en"
NAMES = {"en": "English", "zh-Hant": "繁體中文", "sv": "Svenska", "ru": "Русский", "nl": "Nederlands"}
BY_PRIMARY_SUBTAG = {language.partition("-")[0]: language for language in NAMES}  # zh-TW, zh-HK and zh: zh-Hant
ONLY_ENGLISH = ("/console", "/api")  # the page of the API is rendered once for all visitors
LONGEST_HEADER = 200  # characters of Accept-Language that are read
CACHED_BY = ("Accept-Language", "Cookie")


def register(app: Flask, settings: Settings) -> None:
    """Translate the pages, and let their templates name and offer the languages."""
    babel = Babel()
    babel.init_app(app, locale_selector=lambda: select_language(settings.languages).replace("-", "_"))
    babel.domain_instance = Catalogs()
    app.jinja_env.policies["ext.i18n.trimmed"] = True  # a text of several lines is one line of the catalog
    app.add_template_filter(translate)
    app.add_template_filter(translate_filter)
    app.add_template_global(current_language)
    app.add_template_global(lambda: offer_languages(settings.languages), "offer_languages")


def select_language(offered: Sequence[str]) -> str:
    """Return the language of the page that this request gets."""
    if not has_request_context() or request.path.startswith(ONLY_ENGLISH):
        return ENGLISH
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in offered else negotiate(request.headers.get("Accept-Language", ""), offered)


def negotiate(header: str, offered: Sequence[str]) -> str:
    """Return the offered language that a browser likes best, the first one when it names none (RFC 4647 §3.3)."""
    accepted = parse_accept_header(header[:LONGEST_HEADER], LanguageAccept)
    found = (BY_PRIMARY_SUBTAG.get(tag.partition("-")[0].lower(), "") for tag, quality in accepted if quality > 0)
    return next((language for language in found if language in offered), offered[0])


def current_language() -> str:
    """Return the language of this page as HTML names it."""
    return str(get_locale() or ENGLISH).replace("_", "-")


def offer_languages(offered: Sequence[str]) -> dict[str, str]:
    """Return the languages to choose from by their own names; none in the console, nor when there is no choice."""
    if len(offered) < 2 or request.path.startswith(ONLY_ENGLISH):
        return {}
    return {language: NAMES[language] for language in offered}


def set_vary(response: Response) -> Response:
    """Name what the language of a page depends on, for caches (RFC 9110 §12.5.5)."""
    response.vary.update(CACHED_BY)
    return response
