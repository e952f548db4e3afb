"""Suspicion: telling a dead member from a slow one, a broken link and a fault of our own.

A peer that is silent for longer than its pulse allows is *doubted*. First we look at ourselves: was our own loop late,
or are most peers silent at once? Then we ping it and ask three others when they heard it last. Somebody hears it, and
we get no answer: it is unreachable from here, no more. Enough others do not: it is suspect, is told so, and has two
periods to object. A peer whose connection closed and that refuses a new one is doubted at once, and is dead when the
others see the same.

Nobody believes a verdict; it only makes the others look. Any sign of a peer's own clears every doubt.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from mesh.config import Address
from mesh.gossip.dialing import Dialing
from mesh.gossip.event import Knock
from mesh.gossip.member import Status
from mesh.gossip.message import Age, AskAge, Dead, Ping, Suspect
from mesh.gossip.overlay import PERIOD
from mesh.gossip.roster import Peer, Roster

ASKED = 3
"""Other peers that are asked for what they heard."""
VERIFY_S = 0.4
"""For which a ping and the others have time to answer."""
KNOCK_S = 0.1
"""The same where a refused connection is to be confirmed, which they find out in milliseconds."""
ANSWER_S = 0.1
"""For which a peer that another hears still has time to answer our ping, which was sent when the other was asked."""
KNOCKS = 4
RETRY_S = 1.0
"""Between two looks at an unreachable peer."""
FRESH_PERIODS = 1.9
"""A peer that somebody heard no longer ago than this is not dead."""
WINDOW_PERIODS = 2.0
"""For which a suspect may object."""
BEATLESS = 2.0
"""Patiences without a beat after which a peer that gives other signs must be heard by another way."""
ISOLATED_FROM = 4
"""Peers of whom more than half must be silent at once for the fault to be ours."""
ISOLATED_PATIENCE = 3.0
SOONEST_S = 0.02
"""Between two looks at everyone."""
LATE_S = 0.15
"""By which our own loop may be late before we distrust ourselves."""
GRACE_S = 2 * PERIOD + 0.2
"""For which we then accuse nobody."""


class Step(Enum):
    VERIFYING = auto()
    UNREACHABLE = auto()
    SUSPECT = auto()


@dataclass(slots=True)
class Doubt:
    """What speaks against one peer."""

    since: float
    until: float
    """When this step ends."""
    step: Step = Step.VERIFYING
    refused: bool = False
    """It closed our connection and refuses another."""
    tries: int = 0
    fresh: bool = False
    """Somebody else hears it."""
    stale: set[str] = field(default_factory=set)
    """Who else has not heard it lately."""
    refusers: set[str] = field(default_factory=set)
    """Whom else it refuses."""


class Suspicion:
    """What we hold against our peers, and what we do about it."""

    def __init__(self, roster: Roster, dialing: Dialing, now: float) -> None:
        self.due = now
        self._roster = roster
        self._dialing = dialing
        self._doubts: dict[str, Doubt] = {}
        self._grace = float("-inf")
        self._isolated = False

    def doubts(self, id: str) -> bool:
        """Whether there is anything against this peer."""
        return id in self._doubts

    def excuses(self, now: float) -> bool:
        """Whether we were late ourselves just now, so that others seem less regular than they are."""
        return now < self._grace

    def heard(self, peer: Peer, now: float) -> None:
        """A sign of a peer's own: whatever was held against it is void.

        Of one that has ended, by all that was seen, only a beat counts that was sent since then.
        """
        if peer.refuses and not peer.living and peer.pulse.sent <= peer.gone:
            return
        peer.pulse.heard = now
        peer.refuses = False
        self.due = min(self.due, now + peer.pulse.patience)
        if peer.id in self._doubts:
            del self._doubts[peer.id]
        if peer.member.status not in (peer.says, Status.LEFT):
            self._roster.set_status(peer, peer.says, now)

    def late(self, now: float) -> None:
        """Our own loop was late: what seems silent may be waiting to be read."""
        self._grace = now + GRACE_S

    def disconnected(self, peer: Peer, now: float) -> None:
        """A connection to a peer has closed, or another says so: see whether it refuses a new one."""
        if peer.living and peer.route and now >= peer.knock_at:
            peer.knock_at = now + KNOCK_S
            self._roster.outbox.tell(Knock(peer.id, peer.route))

    def refused(self, peer: Peer, now: float) -> None:
        """Nobody listens any more where a peer was."""
        if not peer.living:
            return
        peer.refuses = True
        doubt = self._doubts.get(peer.id)
        if doubt is None or doubt.step is not Step.SUSPECT:
            self._verify(peer, now, KNOCK_S)

    def ask_age(self, peer: Peer, question: AskAge, now: float) -> None:
        """Tell a peer when we last heard a third one."""
        subject = self._roster.peers.get(question.id)
        if subject is None or subject.member.status is Status.LEFT:
            return
        if question.refused and not subject.refuses:
            self.disconnected(subject, now)
        age = None if now < self._grace else self._age_ms(subject, now)
        self._roster.send(peer, Age(question.id, age, subject.refuses))

    def age(self, peer: Peer, answer: Age, now: float) -> None:
        """Take what a peer says of a third one that we doubt."""
        subject, doubt = self._roster.peers.get(answer.id), self._doubts.get(answer.id)
        if subject is None or doubt is None or answer.age_ms is None or answer.age_ms < 0:
            return
        if answer.refused:
            doubt.refusers.add(peer.id)
            doubt.stale.add(peer.id)
            self._judge_refusal(subject, doubt, now)
        elif answer.age_ms > 1000 * FRESH_PERIODS * subject.pulse.period:
            doubt.stale.add(peer.id)
        elif doubt.refused and answer.age_ms >= 1000 * (now - doubt.since):
            return
        elif doubt.step is Step.VERIFYING:
            doubt.fresh, doubt.until = True, min(doubt.until, now + ANSWER_S)
            self.due = min(self.due, doubt.until)
        else:
            self._unreachable(subject, doubt, now)

    def suspect(self, peer: Peer, accusation: Suspect | Dead, now: float) -> None:
        """A peer accuses a third one: object, or look for ourselves; what we have seen too, it confirms."""
        subject, doubt = self._roster.peers.get(accusation.id), self._doubts.get(accusation.id)
        if subject is None or not subject.living or now < self._grace:
            return
        age = self._age_ms(subject, now)
        if doubt and subject.refuses and isinstance(accusation, Dead):
            doubt.refusers.add(peer.id)
            self._judge_refusal(subject, doubt, now)
        elif age > 1000 * FRESH_PERIODS * subject.pulse.period:
            if doubt is None or doubt.step is Step.UNREACHABLE:
                self._verify(subject, now)
            if doubt := self._doubts.get(subject.id):
                doubt.stale.add(peer.id)  # who accuses it has not heard it either
        elif subject.refuses:
            return
        elif isinstance(accusation, Suspect):
            self._roster.send(peer, Age(accusation.id, age, False))
        else:
            self.disconnected(subject, now)  # who met it a moment ago has no connection yet that could close

    def tick(self, now: float) -> None:
        """Doubt those who are silent, judge those whose time is up."""
        if now < self.due:
            return
        living = self._roster.living()
        silent = [peer for peer in living if now - peer.pulse.heard > peer.pulse.patience]
        self._isolated = len(living) >= ISOLATED_FROM and 2 * len(silent) > len(living)
        if now >= self._grace:
            for peer in silent:
                if peer.id not in self._doubts and now >= self._patient_until(peer):
                    self._verify(peer, now)
            for peer in living:
                if peer.route and now - peer.pulse.beat_at > BEATLESS * peer.pulse.patience:
                    self._lose(peer, now)
        for id, doubt in [*self._doubts.items()]:
            if now >= doubt.until:
                self._judge(self._roster.peers[id], doubt, now)
        waits = [self._patient_until(peer) for peer in living if peer.id not in self._doubts]
        waits += [doubt.until for doubt in self._doubts.values()]
        self.due = max(min(waits, default=float("inf")), now + SOONEST_S)

    def forget(self, id: str) -> None:
        """A peer left or started anew: nothing is held against it."""
        self._doubts.pop(id, None)

    def _patient_until(self, peer: Peer) -> float:
        return peer.pulse.heard + peer.pulse.patience * (ISOLATED_PATIENCE if self._isolated else 1.0)

    def _age_ms(self, subject: Peer, now: float) -> int:
        return round(1000 * (now - subject.pulse.heard))

    def _verify(self, peer: Peer, now: float, wait: float = VERIFY_S) -> None:
        """Ping it, and ask others for it."""
        doubt = self._doubts.setdefault(peer.id, Doubt(now, now + wait))
        doubt.step, doubt.until, doubt.refused, doubt.fresh = Step.VERIFYING, now + wait, peer.refuses, False
        self.due = min(self.due, doubt.until)
        self._roster.send(peer, Ping(0))
        others = self._witnesses()
        for other in self._roster.random.sample(others, min(ASKED, len(others))):
            self._roster.send(other, AskAge(peer.id, peer.refuses))
        self._judge_refusal(peer, doubt, now)

    def _witnesses(self) -> list[Peer]:
        return [peer for peer in self._roster.living() if peer.id not in self._doubts]

    def _quorum(self, doubt: Doubt) -> int:
        """How many others must agree that it is dead."""
        quorum = min(2, len(self._witnesses()))
        return max(1, quorum) if self._isolated and not doubt.refused else quorum

    def _judge_refusal(self, peer: Peer, doubt: Doubt, now: float) -> None:
        if doubt.refused and now >= self._grace and len(doubt.refusers) >= self._quorum(doubt):
            self._dead(peer, now)

    def _judge(self, peer: Peer, doubt: Doubt, now: float) -> None:
        """Decide what follows the step that has ended."""
        doubt.tries += 1
        if now < self._grace:
            doubt.until = self._grace + VERIFY_S
        elif doubt.step is Step.SUSPECT:
            self._dead(peer, now)
        elif doubt.step is Step.UNREACHABLE:
            self._verify(peer, now)
        elif doubt.fresh:
            self._unreachable(peer, doubt, now)
        elif now - peer.pulse.heard <= peer.pulse.patience:
            self._knock_again(peer, doubt, now)
        elif now < self._patient_until(peer):
            doubt.until = self._patient_until(peer)
        elif len(doubt.stale) >= self._quorum(doubt):
            self._suspect(peer, doubt, now)
        elif doubt.tries > 1:
            self._unreachable(peer, doubt, now)
        else:
            self._verify(peer, now)

    def _knock_again(self, peer: Peer, doubt: Doubt, now: float) -> None:
        """Its silence is still normal; only the refusal speaks against it, and the others may need a moment."""
        if doubt.refused and doubt.tries < KNOCKS:
            self._verify(peer, now, KNOCK_S)
        else:
            del self._doubts[peer.id]

    def _unreachable(self, peer: Peer, doubt: Doubt, now: float) -> None:
        """Others hear it, or nobody answers us at all: go round it, and look again."""
        doubt.step, doubt.until = Step.UNREACHABLE, now + RETRY_S
        doubt.stale.clear()
        self._roster.set_status(peer, Status.UNREACHABLE, now)
        self._lose(peer, now)

    def _suspect(self, peer: Peer, doubt: Doubt, now: float) -> None:
        doubt.step, doubt.until = Step.SUSPECT, now + WINDOW_PERIODS * peer.pulse.period
        self._roster.set_status(peer, Status.SUSPECT, now)
        self._roster.send(peer, Suspect(peer.id))
        self._roster.outbox.publish(Suspect(peer.id))
        self._lose(peer, now)

    def _dead(self, peer: Peer, now: float) -> None:
        self._doubts.pop(peer.id, None)
        self._roster.set_status(peer, Status.DEAD, now)
        self._roster.outbox.publish(Dead(peer.id))
        self._lose(peer, now, wait=1.0)

    def _lose(self, peer: Peer, now: float, wait: float = 0.0) -> None:
        """It does not answer where it was: of its addresses, the next that does is the way to it."""
        self._dialing.add(addresses(peer), now, peer.id, wait=wait)
        peer.route = None


def addresses(peer: Peer) -> list[Address]:
    """Where a peer's control socket may be, best first."""
    hosts = [peer.member.address, *peer.member.card.addresses]
    own = [Address(host, peer.member.card.control) for host in hosts if host]
    return list(dict.fromkeys([peer.route, *own] if peer.route else own))
