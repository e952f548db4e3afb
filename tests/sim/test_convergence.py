from tests.sim.convergence import PROMISES, convergence


def test_every_promise_is_kept():
    for seed in range(3):
        for (what, promise), seconds in zip(PROMISES.items(), convergence(5, seed), strict=True):
            assert 0 < seconds <= promise.most_s, f"{what} in world {seed}"
