"""For every sequence of grants, changes and time, a status list says what introspection says, as soon as it is so."""

import pytest

from tests.actions.status.machine import build_machine
from tests.core import Core
from tests.thorough import either

pytestmark = pytest.mark.both_databases
SEEDS, STEPS = range(either(4, 400)), 50


@pytest.mark.contract("a list refuses exactly what introspection refuses or narrows")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_list_refuses_exactly_what_introspection_refuses_or_narrows(core: Core, seed: int) -> None:
    machine = build_machine(core, seed)
    for _ in range(STEPS):
        machine.step()
        machine.check()
