from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.media import flv
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.stream.leader import Leader
from mesh.stream.log import START, Budget, StreamLog
from mesh.stream.rendition import FLV, MANY, TURN, WEBSOCKET_FLV, Format, Piece, Rendition
from tests.media.clip import AAC, H264, HEVC, OPUS, clip, packets, tags
from tests.stream.frames import AAC_HEADER, AVC_HEADER, METADATA, begun, extend, header, keyframe, picture, roomy, sound

FIRST = 1 << EPOCH_SHIFT
BINARY = 0x82


class Received(NamedTuple):
    """What a player made of its bytes."""

    promised: tuple[bool, bool]
    """Whether FLV's header says that there is audio, and video."""
    tags: list[flv.Tag]


def read_flv(data: bytes) -> Received:
    flags = data[4]
    return Received((bool(flags & 4), bool(flags & 1)), list(flv.Reader().feed(data)))


def websocket_messages(data: bytes) -> Iterator[bytes]:
    """RFC 6455, 5.2: final, binary, unmasked, and as short a length as will do."""
    at = 0
    while at < len(data):
        head, size = data[at], data[at + 1]
        wide = {126: 2, 127: 8}.get(size, 0)
        if wide:
            size = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
            assert size >= {2: 126, 8: 1 << 16}[wide]
        at += 2 + wide
        assert head == BINARY
        assert at + size <= len(data)
        yield data[at : at + size]
        at += size


def read_websocket(data: bytes) -> Received:
    messages = list(websocket_messages(data))
    for number, message in enumerate(messages[1:], 1):
        assert len(list(flv.Reader().feed(messages[0] + message))) == 1, f"message {number} is not one tag"
    return read_flv(b"".join(messages))


FORMATS: dict[str, tuple[Format, Callable[[bytes], Received]]] = {
    "flv": (FLV, read_flv),
    "websocket": (WEBSOCKET_FLV, read_websocket),
}
"""Each format, and how a player reads it."""

each_format = pytest.mark.parametrize(("form", "read"), FORMATS.values(), ids=list(FORMATS))


def tag(frame: Frame, stamp: int | None = None) -> flv.Tag:
    return flv.Tag(Kind(frame.kind), (frame.dts if stamp is None else stamp) % (1 << 32), frame.payload)


def read_all(rendition: Rendition, offset: int = START) -> tuple[bytes, int]:
    """What a player gets that starts now, and where it is then."""
    data = b""
    while piece := rendition.piece(offset):
        data += piece.data
        offset = piece.end
    return data, offset


@each_format
def test_a_player_gets_the_headers_then_every_frame_from_the_newest_keyframe(form, read):
    log = begun(roomy(), headers=(METADATA, AVC_HEADER, AAC_HEADER))
    headers = log.headers
    frames = extend(log, 2.5, size=3000)
    newest = max(place for place, frame in enumerate(frames) if frame.keyframe)
    data, offset = read_all(Rendition(log, form))
    start = frames[newest].dts
    stamps = [0, start, start]  # metadata at 0, or ffmpeg takes it for subtitles
    assert read(data).tags == [*map(tag, headers, stamps), *map(tag, frames[newest:])]
    assert offset == log.head


@each_format
@pytest.mark.parametrize("size", [0, 1, 110, 111, 112, 65520, 65521, 65522, TURN, 1 << 20])
def test_a_frame_of_any_size_is_read_back(form, read, size):
    log = begun(roomy(), headers=())
    frame = Frame(log.head, Kind.VIDEO, 0, 0, True, False, b"\x17" * size)
    log.append(frame)
    data, _ = read_all(Rendition(log, form))
    assert read(data).tags == [tag(frame)]


@each_format
@pytest.mark.parametrize("dts", [0, 0xFFFFFF, 1 << 24, (1 << 31) + 5, (1 << 32) - 1, 1 << 32, (1 << 40) + 7])
def test_times_beyond_32_bits_wrap_on_the_wire(form, read, dts):
    log = begun(roomy(), headers=(AVC_HEADER,))
    log.append(keyframe(log.head, dts))
    data, _ = read_all(Rendition(log, form))
    assert {tag.timestamp for tag in read(data).tags} == {dts % (1 << 32)}


