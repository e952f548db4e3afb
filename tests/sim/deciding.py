"""tools/sim decide: how long one decision takes, with as many nodes and streams in the tables as one likes."""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from random import Random
from statistics import median, quantiles

import click
from rich.console import Console
from rich.table import Table

from mesh.balance.policy import place
from mesh.balance.request import Action, Request
from mesh.balance.supply import suppliers
from mesh.gossip.member import Replica
from tests.sim.fleet import Fleet

Decision = Callable[[Fleet, str, Random], object]


def placing(request: Callable[[str, Random], Request]) -> Decision:
    """Of a client."""
    return lambda fleet, stream, random: place(
        request(stream, random), fleet.tables, fleet.config, fleet.hosts[fleet.tables.me].rooms, random, 0.0
    )


DECISIONS: dict[str, Decision] = {
    "a player": placing(lambda stream, random: Request(stream)),
    "one of another zone": placing(lambda stream, random: Request(stream, zone="z1")),
    "one of a session": placing(lambda stream, random: Request(stream, sid=str(random.random()))),
    "one of RTMP": placing(lambda stream, random: Request(stream, proto="rtmp")),
    "a publisher": placing(lambda stream, random: Request(f"{stream}/new", Action.PUBLISH)),
    "a node that fetches": lambda fleet, stream, random: suppliers(stream, fleet.tables, (), fleet.config),
    "explained": placing(lambda stream, random: Request(stream, explain=True)),
}
WHERE_ALL_ARE_FULL = ("a player, and all are full", "and all just reported")
REPORTS = 2
"""That come between two decisions: a node reports each second, and 500 players ask."""


@click.command()
@click.option("-n", "--hosts", default=1000, show_default=True, help="Nodes in the tables.")
@click.option("--zones", default=20, show_default=True, help="Zones they are in.")
@click.option("--streams", default=10_000, show_default=True, help="Streams, asked for as Zipf says.")
@click.option("--runs", default=2000, show_default=True, help="Decisions of each kind.")
def decide(hosts: int, zones: int, streams: int, runs: int) -> None:
    """How long one decision takes: milliseconds of CPU, and of the clock on a machine that others use too."""
    random = Random(1)
    fleet = crowded(hosts, zones, streams, random)
    names, weights = [*fleet.leaders], [*accumulate(1 / (rank + 1) for rank in range(streams))]
    table = Table("who asks", title=f"ms to decide, {hosts:,} nodes in {zones} zones, {streams:,} streams")
    for heading in ("CPU: median", "p99", "clock: median", "p99"):
        table.add_column(heading, justify="right")

    def row(who: str, decision: Decision, reports: int = REPORTS) -> None:
        def news() -> None:
            for member in random.sample(members, reports):
                fleet.tables.set_member(replace(member, load=replace(member.load)))

        members = [*fleet.tables.members.values()]
        wanted = random.choices(names, cum_weights=weights, k=runs)
        table.add_row(who, *timed(lambda stream: decision(fleet, stream, random), wanted, news))

    for who, decision in DECISIONS.items():
        row(who, decision)
    for member in [*fleet.tables.members.values()]:
        fleet.tables.set_member(replace(member, load=replace(member.load, tx_bps=member.load.capacity_bps)))
    for who, reports in zip(WHERE_ALL_ARE_FULL, (REPORTS, hosts), strict=True):
        row(who, DECISIONS["a player"], reports)
    Console().print(table)


def crowded(hosts: int, zones: int, streams: int, random: Random) -> Fleet:
    """A fleet of which about half is in use, where the popular streams are on many hosts."""
    fleet = Fleet(hosts, zones, streams, 300.0 * hosts, random)
    for host in fleet.hosts.values():
        load = host.member.load
        used = replace(load, cpu=random.random() * 0.7, tx_bps=int(load.capacity_bps * random.uniform(0.2, 0.7)))
        fleet.tables.set_member(replace(host.member, load=used))
    asked = fleet.tables.members[next(iter(fleet.hosts))]
    fleet.tables.me = asked.id
    fleet.tables.set_member(replace(asked, links=dict(asked.links)))
    for number, (stream, leader) in enumerate(fleet.leaders.items()):
        for host in random.sample([*fleet.hosts], min(2 * hosts // (number + 1), hosts)):
            if host != leader:
                fleet.tables.set_entry(Replica(host, stream, 1, leader, (leader,)))
    return fleet


def timed(decide: Callable[[str], object], streams: list[str], news: Callable[[], None]) -> list[str]:
    """Median and 99th percentile, of CPU and of the clock; `news` comes before each decision."""
    cpu, clock = [], []
    for stream in streams:
        news()
        began, began_cpu = time.perf_counter(), time.thread_time()
        decide(stream)
        cpu.append(1000 * (time.thread_time() - began_cpu))
        clock.append(1000 * (time.perf_counter() - began))
    return [f"{figure:.2f}" for times in (cpu, clock) for figure in (median(times), quantiles(times, n=100)[-1])]
