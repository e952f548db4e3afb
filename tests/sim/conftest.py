"""Garbage is looked for as seldom as tools/sim does."""

import gc
from collections.abc import Iterator

import pytest

from tests.sim.world import collect_seldom


@pytest.fixture(autouse=True, scope="module")
def seldom_collected() -> Iterator[None]:
    before = gc.get_threshold()
    collect_seldom()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
