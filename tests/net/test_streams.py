import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mesh.balance.policy import Request
from mesh.errors import NoRoom, StreamError, StreamNotFound
from mesh.gossip.member import Lead, LeadState, Status
from mesh.media.flv import Tag
from mesh.net.publication import GHOST_S
from mesh.net.streams import SWEEP_S
from mesh.node import Node
from mesh.rtmp.event import PlayEnded
from mesh.stream.end import End
from tests.net.asynctest import asynctest, until
from tests.net.nodes import (
    HEADERS,
    Client,
    Player,
    Poster,
    RTMPClient,
    gop,
    http,
    keyframe,
    meshed,
    payloads,
    picture,
    sound,
    written,
)
from tests.net.test_replica import follow

ASKS = "Transfer-Encoding: chunked", "Expect: 100-continue"


def leads(observer: Node, key: str, node: Node) -> Callable[[], bool]:
    """Whether one node knows that another leads a stream."""

    def known() -> bool:
        lead = observer.gossip.tables.leader(key)
        return lead is not None and (lead.node, lead.state) == (node.gossip.id, LeadState.LIVE)

    return known


def row(node: Node, key: str = "live/x") -> tuple[str | None, list[str]]:
    """The leader and the replicas of a stream, as a node knows them."""
    tables = node.gossip.tables
    lead, replicas = tables.leader(key), [tables.display_name(replica.node) for replica in tables.replicas(key)]
    return (tables.display_name(lead.node) if lead else None), sorted(replicas)


def media(tags: list[Tag]) -> list[Tag]:
    """Without headers."""
    return [tag for tag in tags if tag.payload not in payloads(HEADERS)]


async def publish(node: Node, protocol: str, *tags: Tag, key: str = "live/x") -> Any:
    """A publisher who is heard."""
    if protocol == "rtmp":
        publisher: Any = await RTMPClient.publish(node, key, *tags)
    else:
        publisher = await Poster.begin(node, f"/{key}", *tags, expect=True)
    await written(node, key, len(tags))
    return publisher


