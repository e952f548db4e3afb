from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.candidate import roles, weights
from mesh.balance.policy import Action
from mesh.balance.term import MOVING
from mesh.config import BalanceConfig
from mesh.config.weight import POLICIES, WEIGHTS
from mesh.gossip.member import Link, Load, Status
from mesh.gossip.tables import Tables
from tests.balance.fleet import ASK, CONFIG, LOADS, judge, lead, node, replica

A, B = node(1), node(2)


def test_roles_are_those_of_all_who_say_that_they_have_the_stream():
    tables = Tables(A.id, [A, B], [lead(A), replica(A, B), replica(B, A)])
    assert roles("live/x", tables) == {A.id: "leader", B.id: "replica"}
    assert roles("live/y", tables) == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_weighs_what_it_is_named_after(policy):
    weighed = weights(BalanceConfig(policy=policy), ASK)
    assert weighed == (POLICIES[policy] or {name: weight for name, weight in WEIGHTS.items() if weight})


def test_an_operators_weights_go_before_the_defaults():
    weighed = weights(BalanceConfig(weights={"zone": 3.0, "rtt": 0.0}), ASK)
    assert weighed["zone"] == 3
    assert "rtt" not in weighed
    assert weighed["cost"] == WEIGHTS["cost"]


def test_a_publisher_is_not_drawn_to_who_has_the_stream_but_stays_where_he_came():
    weighed = weights(CONFIG, replace(ASK, action=Action.PUBLISH))
    assert "stream" not in weighed
    assert weighed["asked"] == WEIGHTS["stream"]


def test_a_publisher_counts_as_a_stream_and_not_as_a_player():
    weighed = weights(CONFIG, replace(ASK, action=Action.PUBLISH))
    assert "players" not in weighed and weighed["streams"] == WEIGHTS["players"]


def test_a_session_goes_by_nothing_that_moves_with_every_report():
    weighed = weights(CONFIG, replace(ASK, sid="s"))
    assert weighed == {name: weight for name, weight in weights(CONFIG, ASK).items() if name not in MOVING}


def used(now, born):
    """The share of its bandwidth that a node has used, 90 of 900, in the eyes of a node that was born at 0."""
    young = replace(B, born=born, load=Load(tx_bps=90, capacity_bps=1000))
    return judge(ASK, Tables(A.id, [A, young], [lead(A)]), BalanceConfig(ramp_s=60), now)(young).terms["bandwidth"]


def test_a_young_node_counts_as_smaller_until_it_has_grown():
    shares = [used(now, born=100.0) for now in (100.0, 106.0, 130.0, 160.0, 900.0)]
    assert shares == [1.0, 1.0, pytest.approx(0.2), pytest.approx(0.1), pytest.approx(0.1)]


def test_a_mesh_that_has_just_begun_has_no_young_nodes():
    assert used(now=3.0, born=0.0) == used(now=3.0, born=-1.0) == pytest.approx(0.1)
    assert used(now=3.0, born=1.5) == pytest.approx(0.2)


def test_who_cannot_take_a_client_gets_no_score_unless_it_is_to_be_explained():
    draining = replace(B, status=Status.DRAINING)
    judging = judge(ASK, Tables(A.id, [A, draining], [lead(A)]))
    plain = judging(draining)
    assert (plain.lost, plain.terms) == ("is draining", {})
    explained = judging.explained(plain)
    assert (explained.lost, explained.terms["stream"]) == ("is draining", 1)
    able = judging(A)
    assert judging.explained(able) is able


@given(LOADS, st.sampled_from("xyz"), st.sampled_from("xyz"), st.floats(0, 500), st.booleans())
def test_no_node_has_a_better_score_than_the_bound_of_its_zone(load, zone, there, rtt_ms, holds):
    far = node(2, there, load=load)
    near = node(1, zone, links={far.id: Link(rtt_ms, 0)})
    judging = judge(ASK, Tables(near.id, [near, far], [lead(far if holds else near)]))
    assert judging.explained(judging(far)).score >= judging.bound(there)
