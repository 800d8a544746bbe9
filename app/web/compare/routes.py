"""/compare: the kinds side by side, as last measured, and a guide to the one that is needed."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.comparison.latest import latest
from app.http.current import actions
from app.web.compare.guide import QUESTIONS, advise
from app.web.compare.page import table_of
from app.web.pages import page

blueprint = Blueprint("comparison_page", __name__)


@blueprint.get("/compare")
def compare() -> Response:
    """Show the last comparison; the guide's answers come in the query."""
    report = latest(actions().settings)
    answers = {question.key: request.args.get(question.key, "") for question in QUESTIONS}
    advice, asked = advise(answers), any(answers.values())
    return page(
        "compare/compare.html",
        report=report,
        table=table_of(report),
        questions=QUESTIONS,
        answers=answers,
        advice=advice,
        asked=asked,
    )
