"""Every property in some worlds; `tools/sim check` tries as many as you like."""

import re

import pytest

from tests.sim import properties
from tests.sim.property import PROPERTIES, try_out

SEEDS = 40


LARGE = 5000
"""Properties that are tried in so few worlds need a minute for each."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] * (it.every >= LARGE)) for name, it in PROPERTIES.items()]
)
def test_it_holds_and_its_story_can_be_told(name):
    for seed in PROPERTIES[name].seeds(0, SEEDS):
        try_out(name, seed).story()


def test_all_that_the_design_promises_is_tried():
    promised = {int(number) for it in PROPERTIES.values() for number in re.findall(r"P(\d+)", it.check.__doc__ or "")}
    assert promised == set(range(1, 18)) and properties.__all__
