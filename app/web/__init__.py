"""The pages, rendered on the server: they read forms and show results; every decision is made in the actions."""

from __future__ import annotations

from flask import Flask

from app.compose import Actions
from app.web import account, assets, authorization, compare, console, language_choice, languages, unroutable
from app.web.authorization.destination import host_of
from app.web.moments import describe_day, describe_duration, describe_exactly, describe_moment, split_duration

LONGEST_ECHO = 2_000  # characters; the longest line that a form accepts, an address of keys, has as many


def register(app: Flask, actions: Actions) -> None:
    """Add the pages and their assets."""
    app.add_template_filter(sentence)
    app.add_template_filter(shorten_echo)
    app.add_template_filter(host_of)
    for words in (describe_duration, describe_exactly, describe_day, split_duration):
        app.add_template_filter(words)
    app.add_template_filter(lambda at: describe_moment(at, actions.clock()), "describe_moment")
    app.add_template_global(language_choice.find_return_path)
    app.register_blueprint(assets.blueprint)
    unroutable.register(app)
    languages.register(app, actions.settings)
    for routes in (language_choice.routes, *compare.ROUTES, *account.ROUTES, *authorization.ROUTES, *console.ROUTES):
        app.register_blueprint(routes.create_blueprint(actions))


def sentence(text: str) -> str:
    """Return an error message as a sentence."""
    stop = "。" if languages.current_language() == "zh-Hant" else "."
    return f"{text[:1].upper()}{text[1:].removesuffix(stop)}{stop}"


def shorten_echo(value: object, longest: int = LONGEST_ECHO) -> str:
    """Return a value that was sent, to show it in its field again, cut to a length that no field may exceed."""
    return str(value)[:longest]
