"""The pages: server-rendered, nothing on them from another host; they show and decide nothing."""

from __future__ import annotations

from flask import Flask

from app.web import account, comparison, console, pages, sign_in, tokens


def register(app: Flask) -> None:
    """Add the pages and their assets."""
    app.add_template_filter(sentence)
    for room in (pages, comparison, sign_in, account, tokens):
        app.register_blueprint(room.blueprint)
    console.register(app)


def sentence(text: str) -> str:
    """Make a sentence of what a refusal says."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
