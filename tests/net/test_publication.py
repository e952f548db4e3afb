from mesh.gossip.member import Lead, LeadState
from mesh.media.frame import Kind
from mesh.net.publication import Publication
from mesh.stream.leader import Leader
from mesh.stream.log import Budget, StreamLog

AVC_HEADER = bytes.fromhex("1700000000") + b"\x01\x64\x00\x1f"
KEYFRAME = bytes.fromhex("1701000000") + bytes(12_495)
AAC_HEADER = bytes.fromhex("af001190")


def publication(now: float = 100.0) -> Publication:
    log = StreamLog("live/a", 10, 1 << 20, Budget(1 << 20))
    lead = Lead("n" * 32, "live/a", 1, LeadState.LIVE)
    return Publication(Leader(log, 1, lead.node), lead, now, lambda reason: None)


def test_the_mesh_is_told_what_the_stream_carries() -> None:
    published = publication()
    published.leader.write(Kind.VIDEO, 0, AVC_HEADER, 100.0)
    published.leader.write(Kind.AUDIO, 0, AAC_HEADER, 100.0)
    lead = published.beat(100.1, silence_s=5)
    assert (lead.video, lead.audio, lead.state) == ("h264", "aac 48000x2", LeadState.LIVE)


def test_the_bit_rate_is_measured_over_a_second_and_told_only_when_it_really_changes() -> None:
    published = publication()
    for timestamp in range(10):
        published.leader.write(Kind.VIDEO, timestamp, KEYFRAME, 100.0)
    assert published.beat(100.5, 5).kbps == 0
    assert published.beat(101.0, 5).kbps == 1000
    for timestamp in range(10, 21):
        published.leader.write(Kind.VIDEO, timestamp, KEYFRAME, 100.0)
    assert published.beat(102.0, 5).kbps == 1000
    assert published.beat(103.0, 5).kbps == 0


def test_silence_makes_it_stalled_and_a_frame_live_again() -> None:
    published = publication()
    published.leader.write(Kind.VIDEO, 0, KEYFRAME, 100.0)
    assert published.beat(101, silence_s=5).state == LeadState.LIVE
    assert published.beat(106.5, silence_s=5).state == LeadState.STALLED
    assert published.heard_at == 101
    published.leader.write(Kind.VIDEO, 40, KEYFRAME, 100.0)
    assert published.beat(106.75, silence_s=5).state == LeadState.LIVE


def test_whoever_asks_for_its_end_again_and_again_stops_it_for_a_part_of_the_time(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("mesh.net.publication.monotonic", lambda: now[0])
    published, heads = publication(), []
    log = published.leader.log
    for tenth in range(100):
        now[0] = 100 + tenth / 10
        published.concede()
        published.write(Kind.VIDEO, 100 * tenth, KEYFRAME)
        heads.append(log.head % (1 << 32))
    begins = [tenth for tenth in range(1, 100) if heads[tenth] > heads[tenth - 1] + 1]
    assert [heads.index(heads[0]), *begins] == [0, 10, 60] and heads[-1] == 100
