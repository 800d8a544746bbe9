"""/compare: the latest comparison of the kinds, and the guide."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.comparison.latest import latest
from app.compose import Actions
from app.web import pages
from app.web.compare.guide import QUESTIONS, advise
from app.web.compare.page import render_table
from app.web.page_routes import PageRoutes

routes = PageRoutes("compare", guard=None)


@routes.get("/compare")
def compare(actions: Actions) -> Response:
    """Show the latest comparison; the answers to the guide's questions come in the query."""
    report = latest(actions.settings)
    answers = {question.key: request.args.get(question.key, "") for question in QUESTIONS}
    return pages.render_plain(
        "compare/compare.html",
        report=report,
        table=render_table(report),
        questions=QUESTIONS,
        answers=answers,
        advice=advise(answers),
        answered=any(answers.values()),
    )
