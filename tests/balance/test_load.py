import pytest

from mesh.balance.load import full, pressure
from mesh.gossip.member import Load

CASES = [
    (Load(), "", 0),
    (Load(cpu=0.5, mem=0.9), "", 5),
    (Load(mem=0.95), "memory at 95%", 0),
    (Load(loop_lag_ms=499), "", 9),
    (Load(loop_lag_ms=500), "event loop 500 ms late", 10),
    (Load(cpu=1.0, loop_lag_ms=249), "", 10),
    (Load(cpu=1.0, loop_lag_ms=250), "cpu at 100%", 10),
    (Load(cpu=0.94, loop_lag_ms=250), "", 9),
    (Load(tx_bps=899, capacity_bps=1000), "", 8),
    (Load(tx_bps=900, capacity_bps=1000), "sends 900 of 1,000 b/s", 9),
    (Load(tx_bps=10**12), "", 0),
    (Load(ill="out of file descriptors", mem=0.99), "out of file descriptors", 0),
    (Load(tx_bps=2000, capacity_bps=1000, mem=0.99), "memory at 99%", 20),
]


@pytest.mark.parametrize(("load", "lack", "tenths"), CASES, ids=str)
def test_a_load_says_what_is_used_up_and_how_hard_the_node_works(load, lack, tenths):
    assert full(load) == lack
    assert pressure(load) == tenths
