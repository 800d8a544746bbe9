"""The pages: server-rendered, nothing on them from another host; they show and decide nothing."""

from __future__ import annotations

from flask import Flask

from app.web import console, pages
from app.web.account import profile, sign_in, tokens
from app.web.compare import routes as compare
from app.web.form import days_ahead

LONGEST_ECHO = 2_000  # characters; the longest line that a form takes, an address of keys, has as many


def register(app: Flask) -> None:
    """Add the pages and their assets."""
    app.add_template_filter(sentence)
    app.add_template_filter(shorten_echo)
    app.add_template_global(days_ahead)
    for room in (pages, compare, sign_in, profile, tokens):
        app.register_blueprint(room.blueprint)
    console.register(app)


def sentence(text: str) -> str:
    """Make a sentence of what a refusal says."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def shorten_echo(value: object, longest: int = LONGEST_ECHO) -> str:
    """Return what a form shows of what was sent, cut to a length that no field may exceed."""
    return str(value)[:longest]
