import statistics

import pytest
from click.testing import CliRunner

from tests.sim import commands
from tests.sim.convergence import PROMISES, convergence
from tests.sim.detection import Detection, deaths


def test_every_promise_is_kept():
    for seed in range(3):
        for (what, promise), seconds in zip(PROMISES.items(), convergence(5, seed), strict=True):
            assert 0 < seconds <= promise.most_s, f"{what} in world {seed}"


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_a_host_that_goes_down_is_known_to_all_in_three_seconds(loss):
    known = [deaths("ours", 8, loss, seed)[0].everyone for seed in range(20)]
    assert statistics.median(known) <= 3.0 and max(known) <= 3.6


def test_what_was_found_out_of_one_size_is_told_before_the_next_is_tried(monkeypatch):
    tried = iter([[[Detection(1.0, 2.0)] * 2]])
    monkeypatch.setattr(commands, "each", lambda *_: next(tried))
    ran = CliRunner().invoke(commands.sim, ["detect", "-n3", "-n4", "--seeds=1", "--loss=0", "--by=ours"])
    assert isinstance(ran.exception, StopIteration) and ran.output.count("2.000") == 2 * 3
