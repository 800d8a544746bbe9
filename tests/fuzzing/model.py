"""The part `model`: runs the state machine on two nodes, seed after seed, until the time is over."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from tests.fuzzing.comparing import Comparing
from tests.fuzzing.nodes import two_nodes
from tests.fuzzing.notebook import Notebook, Outcome, Task
from tests.fuzzing.wire import Broken

EXAMPLES, STEPS = 10, 50  # for each seed, for each example
SHORT = 300  # seconds; a shorter run does not shrink a failure


class TimeIsOver(BaseException):
    """Ends an example at any step; Hypothesis does not report a BaseException as a failure."""


def fuzz(task: Task) -> Outcome:
    """Compare the servers with the model until the time is over or something is found."""
    book = Notebook(task)
    book.outcome.unit = "steps"
    phases = [Phase.generate] if task.seconds < SHORT else [Phase.generate, Phase.shrink]
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with two_nodes(task.scratch) as nodes:
        number = task.seed
        book.begin()
        while book.seconds_left() > 0 and not book.outcome.findings:
            machine = type("Machine", (Counted,), {"nodes": nodes, "plant": task.planted, "book": book})
            keep_findings(book, number, _examples, machine, number, chosen)
            number += 1
        for complaint in nodes.complaints():
            book.add_finding("an error in the log", complaint, task.seed)
    return book.outcome


def _examples(machine: type[RuleBasedStateMachine], number: int, chosen: settings) -> None:
    run_state_machine_as_test(seed(number)(machine), settings=chosen)


class Counted(Comparing):
    """The state machine with its steps counted; it ends when the time is over."""

    book: Notebook

    @invariant()
    def there_is_time(self) -> None:
        """Raise TimeIsOver when no time is left, unless a failure was seen that is not reported yet."""
        self.book.count_tries()
        if self.book.seconds_left() <= 0 and not Broken.seen:
            raise TimeIsOver


def keep_findings(book: Notebook, number: int, run: Callable[..., Any], *arguments: Any) -> None:
    """Call `run`, and store an exception as a finding of this seed."""
    Broken.seen = False
    try:
        run(*arguments)
    except TimeIsOver:
        pass
    except Exception as failure:
        if book.seconds_left() <= 0 and not Broken.seen:
            return  # TimeIsOver makes Hypothesis report a flaky test
        text = "".join(traceback.format_exception(failure))
        book.add_finding(f"{type(failure).__name__} {str(failure)[:60]}", text, number)
