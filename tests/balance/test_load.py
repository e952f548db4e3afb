from dataclasses import replace

import pytest

from mesh.balance.load import full
from mesh.config.weight import LIMITS
from mesh.gossip.member import Load

CASES = [
    (Load(), ""),
    (Load(cpu=0.5, mem=0.9), ""),
    (Load(mem=0.95), "memory at 95%"),
    (Load(loop_lag_ms=499), ""),
    (Load(loop_lag_ms=500), "event loop 500 ms late"),
    (Load(cpu=1.0, loop_lag_ms=249), ""),
    (Load(cpu=1.0, loop_lag_ms=250), "cpu at 100%"),
    (Load(cpu=0.94, loop_lag_ms=250), ""),
    (Load(tx_bps=899, capacity_bps=1000), ""),
    (Load(tx_bps=900, capacity_bps=1000), "sends 900 of 1,000 b/s"),
    (Load(tx_bps=10**12), ""),
    (Load(rx_bps=900, capacity_bps=1000), "receives 900 of 1,000 b/s"),
    (Load(ill="out of file descriptors", mem=0.99), "out of file descriptors"),
    (Load(tx_bps=2000, capacity_bps=1000, mem=0.99), "memory at 99%"),
    (Load(players=10**6), ""),
]


@pytest.mark.parametrize(("load", "lack"), CASES, ids=str)
def test_a_load_says_what_is_used_up(load, lack):
    assert full(load) == lack


def test_limits_are_the_operators():
    limits = {**LIMITS, "bandwidth": 0.5, "players": 100}
    assert full(Load(tx_bps=499, capacity_bps=1000, players=99), limits) == ""
    assert full(Load(tx_bps=500, capacity_bps=1000), limits) == "sends 500 of 1,000 b/s"
    assert full(Load(players=100), limits) == "100 players"


def test_an_ill_node_has_room_only_as_the_last_resort_and_if_it_is_usable():
    load = Load(ill="disk is full")
    assert full(load) == "disk is full"
    assert full(load, last_resort=True) == ""
    assert full(replace(load, usable=False), last_resort=True) == "disk is full"
    assert full(replace(load, mem=0.99), last_resort=True) == "memory at 99%"
