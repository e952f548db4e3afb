"""What holds of placement whatever the tables say, and of many balancers that see the same."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.balance import policy
from mesh.balance.candidate import weights
from mesh.balance.load import full
from mesh.balance.policy import Action, Redirect, Refuse, Request
from mesh.balance.room import Rooms
from mesh.config import BalanceConfig
from mesh.config.weight import ALGORITHMS, POLICIES
from mesh.gossip.member import Load, Status
from mesh.gossip.tables import Tables
from tests.balance.fleet import ASK, CONFIG, LOADS, fleet, lead, node, place, replica, seen_by, taker

FULL = Load(mem=0.99)


@st.composite
def meshes(draw):
    """Tables of any kind, as the first node sees them."""
    zones, status = st.sampled_from(["", "x", "y"]), st.sampled_from([Status.ALIVE] * 5 + [*Status])
    members = [node(number, draw(zones), draw(status), draw(LOADS)) for number in range(draw(st.integers(1, 6)))]
    entries = [lead(draw(st.sampled_from(members)))] if draw(st.integers(0, 5)) else []
    entries += [replica(member, members[0]) for member in members if draw(st.booleans())]
    return Tables(members[0].id, members, entries)


REQUESTS = st.builds(
    Request,
    stream=st.just("live/x"),
    action=st.sampled_from(Action),
    proto=st.sampled_from(["flv", "rtmp"]),
    zone=st.sampled_from(["", "x", "y", "mars"]),
    redirect=st.booleans(),
    sid=st.sampled_from(["", "s"]),
    explain=st.booleans(),
)
CONFIGS = st.builds(
    BalanceConfig,
    policy=st.sampled_from([*POLICIES]),
    algorithm=st.sampled_from(ALGORITHMS),
    margin=st.sampled_from([0.0, 0.2, 50.0]),
    ramp_s=st.just(0.0),
)


@given(meshes(), REQUESTS, CONFIGS)
def test_whoever_is_chosen_can_take_the_client_whatever_the_tables_say(tables, request, config):
    taken = taker(place(request, tables, config), tables)
    if taken:
        assert tables.members[taken].status == Status.ALIVE
        assert not full(tables.members[taken].load)
        assert taken == tables.me or not request.tied


@given(meshes(), REQUESTS, CONFIGS)
def test_who_is_refused_could_have_been_taken_by_nobody(tables, request, config):
    placement = place(request, tables, config)
    if isinstance(placement, Refuse) and placement.status == 503:
        asked = [tables.members[tables.me]] if request.tied else tables.members.values()
        holding = {it.node for it in [*tables.leads("live/x"), *tables.replicas("live/x")]}
        able = [member for member in asked if member.status == Status.ALIVE and not full(member.load)]
        assert all(request.action == Action.PLAY and member.id not in holding for member in able)


@given(meshes(), meshes(), REQUESTS, CONFIGS)
def test_however_tables_disagree_no_client_is_sent_on_twice(here, there, request, config):
    first = place(request, here, config)
    if isinstance(first, Redirect):
        second = place(replace(request, via=here.me), there, config)
        assert not isinstance(second, Redirect)


@given(meshes(), REQUESTS, CONFIGS, st.integers(0, 5), st.sampled_from(["cpu", "mem", "tx_bps", "players"]))
def test_who_was_not_chosen_is_not_for_having_more_load(tables, request, config, which, name):
    request = replace(request, sid="s")
    before = taker(place(request, tables, replace(config, algorithm="lowest")), tables)
    members = [*tables.members.values()]
    loaded = members[which % len(members)]
    if loaded.id != before:
        more = replace(loaded.load, **{name: getattr(loaded.load, name) + 0.5 if name in ("cpu", "mem") else 500})
        tables.set_member(replace(loaded, load=more))
        assert taker(place(request, tables, replace(config, algorithm="lowest")), tables) != loaded.id


@given(meshes(), REQUESTS, CONFIGS)
def test_explained_is_every_node_with_all_that_counts_and_why_it_lost(tables, request, config):
    placement = place(replace(request, explain=True), tables, config)
    if isinstance(placement, Refuse) and placement.status != 503:
        return
    weighed = weights(config, request)
    assert {candidate.node for candidate in placement.candidates} == tables.members.keys()
    assert all(candidate.terms.keys() == weighed.keys() for candidate in placement.candidates)
    chosen = [candidate.node for candidate in placement.candidates if not candidate.lost]
    assert chosen == ([] if isinstance(placement, Refuse) else [taker(placement, tables)])


SESSIONS = [replace(ASK, sid=str(number)) for number in range(500)]


def chosen(tables, asked):
    seen = seen_by(tables, node(asked), [*map(replica, map(node, range(1, 100)), [node(0)] * 99)])
    return [taker(place(request, seen), seen) for request in SESSIONS]


def test_a_session_gets_the_same_node_whichever_it_asks():
    tables = fleet(100)
    first, second = chosen(tables, 5), chosen(tables, 50)
    assert sum(one == other for one, other in zip(first, second, strict=True)) >= 0.97 * len(SESSIONS)
    assert max(map(first.count, first)) < 4 * len(SESSIONS) / 100


def test_few_sessions_move_when_a_node_comes_or_goes():
    tables = fleet(100)
    before = chosen(tables, 5)
    tables.forget_member(node(50).id)
    after = chosen(tables, 5)
    moved = sum(one != other for one, other in zip(before, after, strict=True))
    assert before.count(node(50).id) <= moved <= 3 * len(SESSIONS) / 100


def test_balancers_with_the_same_stale_tables_do_not_all_rush_to_one():
    holders = [node(number, load=Load(tx_bps=500, capacity_bps=1000)) for number in range(1, 11)]
    members = [node(0, load=FULL), *holders, *(node(number, load=FULL) for number in range(11, 40))]
    tables = Tables(members[0].id, members, [lead(holders[0]), *(replica(it, holders[0]) for it in holders[1:])])
    taken = [taker(place(ASK, tables, seed=seed), tables) for seed in range(400)]
    assert all(10 < taken.count(holder.id) < 80 for holder in holders)


def test_a_balancer_sees_whom_it_has_sent_itself_before_the_reports_do():
    idle, busy = (node(number, load=Load(tx_bps=sends, capacity_bps=1000)) for number, sends in ((1, 0), (2, 400)))
    tables = Tables(node(0).id, [node(0, load=FULL), idle, busy], [lead(idle), replica(busy, idle)])
    rooms, taken = Rooms(), []
    for _ in range(60):
        placed = policy.place(ASK, tables, CONFIG, rooms, random.Random(1), 0.0)
        rooms.inflight.send(tables.members[placed.node], 10, 0.0)
        taken.append(placed.node)
    assert set(taken[:10]) == {idle.id}
    assert set(taken) == {idle.id, busy.id}


def test_a_young_node_is_filled_by_a_ramp():
    config, capacity = BalanceConfig(ramp_s=60), 1000
    old = [node(number, load=Load(tx_bps=500, capacity_bps=capacity), born=-1000.0) for number in range(1, 5)]
    young = node(9, load=Load(capacity_bps=capacity), born=0.0)
    members = [node(0, load=FULL, born=-1000.0), *old, young]
    tables, seen = (
        Tables(members[0].id, members, [lead(old[0]), *(replica(it, old[0]) for it in [*old[1:], young])]),
        [],
    )
    for now in range(60):
        for seed in range(10):
            id = place(ASK, tables, config, seed=100 * now + seed, now=float(now)).node
            member = tables.members[id]
            tables.set_member(replace(member, load=replace(member.load, tx_bps=member.load.tx_bps + 3)))
        seen.append(tables.members[young.id].load.tx_bps)
    assert all(load <= 100 + capacity * (now + 1) / 60 for now, load in enumerate(seen))
    assert seen[-1] > 300


def test_a_young_node_is_filled_by_a_ramp_also_where_nobody_knows_how_much_it_can_carry():
    config, busy = BalanceConfig(ramp_s=60), Load(cpu=0.5, players=50)
    old, young = [node(number, load=busy, born=-1000.0) for number in range(1, 5)], node(9, born=0.0)
    members = [node(0, load=FULL, born=-1000.0), *old, young]
    tables = Tables(members[0].id, members, [lead(old[0]), *(replica(it, old[0]) for it in [*old[1:], young])])

    def share(now):
        """Of those whom the young node gets, at this age of it."""
        placed = [place(ASK, tables, config, seed=seed, now=now).node for seed in range(200)]
        return placed.count(young.id) / len(placed)

    assert share(3.0) < 0.15
    assert 0.35 < share(30.0) < 0.65
    assert share(61.0) == 1


@given(st.integers(0, 1 << 32))
def test_a_session_finds_the_same_node_whatever_the_loads_are(seed):
    dice = random.Random(seed)
    names = ["cpu", "mem", "loop_lag_ms"]

    def reported(number):
        return node(number, load=Load(**{name: dice.random() * 0.9 for name in names}, players=dice.randrange(200)))

    taken = []
    for _ in range(2):
        members = [reported(number) for number in range(8)]
        tables = Tables(members[0].id, members, [lead(members[0]), *(replica(it, members[0]) for it in members[1:])])
        taken.append([taker(place(request, tables), tables) for request in SESSIONS[:20]])
    assert taken[0] == taken[1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_both_algorithms_prefer_the_idle(algorithm):
    members = [node(0, load=FULL), *(node(number, load=Load(cpu=number / 10)) for number in range(1, 10))]
    tables = Tables(members[0].id, members, [lead(members[1]), *(replica(it, members[1]) for it in members[2:])])
    config = replace(CONFIG, algorithm=algorithm)
    cpus = [tables.members[place(ASK, tables, config, seed).node].load.cpu for seed in range(300)]
    assert max(cpus) == (0.3 if algorithm == "lowest" else 0.9)
    assert sum(cpus) / len(cpus) < 0.4


@pytest.mark.parametrize(
    ("name", "load"),
    [("cpuload", Load(cpu=0.5)), ("players", Load(players=500)), ("streams", Load(streams=500)),
     ("bandwidth", Load(tx_bps=500, capacity_bps=1000))],
)  # fmt: skip
def test_a_policy_looks_at_what_it_is_named_after_and_at_nothing_else(name, load):
    config = replace(CONFIG, policy=name)
    full_here = node(0, "fra", load=FULL)
    tables = Tables(full_here.id, [full_here, node(1, "fra", load=load), node(2, "ams")], [lead(node(1))])
    assert place(ASK, tables, config).node == node(2).id
    assert place(ASK, tables).node == node(1).id