@pytest.mark.parametrize("leave", ["close", "abort"])
@pytest.mark.parametrize("protocol", ["http", "rtmp"])
@asynctest
async def test_players_wait_for_a_publisher_who_has_gone_and_are_served_when_he_returns(
    tmp_path: Path, protocol: str, leave: str
) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await publish(a, protocol, *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        players = [await Player.begin(a, "/live/x.flv"), await Player.begin(b, "/live/x.flv?redirect=0")]
        listeners = [await RTMPClient.play(a, "live/x"), await RTMPClient.play(b, "live/x")]
        before = [(await player.tags(8))[-1] for player in players + listeners]
        getattr(publisher, leave)()
        await until(lambda: row(a) == row(b) == (None, ["a", "b"]))
        await publish(a, protocol, *HEADERS, *gop(0))
        await until(lambda: row(a) == row(b) == ("a", ["b"]))
        assert a.gossip.tables.leader("live/x").epoch == 2
        for player, last in zip(players + listeners, before, strict=True):
            tags = media(await player.tags(8))
            assert payloads(tags) == payloads(gop(0))
            assert 0 < tags[0].timestamp - last.timestamp < 1000


@pytest.mark.parametrize("fetched", [True, False])
@asynctest
async def test_players_are_served_when_the_publisher_returns_to_another_node(tmp_path: Path, fetched: bool) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await publish(a, "rtmp", *HEADERS, *gop(0), *gop(100), *gop(200))
        await until(lambda: row(b) == ("a", []))
        players = [await Player.begin(a, "/live/x.flv")]
        if fetched:
            players.append(await Player.begin(b, "/live/x.flv?redirect=0"))
        before = [(await player.tags(8))[-1] for player in players]
        await asyncio.sleep(0.5)
        publisher.close()
        await until(lambda: row(b)[0] is None)
        await publish(b, "rtmp", *HEADERS, *gop(0))
        await until(lambda: row(a)[0] == "b")
        for player, last in zip(players, before, strict=True):
            tags = media(await player.tags(8))
            assert payloads(tags) == payloads(gop(0))
            assert 0 < tags[0].timestamp - last.timestamp < 1000


@asynctest
async def test_the_time_without_a_publisher_stays_as_a_gap(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await publish(a, "rtmp", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        player = await Player.begin(b, "/live/x.flv?redirect=0")
        last = (await player.tags(8))[-1]
        await asyncio.sleep(0.3)
        publisher.close()
        await until(lambda: row(b)[0] is None)
        await asyncio.sleep(0.2)
        await publish(b, "rtmp", *HEADERS, *gop(0))
        first = media(await player.tags(8))[0]
        assert 500 <= first.timestamp - last.timestamp < 700


@asynctest
async def test_when_nobody_returns_every_player_is_told_that_the_stream_ended(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__hold_s="0.3") as mesh:
        publisher = await publish(mesh[0], "rtmp", *HEADERS, *gop(0))
        await until(lambda: all(row(node) == ("a", []) for node in mesh))
        players = [await Player.begin(node, "/live/x.flv?redirect=0") for node in mesh]
        listeners = [await RTMPClient.play(node, "live/x") for node in mesh]
        for player in players + listeners:
            assert len(await player.tags(8)) == 8
        publisher.close()
        await until(lambda: row(mesh[0]) == (None, ["a", "b", "c"]))
        for player in players:
            assert await player.rest() == b""
        for listener in listeners:
            await listener.expect(PlayEnded)
            assert await listener.event() is None
        await until(lambda: not any("live/x" in node.gossip.tables.streams() for node in mesh))
        assert not any(len(node.streams) or len(node.fanout) or list(node.catalog) for node in mesh)


@pytest.mark.parametrize("dies", ["kill", "stop"])
@asynctest
async def test_players_of_replicas_outlive_the_leader_and_a_publisher_who_goes_to_another_node(
    tmp_path: Path, dies: str
) -> None:
    async with meshed(tmp_path, "a", "b", "c", "d") as mesh:
        a, b, c, d = mesh
        publisher = await publish(d, "rtmp", *HEADERS, *gop(0), *gop(1000))
        await until(lambda: row(a) == row(b) == row(c) == ("d", []))
        players = [await Player.begin(node, "/live/x.flv?redirect=0") for node in (b, c)]
        lasts = [(await player.tags(8))[-1] for player in players]
        await getattr(mesh, dies)(d)
        publisher.close()
        await until(lambda: row(a) == row(b) == row(c) == (None, ["b", "c"]))
        await publish(a, "http", *HEADERS, *gop(0))
        for player, last in zip(players, lasts, strict=True):
            tags = media(await player.tags(8))
            assert payloads(tags) == payloads(gop(0))
            assert tags[0].timestamp > last.timestamp
        await until(lambda: row(b) == ("a", ["b", "c"]))


@mock.patch("mesh.net.replica.CATCH_UP_S", 3.0)
@asynctest
async def test_the_end_that_one_replica_lacks_is_not_lost_when_the_publisher_returns_to_it(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        a, b, c = mesh
        publisher = await publish(a, "http", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        players = [await follow(node, a) for node in (b, c)]
        for player in players:
            await player.tags(8)
        (link,) = [link for link in a.relay._supplier if link.peer == b.gossip.id]
        link.credit = 0
        publisher.feed(*gop(5))
        assert payloads(await players[1].tags(5)) == payloads(gop(5))
        await mesh.kill(a)
        await publish(b, "http", *HEADERS, *gop(50))
        await players[1].sees(*gop(50))
        assert payloads(await players[0].tags(13)) == payloads([*gop(5), *HEADERS, *gop(50)])


@pytest.mark.parametrize("dies", ["kill", "stop"])
@asynctest
async def test_players_of_replicas_are_told_when_nobody_takes_the_place_of_a_dead_leader(
    tmp_path: Path, dies: str
) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__hold_s="0.5") as mesh:
        a, b, c = mesh
        await publish(c, "rtmp", *HEADERS, *gop(0))
        await until(lambda: row(a) == row(b) == ("c", []))
        players = [await Player.begin(node, "/live/x.flv?redirect=0") for node in (a, b)]
        for player in players:
            await player.tags(8)
        await getattr(mesh, dies)(c)
        for player in players:
            assert await player.rest() == b""
        assert not len(a.streams) and not len(b.streams)


@asynctest
async def test_who_comes_while_a_stream_is_held_joins_at_its_last_entry(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__hold_s="2") as (a, b):
        publisher = await publish(a, "http", *HEADERS, *gop(0))
        publisher.close()
        await until(lambda: row(a) == row(b) == (None, ["a"]))
        for target in (a, "/live/x.flv"), (b, "/live/x.flv?redirect=0"):
            player = await Player.begin(*target)
            assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])


@asynctest
async def test_a_replica_lingers_and_goes_and_comes_again(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__linger_s="0.3") as (a, b):
        publisher = await publish(a, "http", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        for turn in range(2):
            player = await Player.begin(b, "/live/x.flv?redirect=0")
            await player.tags(8)
            await until(lambda: row(a) == ("a", ["b"]))
            player.close()
            await until(lambda: row(a) == ("a", []))
            assert not len(b.streams) and not list(b.catalog) and b.catalog.budget.used == 0
            publisher.feed(*gop(10 * (turn + 1)))


@pytest.mark.parametrize("other", [False, True])
@asynctest
async def test_nobody_is_refused_by_his_own_ghost(tmp_path: Path, other: bool) -> None:
    async with meshed(tmp_path, "a", "b", stream__silence_s="1") as (a, b):
        ghost = await publish(a, "rtmp", *HEADERS, *gop(0))
        node = b if other else a
        await until(leads(b, "live/x", a))
        early = await Client.ask(http(node), "POST /live/x", *ASKS)
        assert await early.status() == 409
        early.close()
        await until(lambda: b.gossip.tables.leader("live/x").state == LeadState.STALLED)
        player = await Player.begin(a, "/live/x.flv")
        publisher = await publish(node, "http", *HEADERS, *gop(50))
        await player.tags(8)
        await until(leads(b, "live/x", node))
        ghost.feed(*gop(1))
        await ghost.hung_up()
        publisher.feed(*gop(55))
        await player.sees(*gop(55))


@asynctest
async def test_a_publisher_who_moves_to_another_node_is_not_refused_until_the_stream_is_stalled(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__silence_s="60") as (a, b, c):
        ghost = await publish(a, "rtmp", *HEADERS, *gop(0))
        for node in (b, c):
            await until(leads(node, "live/x", a))
        player = await Player.begin(c, "/live/x.flv?redirect=0")
        await player.tags(8)
        early = await Client.ask(http(b), "POST /live/x", *ASKS)
        assert await early.status() == 409
        early.close()
        await asyncio.sleep(GHOST_S)
        assert b.gossip.tables.leader("live/x").state == LeadState.LIVE
        publisher = await publish(b, "http", *HEADERS, *gop(50))
        await until(leads(c, "live/x", b))
        await ghost.hung_up()
        publisher.feed(*gop(55))
        await player.sees(*gop(55))


@asynctest
async def test_a_ghost_yields_although_his_node_does_not_answer_twice(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__silence_s="60") as (a, b):
        ghost = await publish(a, "rtmp", *HEADERS, *gop(0))
        await until(leads(b, "live/x", a))
        await asyncio.sleep(GHOST_S)
        answers = [await b.streams._claims._ends.ask("live/x")]

        async def answer(key: str) -> Mapping[str, End]:
            return answers.pop() if answers else {}

        with mock.patch.object(b.streams._claims._ends, "ask", answer):
            await publish(b, "http", *HEADERS, *gop(50))
            await until(leads(a, "live/x", b))
        assert a.gossip.tables.leader("live/x").over == a.gossip.id
        await ghost.hung_up()


@asynctest
async def test_a_publisher_who_was_only_silent_goes_on(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__silence_s="0.2", stream__hold_s="0.3") as (a,):
        publisher = await publish(a, "rtmp", *HEADERS, *gop(0))
        player = await Player.begin(a, "/live/x.flv")
        await player.tags(8)
        await until(lambda: a.gossip.tables.leader("live/x").state == LeadState.STALLED)
        await asyncio.sleep(0.7)
        publisher.feed(*gop(5))
        assert payloads(await player.tags(5)) == payloads(gop(5))
        await until(leads(a, "live/x", a))


@asynctest
async def test_of_two_publishers_at_the_same_moment_exactly_one_stays(tmp_path: Path) -> None:
    async def contest(node: Node, key: str) -> bool:
        client = await Client.ask(http(node), f"POST /{key}", *ASKS)
        let_in = await client.status() == 100
        if not let_in:
            client.close()
        return let_in

    async with meshed(tmp_path, "a", "b") as mesh:
        for turn in range(10):
            outcomes = await asyncio.gather(*[contest(node, f"live/{turn}") for node in (*mesh, *mesh)])
            assert sum(outcomes) == 1, outcomes


class AtOnce:
    """Lets so many go on in one turn of the loop, so that none of them hears another before it has gone on itself."""

    def __init__(self, count: int) -> None:
        self._missing = count
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()

    def wait(self) -> "asyncio.Future[None]":
        self._missing -= 1
        if not self._missing:
            self._loop.call_soon(self._gone.set_result, None)
        return self._gone


@asynctest
async def test_of_two_who_hear_of_each_other_too_late_one_yields_and_all_players_see_the_other(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        low, high = sorted(mesh[:2], key=lambda node: node.gossip.id)
        for turn in range(5):
            key = f"live/{turn}"
            both = AtOnce(2)
            deaf = mock.patch.multiple(
                "mesh.net.claim.Claims", _give_way=mock.Mock(), _objections=lambda _, both=both: both.wait()
            )
            # Who hears the other's claim would ask it where the stream ends, wait for the answer, and find it begun.
            with deaf, mock.patch("mesh.net.ends.Ends.ask", return_value={}):
                loser, winner = await asyncio.gather(
                    *[Poster.begin(node, f"/{key}", *HEADERS, *gop(0), expect=True) for node in (low, high)]
                )
            await loser.hung_up()
            for node in mesh:
                await until(leads(node, key, high))
            winner.feed(*gop(20))
            for node in mesh:
                player = await Player.begin(node, f"/{key}.flv?redirect=0")
                await player.sees(*gop(20))


@asynctest
async def test_a_play_and_a_publish_of_one_key_at_one_moment_both_succeed(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        for turn in range(10):
            key = f"live/{turn}"
            poster, *players = await asyncio.gather(
                Poster.begin(a, f"/{key}", *HEADERS, *gop(0), expect=bool(turn % 2)),
                *[Player.begin(node, f"/{key}.flv?wait=3&redirect=0") for node in (a, b, a, b)],
            )
            for player in players:
                assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])
            poster.close()


@asynctest
async def test_a_supplier_that_has_lost_the_stream_is_not_found(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await publish(a, "http", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        with mock.patch.multiple(a.gossip, unlead=mock.DEFAULT, unreplicate=mock.DEFAULT):
            next(iter(a.streams)).drop("nobody is told")
        with pytest.raises(StreamNotFound, match="live/x has ended"):
            await b.streams.play(Request("live/x", redirect=False))
        assert not len(b.streams) and not list(b.catalog)


@asynctest
async def test_a_supplier_that_does_not_answer_is_not_waited_for_for_long(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__linger_s="0.2") as (a, b):
        await publish(a, "http", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        with mock.patch("mesh.net.streams.OPEN_S", 0.2), mock.patch.object(b.gossip, "send", lambda *_: False):
            with pytest.raises(NoRoom, match=r"live/x did not open within 0.2 s"):
                await b.streams.play(Request("live/x", redirect=False))
            await until(lambda: not len(b.streams))
        player = await Player.begin(b, "/live/x.flv?redirect=0")
        assert len(await player.tags(8)) == 8


@asynctest
async def test_a_stream_that_players_wait_for_is_not_let_go_however_short_it_may_linger(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__linger_s="0") as (a, b):
        await publish(a, "http", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        with mock.patch.object(b.gossip, "send", lambda *_: False):
            playing = asyncio.create_task(b.streams.play(Request("live/x", redirect=False)))
            await asyncio.sleep(3 * SWEEP_S)
        assert await playing is b.streams.get("live/x")


@asynctest
async def test_a_stream_without_a_keyframe_yet_begins_with_one(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await publish(a, "rtmp", *HEADERS)
        publisher.feed(picture(0), picture(1))
        await until(lambda: row(b) == ("a", []))
        players = [await Player.begin(a, "/live/x.flv"), await Player.begin(b, "/live/x.flv?redirect=0")]
        players += [await RTMPClient.play(a, "live/x"), await RTMPClient.play(b, "live/x")]
        publisher.feed(picture(2), *gop(3))
        for player in players:
            assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(3)])


@asynctest
async def test_sound_alone_begins_anywhere(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await publish(a, "rtmp", HEADERS[2], *map(sound, range(10)))
        await until(lambda: row(b) == ("a", []))
        for player in await Player.begin(a, "/live/x.flv"), await RTMPClient.play(b, "live/x"):
            assert payloads(await player.tags(2)) == payloads([HEADERS[2], sound(9)])
        publisher.feed(sound(10))
        assert payloads(await player.tags(1)) == payloads([sound(10)])
        await until(lambda: a.gossip.tables.leader("live/x").audio == "aac 48000x2")


@asynctest
async def test_a_player_who_is_behind_when_the_stream_is_dropped_gets_all_of_it_and_its_end(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__hold_s="0.1") as (a,):
        big = keyframe(0)._replace(payload=keyframe(0).payload + bytes(9 << 20))
        publisher = await publish(a, "rtmp", *HEADERS, big)
        player = await Player.begin(a, "/live/x.flv")
        publisher.close()
        await until(lambda: not len(a.streams))
        assert len(a.fanout) == 1
        tags = await player.tags(4)
        assert payloads(tags) == payloads([*HEADERS, big]) and await player.rest() == b""
        await until(lambda: not len(a.fanout))


@asynctest
async def test_a_node_that_may_tell_no_more_refuses_publishers_and_goes_on(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__silence_s="0.3", stream__hold_s="0.5") as (a, b):
        publisher = await publish(a, "http", *HEADERS, *gop(0))
        await until(lambda: row(b) == ("a", []))
        ledger = a.gossip._membership._roster.ledger
        with mock.patch.object(ledger, "put", side_effect=StreamError("it does not fit")):
            client = await Client.ask(http(a), "POST /live/y", "Transfer-Encoding: chunked", "Expect: 100-continue")
            assert await client.status() in (400, 503)
            client.close()
            player = await Player.begin(b, "/live/x.flv?redirect=0")
            await player.tags(8)
            await asyncio.sleep(0.6)
            publisher.feed(*gop(10))
            assert len(await player.tags(5)) == 5
            publisher.close()
            assert await player.rest() == b""
        again = await Client.ask(http(a), "POST /live/y", "Transfer-Encoding: chunked", "Expect: 100-continue")
        assert await again.status() == 100


@asynctest
async def test_a_publisher_who_vanishes_after_he_was_let_in_leaves_no_claim(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        for leave in ("close", "abort"):
            client = await Client.ask(http(a), f"POST /live/{leave}", *ASKS)
            assert await client.status() == 100
            getattr(client, leave)()
            await until(lambda leave=leave: not a.gossip.tables.leads(f"live/{leave}"))
            await until(lambda leave=leave: not b.gossip.tables.leads(f"live/{leave}"))


@pytest.mark.parametrize("leave", ["close", "abort"])
@asynctest
async def test_a_publisher_who_vanishes_while_he_claims_leaves_no_claim(tmp_path: Path, leave: str) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        with mock.patch.multiple("mesh.net.claim", CLAIM_MIN_S=1.0, CLAIM_MAX_S=1.0):
            for expect in ([], ["Expect: 100-continue"]):
                client = await Client.ask(http(a), "POST /live/x", "Transfer-Encoding: chunked", *expect)
                await until(lambda: b.gossip.tables.leads("live/x"))
                getattr(client, leave)()
                await until(lambda: not b.gossip.tables.leads("live/x"))
                assert not a.streams.get("live/x")


@asynctest
async def test_a_node_that_begins_to_stop_while_a_publisher_claims_lets_him_go(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as mesh:
        a, b = mesh
        with mock.patch.multiple("mesh.net.claim", CLAIM_MIN_S=1.0, CLAIM_MAX_S=1.0):
            client = await Client.ask(http(a), "POST /live/x", *ASKS)
            await until(lambda: b.gossip.tables.leads("live/x"))
            await mesh.stop(a)
        with suppress(asyncio.IncompleteReadError):
            assert await client.status() == 503
        assert not len(a.streams)
        await until(lambda: not b.gossip.tables.leads("live/x"))


@pytest.mark.parametrize("goes", ["linger", "hold"])
@asynctest
async def test_a_stream_that_is_published_again_in_the_last_moment_goes_on(tmp_path: Path, goes: str) -> None:
    settings = {"stream__linger_s": "0.4"} if goes == "linger" else {"stream__hold_s": "0.4"}
    async with meshed(tmp_path, "a", "b", **settings) as (a, b):
        publisher = await publish(a, "rtmp", *HEADERS, *gop(0), *gop(100))
        await until(leads(b, "live/x", a))
        player = await Player.begin(a, "/live/x.flv")
        brief = await Player.begin(b, "/live/x.flv?redirect=0")
        await brief.tags(8)
        last = (await player.tags(8))[-1]
        publisher.close()
        brief.close()
        await until(lambda: row(b) == (None, ["a", "b"]))
        await asyncio.sleep(0.2)
        with mock.patch.multiple("mesh.net.claim", CLAIM_MIN_S=0.4, CLAIM_MAX_S=0.4):
            await publish(b, "rtmp", *HEADERS, *gop(0))
        tags = media(await player.tags(8))
        assert payloads(tags) == payloads(gop(0)) and tags[0].timestamp > last.timestamp


@asynctest
async def test_a_stream_that_ended_is_not_kept_alive_by_players_who_come_again(tmp_path: Path) -> None:
    """Nodes let go of it one after the other, and each could fetch it anew from the next."""
    with mock.patch("mesh.net.streams.tick", asyncio.sleep):  # as nodes of several hosts, who do not sweep together
        async with meshed(tmp_path, "a", "b", "c", stream__hold_s="0.6") as (a, b, c):
            publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
            await until(lambda: b.gossip.tables.leader("live/x") and c.gossip.tables.leader("live/x"))

            async def watch(node: Node) -> float:
                while True:
                    client = await Client.ask(http(node), "GET /live/x.flv?redirect=0")
                    if await client.status() == 404:
                        return asyncio.get_running_loop().time()
                    await client.reader.read()

            watching = [asyncio.create_task(watch(node)) for node in (a, b, c) * 2]
            await until(lambda: all(node.streams.get("live/x") and len(node.fanout) == 2 for node in (a, b, c)))
            publisher.close()
            gone = asyncio.get_running_loop().time()
            refused = await asyncio.wait_for(asyncio.gather(*watching), 5)
            assert max(refused) < gone + 0.6 + 4 * SWEEP_S


@asynctest
async def test_a_stream_that_is_dropped_while_it_is_looked_after_is_not_fetched_any_more(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        player = await Player.begin(c, "/live/x.flv?redirect=0&wait=2")
        await player.tags(8)
        stream, tables, rival = c.streams.get("live/x"), c.gossip.tables, "f" * 32
        other = tables.members[b.gossip.id]
        tables.set_member(replace(other, card=replace(other.card, id=rival)))
        tables.set_entry(Lead(rival, "live/x", 1, LeadState.LIVE))  # began the same epoch, where a could not be heard
        stream.heard()
        tables.set_member(replace(tables.members[a.gossip.id], status=Status.SUSPECT))
        stream.tend(asyncio.get_running_loop().time())
        assert c.streams.get("live/x") is None and not c.relay._fetches


@asynctest
async def test_where_nobody_can_feed_one_more_a_player_is_asked_to_come_later(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        a.relay._supplier._feeder = lambda stream, follower: ""
        with pytest.raises(NoRoom, match="no node that has live/x can feed one more"):
            await b.streams.play(Request("live/x", redirect=False))
