"""The guide recommends a kind for every combination of answers, and its commands run as they are."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT
from app.web.compare.guide import ADVICE, QUESTIONS, advise, list_answers

COMMAND = re.compile(r"latchkey ([^\n)]+)")


def test_four_questions_end_in_one_of_the_five_kinds() -> None:
    ends = [
        advise({question.key: answer for question, answer in zip(QUESTIONS, answers, strict=True)})
        for answers in itertools.product(("yes", "no"), repeat=4)
    ]
    assert len(QUESTIONS) == 4
    assert {end.column for end in ends if end} == set(COLUMNS) == {PASSWORD, PAT, OAUTH, API_KEY, M2M}


def test_the_first_yes_decides() -> None:
    assert [advise({q.key: "no" for q in QUESTIONS[:n]} | {QUESTIONS[n].key: "yes"}) for n in range(4)] == [
        ADVICE[column] for column in (PASSWORD, PAT, OAUTH, M2M)
    ]


@pytest.mark.parametrize("answers", [{}, {"signs_in": "no"}, {"known": "yes"}, {"signs_in": "maybe"}])
def test_it_does_not_guess_before_it_is_answered(answers: dict[str, str]) -> None:
    assert advise(answers) is None


@pytest.mark.parametrize("column", COLUMNS)
def test_the_answers_of_a_kind_lead_to_it(column: str) -> None:
    advice = advise(list_answers(column))
    assert advice == ADVICE[column] and advice.because.endswith(".")


def test_its_commands_run_as_they_are_after_their_preparation(command: Path) -> None:
    prepared = [line for advice in ADVICE.values() for line in COMMAND.findall(advice.preparation)]
    lines = [line for advice in ADVICE.values() for line in COMMAND.findall(advice.commands)]
    assert len(lines) == 6
    made_by_the_guide = "user create --username alice --role clerk"  # the commands of one kind prepare another
    for line in [*dict.fromkeys(prepared), *(line for line in lines if line != made_by_the_guide)]:
        done = CliRunner().invoke(main, shlex.split(line), input="correct horse battery\n")
        assert done.exit_code == 0, (line, done.output)
    assert made_by_the_guide in prepared