PROMISES = {
    # headers, frames: whether audio, video are promised
    "both": ((AVC_HEADER, AAC_HEADER), (keyframe, sound), (True, True)),
    "only video": ((AVC_HEADER,), (keyframe,), (False, True)),
    "only audio": ((AAC_HEADER,), (sound,), (True, False)),
    "audio that has not come yet": ((AVC_HEADER, AAC_HEADER), (keyframe,), (True, True)),
    "audio without a header": ((AVC_HEADER,), (sound, keyframe), (True, True)),
    "metadata promises nothing": ((METADATA, AVC_HEADER), (keyframe,), (False, True)),
}


@each_format
@pytest.mark.parametrize("name", PROMISES)
def test_the_header_promises_what_the_stream_has(form, read, name):
    headers, frames, expected = PROMISES[name]
    log = begun(roomy(), headers=headers)
    for make in frames:
        log.append(make(log.head, 0))
    data, _ = read_all(Rendition(log, form))
    assert read(data).promised == expected


@each_format
def test_what_only_the_old_epoch_had_is_not_promised(form, read):
    log = begun(roomy())
    extend(log, 1)
    begun(log, 2, headers=(AVC_HEADER,))
    log.append(keyframe(log.head, 2000))
    data, _ = read_all(Rendition(log, form))
    assert read(data).promised == (False, True)
    assert [tag.kind for tag in read(data).tags] == [Kind.VIDEO, Kind.VIDEO]


def test_a_player_that_waits_gets_the_preamble_with_its_first_frame():
    log = begun(roomy())
    rendition = Rendition(log, FLV)
    assert rendition.piece(START) is None
    log.append(picture(log.head, 0))
    assert rendition.piece(START) is None
    log.append(keyframe(log.head, 40))
    assert rendition.piece(START).data.startswith(b"FLV\x01\x05")


def test_players_at_one_offset_share_the_same_bytes():
    log = begun(roomy())
    extend(log, 1)
    rendition = Rendition(log, FLV)
    piece = rendition.piece(START)
    assert rendition.piece(START) is piece
    assert rendition.piece(log.entry.offset) is rendition.piece(log.entry.offset) is not piece


def test_a_piece_is_made_once_for_all_who_read_it():
    made = []
    form = Format(lambda frame, time_ms: made.append(frame.offset) or [frame.payload])
    log = begun(roomy())
    frames = extend(log, 1)
    rendition = Rendition(log, form)
    for _ in range(100):
        assert rendition.piece(frames[0].offset).end == log.head
    assert made == [frame.offset for frame in frames]


def test_pieces_live_until_the_log_has_grown():
    log = begun(roomy())
    extend(log, 1)
    rendition = Rendition(log, FLV)
    head = log.head
    assert rendition.piece(head) is None
    old = rendition.piece(START)
    log.append(picture(log.head, 2000))
    assert rendition.piece(START) is not old
    assert rendition.piece(head).end == head + 1


def test_of_a_log_that_has_stalled_only_so_many_pieces_are_kept():
    log = begun(roomy())
    frames = extend(log, 4, gop=MANY)
    rendition = Rendition(log, FLV)
    pieces = {frame.offset: rendition.piece(frame.offset) for frame in frames}
    assert len(pieces) > 2 * MANY >= 2 * len(rendition._pieces)
    assert all(rendition.piece(offset) == piece for offset, piece in pieces.items())


def test_a_piece_ends_where_a_turn_does():
    log = begun(roomy())
    frames = extend(log, 4, gop=100, size=9000)
    rendition, offset, pieces = Rendition(log, FLV), frames[0].offset, []
    while piece := rendition.piece(offset):
        pieces.append(piece)
        offset = piece.end
    assert len(pieces) > 3
    for piece in pieces[:-1]:
        assert TURN <= len(piece.data) < TURN + 9000 + 20 * len(piece.ends) + 11
    assert sum(len(piece.ends) for piece in pieces) == len(frames)


def test_only_a_reader_that_lost_frames_has_skipped():
    log = begun(roomy(seconds=1))
    rendition = Rendition(log, FLV)
    early = log.head
    extend(log, 5)
    assert not rendition.piece(START).skipped
    assert not rendition.piece(log.tail).skipped
    assert rendition.piece(early).skipped


