import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.member import Lead, LeadState
from mesh.net.rivals import Verdict, judge

LIVE, STALLED = LeadState.LIVE, LeadState.STALLED


def lead(node: str, epoch: int, state: LeadState = LIVE, over: str = "") -> Lead:
    return Lead(node, "live/x", epoch, state, over=over)


CASES = {
    # what a and b tell the mesh, and what each of them does
    "a was there first": (lead("a", 1), lead("b", 2), "contest", "stay"),
    "both began at once: the higher id": (lead("a", 1), lead("b", 1), "stay", "contest"),
    "b has taken over with a's knowledge": (lead("a", 1), lead("b", 2, over="a"), "yield", "stay"),
    "a has taken it back": (lead("a", 3, over="b"), lead("b", 2), "stay", "yield"),
    "a is silent": (lead("a", 1, STALLED), lead("b", 2), "yield", "stay"),
    "b is silent": (lead("a", 1), lead("b", 2, STALLED), "contest", "stay"),
    "b is silent, and below": (lead("a", 3), lead("b", 2, STALLED), "stay", "yield"),
    "nobody has a publisher who sends": (lead("a", 1, STALLED), lead("b", 2, STALLED), "stay", "stay"),
}


@pytest.mark.parametrize("name", CASES)
def test_of_two_leaders_one_yields_or_contests(name: str) -> None:
    a, b, of_a, of_b = CASES[name]
    assert (judge(a, a.state == LIVE, b).value, judge(b, b.state == LIVE, a).value) == (of_a, of_b)


LEADS = st.builds(lead, st.sampled_from("ab"), st.integers(1, 3), st.sampled_from([LIVE, STALLED]))


@given(LEADS, LEADS, st.booleans())
def test_whoever_they_are_one_remains_and_only_one_contests(one: Lead, other: Lead, settled: bool) -> None:
    if one.node == other.node:
        return
    if settled:
        higher, lower = sorted([one, other], key=lambda lead: (lead.epoch, lead.node), reverse=True)
        one, other = lead(higher.node, higher.epoch, higher.state, lower.node), lower
    verdicts = {judge(mine, mine.state == LIVE, rival) for mine, rival in ((one, other), (other, one))}
    if LIVE in (one.state, other.state) or settled:
        assert verdicts in ({Verdict.CONTEST, Verdict.STAY}, {Verdict.YIELD, Verdict.STAY})
