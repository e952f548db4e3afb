import asyncio
from pathlib import Path

from mesh.gossip.member import Lead, LeadState
from mesh.media.frame import EPOCH_SHIFT, Kind
from mesh.net.ends import ANSWER_S, Inquiry
from mesh.net.publication import CONCEDE_S
from mesh.relay.end import AskEnd, ToldEnd
from mesh.stream.end import End
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Player, Poster, gop, meshed

END = End(3, {Kind.VIDEO: 1000}, 80, 200)


def test_what_was_told_grows_older() -> None:
    inquiry = Inquiry({"b", "c"})
    inquiry.take("b", END, 5.0)
    assert not inquiry.told.is_set() and inquiry.ends(5.25) == {"b": End(3, {Kind.VIDEO: 1000}, 80, 450)}
    inquiry.take("c", END, 5.1)
    assert inquiry.told.is_set()


def test_who_asks_nobody_need_not_wait() -> None:
    assert Inquiry(set()).told.is_set()


@asynctest
async def test_all_who_hold_a_stream_say_where_it_ends(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0), expect=True)
        await until(lambda: b.gossip.tables.leader("live/x"))
        player = await Player.begin(b, "/live/x.flv?redirect=0")
        await player.tags(8)
        await until(lambda: c.gossip.tables.replicas("live/x"))
        ends = await c.streams._claims.contest("live/x", "")
        assert set(ends) == {a.gossip.id, b.gossip.id}
        for end in ends.values():
            assert (end.epoch, end.last[Kind.VIDEO], end.cts) == (1, 160, 0) and 0 <= end.age_ms < 5000
        assert await c.streams._claims.contest("live/none", "") == {}


@asynctest
async def test_who_does_not_answer_is_not_waited_for_for_long_and_nonsense_is_ignored(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        a.gossip.lead(Lead(a.gossip.id, "live/x", 1, LeadState.LIVE))
        await until(lambda: b.gossip.tables.leader("live/x"))
        nonces: list[int] = []
        answers = [((8, -1),), ((9, 1 << 60),)]

        def answer(sender: str, question: AskEnd) -> None:
            nonces.append(question.nonce)
            for last in answers:
                a.gossip.send(sender, ToldEnd(question.nonce, 1, last, 0, 0))
            a.gossip.send(sender, ToldEnd(question.nonce + 1, 1, (), 0, 0))

        a.gossip.on(AskEnd, answer)
        began = asyncio.get_running_loop().time()
        assert await b.streams._claims.contest("live/x", "") == {}
        # The loop counts whole milliseconds: its timers may come one early.
        assert nonces and asyncio.get_running_loop().time() - began > ANSWER_S - 0.002


@asynctest
async def test_the_log_of_a_rival_who_was_asked_stays_where_it_said(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0), expect=True)
        await until(lambda: b.gossip.tables.leader("live/x"))
        stream = a.streams.get("live/x")
        assert stream and stream.publication
        paused = stream.publication.leader
        await until(lambda: paused.frames == len(HEADERS) + 5)
        ends = await b.streams._claims.contest("live/x", a.gossip.id)
        publisher.feed(*gop(5))
        await until(lambda: paused.frames == len(HEADERS) + 10)
        assert stream.end.last == ends[a.gossip.id].last
        await asyncio.sleep(CONCEDE_S)
        publisher.feed(*gop(10))
        await until(lambda: stream.end.last[Kind.VIDEO] == gop(10)[-1].timestamp)
        assert stream.log.head % (1 << EPOCH_SHIFT) == len(HEADERS) + 15