@each_format
def test_a_reader_that_skipped_gets_the_headers_but_no_second_preamble(form, read):
    log = begun(roomy(seconds=1))
    early = log.head
    extend(log, 5)
    rendition = Rendition(log, form)
    skipped, _ = read_all(rendition, early)
    started, _ = read_all(rendition)
    preamble = form.preamble(True, True)
    assert started == preamble + skipped
    assert [tag.payload for tag in read(started).tags[:2]] == [AVC_HEADER, AAC_HEADER]


# Cutting: a player's socket may take any number of bytes


def pieces(form: Format) -> Iterator[tuple[Piece, list[int]]]:
    """Pieces of all sorts, and the offsets of their frames."""
    log = begun(roomy())
    log.append(keyframe(log.head, 0, 200))
    log.append(sound(log.head, 5, 20))
    log.append(Frame(log.head, Kind.META, 10, 0, False, False, b""))
    log.append(picture(log.head + 3, 40, 130))
    rendition = Rendition(log, form)
    yield rendition.piece(START), [FIRST + 2, FIRST + 3, FIRST + 4, FIRST + 8]
    yield rendition.piece(FIRST + 3), [FIRST + 3, FIRST + 4, FIRST + 8]
    yield rendition.piece(FIRST + 5), [FIRST + 8]


@each_format
def test_a_piece_can_be_cut_at_every_byte(form, read):
    for piece, offsets in pieces(form):
        assert piece.ends[-1] == len(piece.data)
        assert piece.offsets == [offset + 1 for offset in offsets]
        assert piece.end == piece.offsets[-1]
        for sent in range(len(piece.data) + 1):
            rest, offset = piece.cut(sent)
            end = sent + len(rest)
            assert end in piece.ends
            assert not any(sent <= other < end for other in piece.ends)
            assert offset == piece.offsets[piece.ends.index(end)]
            assert bytes(rest) == piece.data[sent:end]


@each_format
def test_what_is_cut_goes_on_at_the_next_frame(form, read):
    log = begun(roomy())
    log.append(keyframe(log.head, 0, 200))
    log.append(sound(log.head, 5, 20))
    log.append(picture(log.head, 40, 130))
    rendition = Rendition(log, form)
    whole, _ = read_all(rendition)
    piece = rendition.piece(START)
    for sent in range(len(piece.data)):
        rest, offset = piece.cut(sent)
        after, _ = read_all(rendition, offset)
        assert bytes(piece.data[:sent]) + rest + after == whole


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("kpps"), st.integers(1, 3000)), min_size=1, max_size=40), st.data())
def test_however_a_player_reads_it_gets_frames_in_order_and_whole(steps, data):
    log = begun(StreamLog("live/a", 1, 40_000, Budget(1 << 30)))
    rendition = Rendition(log, FLV)
    offset, got, sent = START, b"", []
    for number, (form, size) in enumerate(steps):
        frame = {"k": keyframe, "p": picture, "s": sound}[form](log.head, 40 * number, size)
        log.append(frame)
        sent.append(tag(frame))
        if data.draw(st.booleans()):
            piece = rendition.piece(offset)
            if piece is None:
                continue
            taken = data.draw(st.integers(1, len(piece.data)))
            rest, offset = piece.cut(taken)
            got += piece.data[:taken] + rest
    media = [tag for tag in flv.Reader().feed(got) if tag.payload not in (AVC_HEADER, AAC_HEADER)]
    places = [sent.index(tag) for tag in media]
    assert places == sorted(set(places))


@pytest.mark.parametrize("coding", [(H264, AAC), (HEVC, OPUS)], ids=["h264-aac", "hevc-opus"])
def test_ffmpeg_plays_it_from_the_newest_keyframe_on(coding):
    log = roomy()
    leader = Leader(log, 1, "n1")
    published = clip(*coding)
    for message in tags(published):
        leader.write(*message, 0)
    data, _ = read_all(Rendition(log, FLV))
    played, whole = packets(data), packets(published)
    assert played[0].keyframe
    assert played == whole[len(whole) - len(played) :]
    assert 0 < len(played) < len(whole)


def test_headers_take_the_time_of_the_frame_they_serve():
    log = begun(roomy(), headers=())
    log.append(header(log.head, AVC_HEADER, 0))
    log.append(keyframe(log.head, 5000))
    data, _ = read_all(Rendition(log, FLV))
    assert [tag.timestamp for tag in read_flv(data).tags] == [5000, 5000]
