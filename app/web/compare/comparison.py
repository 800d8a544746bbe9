"""/compare: the guide, the kinds at a glance, the latest comparison, and for operators the button that measures."""

from __future__ import annotations

from flask import current_app, request
from werkzeug.wrappers import Response

from app.comparison.latest import latest
from app.comparison.measure import measure
from app.compose import Actions
from app.texts import mark
from app.web import pages
from app.web.compare.cards import list_cards
from app.web.compare.guide import QUESTIONS, advise, list_answers
from app.web.compare.page import select_columns, table_values
from app.web.compare.translation import translate_report
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator
from app.web.wordings import translate

KIND = "kind"
MEASURED = mark("The server was measured just now.")
NOT_STORED = mark("The server was measured, but the result cannot be stored: its instance folder is not writable.")

routes = PageRoutes("compare", guard=None)
measuring = PageRoutes("compare_run", "/compare", guard=require_operator)


@routes.get("/compare")
def compare(actions: Actions) -> Response:
    """Show the guide and the latest comparison; the answers and the kinds to compare come in the query."""
    report = translate_report(latest(actions.settings))
    answers = {question.key: request.args.get(question.key, "") for question in QUESTIONS}
    advice = advise(answers)
    columns = select_columns(report, request.args.getlist(KIND))
    return pages.render_plain(
        "compare/compare.html",
        report=report,
        cards=list_cards(report),
        kinds=list(columns) if len(columns) < len(report.columns) else [],
        questions=QUESTIONS,
        answers=answers,
        given={key: answer for key, answer in answers.items() if answer in ("yes", "no")},
        advice=advice,
        answered=any(answers.values()),
        list_answers=list_answers,
        **table_values(report, columns, advice.column if advice else ""),
    )


@measuring.post("/run")
def run(actions: Actions) -> Response:
    """Measure this server: for operators, one at a time."""
    measure(actions, current_app.wsgi_app)
    stored = latest(actions.settings).at is not None
    return pages.redirect_with(translate(MEASURED if stored else NOT_STORED), "compare.compare")
