"""Rivals: who stays of two nodes that lead one stream, after they could not hear each other.

Both sides judge by what the mesh is told, and by the same rule. Who has taken the stream from the other with his
knowledge has settled it. Otherwise only who still gets frames contests; of two who do, the older (the lower epoch, then
the higher id), who opens an epoch above both, after the end of the other; told so, that one writes no further.
"""

from enum import Enum

from mesh.gossip.member import Lead, LeadState


class Verdict(Enum):
    """What one of them does."""

    STAY = "stay"
    """The other yields, or contests."""
    YIELD = "yield"
    CONTEST = "contest"


def judge(mine: Lead, heard: bool, rival: Lead) -> Verdict:
    """What this node does about another that leads its stream too; `heard` is whether its own publisher sends."""
    above = (mine.epoch, mine.node) > (rival.epoch, rival.node)
    speaks = rival.state == LeadState.LIVE
    if above and mine.over == rival.node:
        return Verdict.STAY
    if not above and (rival.over == mine.node or (speaks and not heard)):
        return Verdict.YIELD
    older = (mine.epoch, rival.node) < (rival.epoch, mine.node)
    if heard and (older if speaks else not above):
        return Verdict.CONTEST
    return Verdict.STAY
