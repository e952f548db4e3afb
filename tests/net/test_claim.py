import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest

from mesh.errors import StreamTaken
from mesh.gossip.member import Card, Lead, LeadState, Member, Status
from mesh.gossip.tables import Tables
from mesh.media.frame import Kind
from mesh.net.claim import Claims, goes_before
from mesh.net.ends import Ends
from mesh.node import Node
from mesh.stream.end import End
from tests.net.asynctest import TIMEOUT_S, asynctest, until
from tests.net.nodes import meshed


async def attempt(node: Node, key: str) -> bool:
    """Whether a node got a stream; it keeps it for a moment."""
    try:
        async with node.streams._claims.claimed(key):
            node.gossip.lead(Lead(node.gossip.id, key, 1, LeadState.LIVE))
        await asyncio.sleep(0.2)
        return True
    except StreamTaken:
        return False


@asynctest
async def test_of_claims_at_the_same_moment_that_of_the_highest_node_wins(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        highest = max(mesh, key=lambda node: node.gossip.id)
        for turn in range(3):
            outcomes = await asyncio.gather(*[attempt(node, f"live/{turn}") for node in mesh])
            assert [node for node, won in zip(mesh, outcomes, strict=True) if won] == [highest]


@asynctest
async def test_whenever_claims_are_made_one_of_them_wins(tmp_path: Path) -> None:
    async def race(first: Node, second: Node, after_ms: int) -> None:
        async def follow() -> bool:
            await asyncio.sleep(after_ms / 1000)
            return await attempt(second, key)

        key = f"live/{first.config.node.name}-{after_ms}"
        outcomes = await asyncio.gather(attempt(first, key), follow())
        assert sum(outcomes) == 1, (key, outcomes)

    async with meshed(tmp_path, "a", "b") as (a, b):
        await asyncio.gather(*[race(*pair, after_ms) for after_ms in range(40) for pair in ((a, b), (b, a))])


@asynctest
async def test_a_claim_is_seen_by_all_while_it_is_held_and_by_nobody_after_it_failed(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        with pytest.raises(ZeroDivisionError):
            async with a.streams._claims.claimed("live/x"):
                await until(lambda: [lead.state for lead in b.gossip.tables.leads("live/x")] == [LeadState.CLAIM])
                assert b.gossip.tables.leader("live/x") is None
                raise ZeroDivisionError
        await until(lambda: not b.gossip.tables.leads("live/x"))
        assert await attempt(a, "live/x")


@asynctest
async def test_a_claimant_who_is_gone_before_it_is_settled_leaves_nothing(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        with mock.patch.multiple("mesh.net.claim", CLAIM_MIN_S=TIMEOUT_S, CLAIM_MAX_S=TIMEOUT_S):
            waiting = asyncio.create_task(attempt(a, "live/x"))
            await until(lambda: b.gossip.tables.leads("live/x"))
            waiting.cancel()
        await until(lambda: not b.gossip.tables.leads("live/x"))
        assert await attempt(b, "live/x")


@asynctest
async def test_a_stream_is_claimed_once_at_a_time_on_one_node(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        first, second = await asyncio.gather(attempt(a, "live/x"), attempt(a, "live/x"))
        assert (first, second) == (True, False)


class Alone:
    """A gossip that hears nothing new."""

    def __init__(self, tables: Tables) -> None:
        self.id = tables.me
        self.tables = tables
        self.rtt_s = lambda peer: 0.0
        self.lead = tables.set_entry
        self.on = self.send = lambda *_: False

    def unlead(self, stream: str) -> None:
        (own,) = [lead for lead in self.tables.leads(stream) if lead.node == self.id]
        self.tables.drop_entry(own)


AWAY = (Status.SUSPECT, Status.UNREACHABLE, Status.DEAD)
RIVALS = [
    (False, LeadState.LIVE, Status.ALIVE, False),
    (False, LeadState.LIVE, Status.DRAINING, False),
    (False, LeadState.STALLED, Status.ALIVE, True),
    (False, LeadState.CLAIM, Status.ALIVE, False),
    (False, LeadState.STANDBY, Status.ALIVE, False),
    (False, LeadState.HEIR, Status.ALIVE, False),
    (True, LeadState.LIVE, Status.ALIVE, False),
    (True, LeadState.CLAIM, Status.ALIVE, True),
    (True, LeadState.STANDBY, Status.ALIVE, True),
    (True, LeadState.HEIR, Status.ALIVE, False),
    *((heir, state, status, True) for heir in (False, True) for state in LeadState for status in AWAY),
]


async def holds_all(key: str, ends: Mapping[str, End]) -> None:
    """This node lacks nothing of what others have."""


def beside(status: Status, state: LeadState) -> Alone:
    """Node a, and what b says of a stream, who is so to a."""

    def member(id: str, status: Status) -> Member:
        return Member(Card(id, id, "", "0" * 16, 1, (), 0, 0, 0, 0, 0, 1), status)

    return Alone(Tables("a", [member("a", Status.ALIVE), member("b", status)], [Lead("b", "live/x", 3, state)]))


@pytest.mark.parametrize(("heir", "state", "status", "wins"), RIVALS)
@asynctest
async def test_a_claim_gives_way_to_who_is_heard_and_speaks_or_waits(
    heir: bool, state: LeadState, status: Status, wins: bool
) -> None:
    alone = beside(status, state)
    claims = Claims(alone, Ends(alone, lambda key: None, lambda key: None), holds_all)  # type: ignore[arg-type]
    won = False
    try:
        async with claims.claimed("live/x", heir):
            won = True
    except StreamTaken as error:
        assert str(error) == "live/x is being published to b"
    assert won == wins


def test_of_two_claims_alike_the_one_that_was_known_before_wins_or_else_the_higher_node() -> None:
    for state in (LeadState.CLAIM, LeadState.HEIR):
        low, high = (Lead(node, "live/x", 0, state) for node in "ab")
        assert goes_before(high, low, known=False) and not goes_before(low, high, known=False)
        assert goes_before(low, high, known=True)


class Holders:
    """Another who holds the stream, and had its last frame so long ago each time it is asked."""

    def __init__(self, *ages_ms: int, node: str = "c") -> None:
        self._ages_ms = iter(ages_ms)
        self._node = node

    async def ask(self, key: str) -> dict[str, End]:
        return {self._node: End(3, {Kind.VIDEO: 40}, 0, next(self._ages_ms))}


@pytest.mark.parametrize(("ages_ms", "wins"), [((20, 20), False), ((20, 320), True), ((400,), True)])
@asynctest
async def test_who_is_away_from_here_is_respected_as_long_as_the_stream_flows(ages_ms: tuple[int], wins: bool) -> None:
    claims = Claims(beside(Status.UNREACHABLE, LeadState.LIVE), Holders(*ages_ms), holds_all)  # type: ignore[arg-type]
    won = False
    with suppress(StreamTaken):
        async with claims.claimed("live/x"):
            won = True
    assert won == wins


@pytest.mark.parametrize(
    ("heir", "ages_ms", "wins"), [(False, (2100, 2200), True), (False, (2100, 60), False), (True, (60,), True)]
)
@asynctest
async def test_a_silent_publisher_who_speaks_again_meanwhile_is_respected_by_a_newcomer(
    heir: bool, ages_ms: tuple[int], wins: bool
) -> None:
    claims = Claims(beside(Status.ALIVE, LeadState.LIVE), Holders(*ages_ms, node="b"), holds_all)  # type: ignore[arg-type]
    won = False
    with suppress(StreamTaken):
        async with claims.claimed("live/x", heir, over="b"):
            won = True
    assert won == wins
