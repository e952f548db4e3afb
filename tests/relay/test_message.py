import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import WireError
from mesh.media.frame import Kind
from mesh.media.wire import decode, encode
from mesh.relay.feed import Feed
from mesh.relay.message import (
    FRAME,
    AskHead,
    Close,
    Credit,
    Gone,
    Head,
    LinkMessage,
    Media,
    Moved,
    Open,
    Opened,
    Reason,
    Run,
    describe,
    unpack,
)
from tests.relay.sample import LEADER, STREAM, at, gops, header, log_of, video

LINK = 1 << 63
CASES: list[LinkMessage] = [
    Open(STREAM, LINK, None, 1 << 18),
    Open(STREAM, LINK, (3, LEADER, at(7, 3)), 0),
    Opened(STREAM, LINK, None, ()),
    Opened(STREAM, LINK, (1, LEADER, at(9)), (LEADER, "2" * 32)),
    Credit(STREAM, LINK, 1 << 40),
    Close(STREAM, LINK),
    Moved(STREAM, LINK, LEADER),
    Gone(STREAM, LINK, Reason.NO_STREAM),
    AskHead(STREAM, LINK),
    Head(STREAM, LINK, None, None),
    Head(STREAM, LINK, (1, LEADER, at(9)), 5),
    Media(STREAM, LINK, 0, 12),
]
FRAMES = [header(0), video(5, keyframe=True), video(6), video(8)]
RUN = Run(at(5), at(9), ((1, LEADER),), 1, describe(FRAMES))
MEDIA = Media(STREAM, LINK, at(5), 0)
PAYLOADS = [frame.payload for frame in FRAMES]


def media(**changes: Any) -> list[bytes]:
    """The parts of a media message whose run says something else."""
    return [encode(MEDIA), encode(replace(RUN, **changes)), *PAYLOADS]


HOSTILE = {
    "nothing": [],
    "no run": [encode(MEDIA)],
    "two runs": [encode(RUN), encode(RUN), *PAYLOADS],
    "data twice": [encode(MEDIA), encode(MEDIA), *PAYLOADS],
    "a payload too few": media()[:-1],
    "a payload too many": [*media(), b""],
    "no frames": [encode(MEDIA), encode(replace(RUN, headers=0, frames=b""))],
    "nothing but headers": media(headers=4),
    "fewer than no headers": media(headers=-1),
    "half a frame": media(frames=RUN.frames[:-1]),
    "a header that is none": media(headers=2),
    "an end before the last frame": media(end=at(8)),
    "a start after the first frame": media(start=at(6)),
    "an epoch without a leader": media(leaders=((2, LEADER),)),
    "frames out of order": media(frames=describe(FRAMES[:2] + FRAMES[:1:-1])),
    "the same frame twice": media(frames=describe(FRAMES[:3] + FRAMES[2:3])),
    "an unknown kind": media(frames=describe(frame._replace(kind=7) for frame in FRAMES)),
    "a time before time": media(frames=describe(frame._replace(dts=-1) for frame in FRAMES)),
}


@pytest.mark.parametrize("message", CASES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was_sent(message: LinkMessage) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", CASES, ids=lambda message: type(message).__name__)
def test_a_mutated_message_is_another_message_or_none(message: LinkMessage) -> None:
    chance = random.Random(1)
    for _ in range(200):
        data = bytearray(encode(message))
        data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(WireError):
            assert type(decode(bytes(data))).__name__


def test_media_arrives_as_it_was_sent() -> None:
    assert unpack(media()) == (MEDIA, RUN, FRAMES)


def test_a_feed_packs_what_a_follower_unpacks() -> None:
    log = log_of(*gops(25))
    assert log.entry
    pack = Feed(log, 3, 0).read(log.entry, 1 << 20)
    assert pack
    _, run, frames = unpack([encode(MEDIA), *pack.parts])
    assert frames == [header(0), *(video(n, n == 21) for n in range(21, 26))]
    assert (run.start, run.end, run.headers, run.leaders) == (at(21), at(26), 1, ((1, LEADER),))


@pytest.mark.parametrize("parts", HOSTILE.values(), ids=HOSTILE)
def test_parts_that_are_no_media_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(WireError):
        unpack(parts)


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_random_parts_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(WireError):
        unpack(parts)


@given(st.data())
def test_mutated_parts_are_refused_or_still_in_order(data: st.DataObject) -> None:
    parts = [bytearray(part) for part in media()]
    part = data.draw(st.sampled_from([0, 1]))
    place = data.draw(st.integers(0, len(parts[part]) - 1))
    parts[part][place] = data.draw(st.integers(0, 255))
    try:
        _, run, frames = unpack([bytes(part) for part in parts])
    except WireError:
        return
    assert [frame.payload for frame in frames] == PAYLOADS
    offsets = [frame.offset for frame in frames]
    assert offsets == sorted(set(offsets))
    assert all(run.start <= offset < run.end for offset in offsets[run.headers :])
    assert all(frame.kind in set(Kind) and frame.dts >= 0 for frame in frames)


def test_a_frame_costs_22_bytes_besides_its_payload() -> None:
    assert len(describe(FRAMES)) == 4 * FRAME.size == 88


@pytest.mark.parametrize(
    ("path", "endless"),
    [((), False), (("a", "b"), False), (("a", "me", "b"), True), (("a",) * 16, False), (("a",) * 17, True)],
)
def test_a_path_that_leads_through_me_or_too_far_has_no_end(path: tuple[str, ...], endless: bool) -> None:
    assert Opened(STREAM, LINK, None, path).endless("me") is endless
