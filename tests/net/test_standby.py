from mesh.gossip.member import Lead, LeadState
from mesh.media.frame import Kind
from mesh.net.publication import Publication
from mesh.net.standby import GONE_S, LOST_FRAMES, LOST_S, UNALIGNED_S, Standby
from mesh.stream.leader import Leader
from tests.stream.frames import AAC_HEADER, begun, roomy

SOUND = b"\xaf\x01sound"


def waiting(calls: list[int]) -> Standby:
    own, log = roomy("own"), begun(roomy())
    lead = Lead("n" * 32, "live/x", 0, LeadState.STANDBY)
    publication = Publication(Leader(own, 1, lead.node), lead, 100.0, lambda reason: None)
    return Standby(publication, own, log, lambda: calls.append(1))


def test_the_mesh_is_told_that_it_waits_and_what_it_carries() -> None:
    standby = waiting([])
    standby.publication.leader.write(Kind.AUDIO, 0, AAC_HEADER, 100.0)
    lead = standby.beat(100.1, silence_s=5)
    assert (lead.state, lead.epoch, lead.audio, lead.over) == (LeadState.STANDBY, 0, "aac 48000x2", "")
    assert standby.beat(110, silence_s=5).state == LeadState.STANDBY


def test_each_of_its_frames_is_counted_and_told() -> None:
    calls: list[int] = []
    standby = waiting(calls)
    for n in range(3):
        standby.publication.leader.write(Kind.AUDIO, 21 * n, SOUND, 100.0)
    assert standby.ahead == len(calls) == 3


def test_the_stream_seems_lost_when_it_is_silent_and_the_standby_is_not() -> None:
    standby = waiting([])
    assert standby.misses(UNALIGNED_S, led=False) and not standby.misses(LOST_S, led=False)
    for n in range(LOST_FRAMES):
        assert not standby.misses(UNALIGNED_S, led=True)
        standby.publication.leader.write(Kind.AUDIO, 21 * n, SOUND, 100.0)
    assert standby.misses(UNALIGNED_S, led=True) and not standby.misses(LOST_S, led=True)


def test_one_that_is_aligned_waits_less_and_so_goes_before_one_that_is_not() -> None:
    own, log = roomy("own"), roomy()
    stream, lead = Leader(log, 1, "n1"), Lead("n" * 32, "live/x", 0, LeadState.STANDBY)
    standby = Standby(Publication(Leader(own, 1, lead.node), lead, 0.0, lambda reason: None), own, log, lambda: None)
    for n in range(200):
        for leader in (stream, standby.publication.leader):
            leader.write(Kind.AUDIO, 21 * n, SOUND + b"%d" % n, n / 50)
        if n % 10 == 0:
            standby.beat(n / 50, silence_s=5)
    assert standby.beat(4.1, silence_s=5).over == "n1"
    assert standby.alignment.shift == 0 and standby.misses(LOST_S, led=True)
    assert standby.misses(GONE_S, led=False) and not standby.misses(GONE_S, led=True)
