from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.term import MOVING, PLACE, TERMS, Sight, score, values
from mesh.config.weight import LIMITS, SUPPLY, WEIGHTS
from mesh.gossip.member import Load
from tests.balance.fleet import LOADS

IDLE = Sight(Load(), LIMITS, role="leader")
HALF = replace(IDLE.load, tx_bps=450, capacity_bps=1000)

CASES = [
    ("zone", IDLE._replace(away=True), 1),
    ("cost", IDLE._replace(cost=0.25), 0.25),
    ("cost", IDLE._replace(cost=7.0), 1),
    ("rtt", IDLE._replace(rtt_ms=9), 0),
    ("rtt", IDLE._replace(rtt_ms=109), 0.25),
    ("rtt", IDLE._replace(rtt_ms=float("inf")), 1),
    ("stream", IDLE._replace(role=""), 1),
    ("asked", IDLE, 1),
    ("asked", IDLE._replace(here=True), 0),
    ("bandwidth", IDLE._replace(load=HALF), 0.5),
    ("bandwidth", IDLE._replace(load=HALF, grown=0.5), 1),
    ("bandwidth", IDLE._replace(load=Load(tx_bps=10**9)), 0),
    ("room", IDLE._replace(load=replace(HALF, tx_bps=675)), 0),
    ("room", IDLE._replace(load=replace(HALF, tx_bps=900)), 1),
    ("room", IDLE._replace(load=Load(players=350), limits={**LIMITS, "players": 400}), 0.5),
    ("players", IDLE._replace(load=Load(players=100)), 0.5),
    ("players", IDLE._replace(load=Load(players=100), limits={**LIMITS, "players": 400}), 0.25),
    ("players", IDLE._replace(load=Load(players=100), limits={**LIMITS, "players": 400}, grown=0.5), 0.5),
    ("cpu", IDLE._replace(load=Load(cpu=0.3)), 0.3),
    ("memory", IDLE._replace(load=Load(mem=0.3)), 0.3),
    ("lag", IDLE._replace(load=Load(loop_lag_ms=250)), 0.5),
    ("streams", IDLE._replace(load=Load(streams=300)), 0.75),
    ("bandwidth", IDLE._replace(load=Load(rx_bps=90, capacity_bps=1000)), 0.1),
    ("young", IDLE, 0),
    ("young", IDLE._replace(grown=0.0), 1),
    ("young", IDLE._replace(grown=0.0, load=Load(capacity_bps=1)), 0),
    ("young", IDLE._replace(grown=0.0, limits={**LIMITS, "players": 400}), 0),
    ("jitter", IDLE._replace(jitter_ms=9), 0),
    ("jitter", IDLE._replace(jitter_ms=25), 0.2),
    ("loss", IDLE._replace(loss=0.1), 0.1),
    ("depth", IDLE._replace(depth=2), 0.25),
    ("children", IDLE._replace(children=16), 0.5),
    ("draw", IDLE._replace(draw=0.7), 0.7),
]


@pytest.mark.parametrize(("name", "sight", "value"), CASES, ids=[case[0] for case in CASES])
def test_terms(name, sight, value):
    assert values(sight, [name]) == {name: pytest.approx(value)}


def test_every_term_has_a_case_and_its_weight():
    assert {case[0] for case in CASES} == TERMS.keys()
    assert TERMS.keys() == WEIGHTS.keys() | SUPPLY.keys() | {"asked"}
    assert TERMS.keys() >= PLACE | MOVING


@given(LOADS, st.floats(0.05, 1))
def test_no_load_brings_a_term_out_of_its_range(load, grown):
    terms = values(IDLE._replace(load=load, grown=grown), TERMS)
    assert all(0 <= value <= 1 for value in terms.values())
    assert 0 <= score(terms, dict.fromkeys(TERMS, 1)) <= len(TERMS)


@given(LOADS, st.sampled_from(["cpu", "mem", "tx_bps", "players", "streams", "loop_lag_ms"]), st.integers(0, 100))
def test_whoever_gets_more_load_gets_no_better_score(load, name, more):
    loaded = replace(load, **{name: getattr(load, name) + more})
    less, more = (values(IDLE._replace(load=it), TERMS) for it in (load, loaded))
    assert all(less[name] <= more[name] for name in TERMS)
