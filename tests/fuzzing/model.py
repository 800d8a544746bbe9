"""The part `model`: runs the state machine against two nodes, seed after seed, until the time is over."""

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

EXAMPLES, STEPS = 10, 50  # of a seed, of an example
SHORT = 300  # seconds; a shorter run does not make a finding smaller


class TimeIsOver(BaseException):
    """Ends an example wherever it is; Hypothesis takes it for no failure."""


def fuzz(task: Task) -> Outcome:
    """Compare the servers with the model."""
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
        while book.left() > 0 and not book.outcome.findings:
            machine = type("Machine", (Counted,), {"nodes": nodes, "plant": task.planted, "book": book})
            kept(book, number, _examples, machine, number, chosen)
            number += 1
        for complaint in nodes.complaints():
            book.found("an error in the log", complaint, task.seed)
    return book.outcome


def _examples(machine: type[RuleBasedStateMachine], number: int, chosen: settings) -> None:
    run_state_machine_as_test(seed(number)(machine), settings=chosen)


class Counted(Comparing):
    """Counts its steps, and ends when the time does."""

    book: Notebook

    @invariant()
    def there_is_time(self) -> None:
        """Go on as long as there is time, or a finding that is not told yet."""
        self.book.tried()
        if self.book.left() <= 0 and not Broken.seen:
            raise TimeIsOver


def kept(book: Notebook, number: int, run: Callable[..., Any], *arguments: Any) -> None:
    """Run, and keep what it finds under this seed."""
    Broken.seen = False
    try:
        run(*arguments)
    except TimeIsOver:
        pass
    except Exception as failure:
        if book.left() <= 0 and not Broken.seen:
            return  # Hypothesis takes the end of the time for a change of mind
        text = "".join(traceback.format_exception(failure))
        book.found(f"{type(failure).__name__} {str(failure)[:60]}", text, number)
