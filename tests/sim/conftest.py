"""Worlds are large and short-lived: collecting garbage all the time would take a third of it."""

import gc
from collections.abc import Iterator

import pytest

THRESHOLD = 100_000


@pytest.fixture(autouse=True, scope="module")
def seldom_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(THRESHOLD)
    yield
    gc.set_threshold(*before)
