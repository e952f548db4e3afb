import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mesh.control.message import ROWS, Ask, Held, HeldAnswer
from mesh.gossip.member import Card, Member, Status
from mesh.gossip.tables import Tables
from mesh.net.survey import Survey
from tests.net.asynctest import asynctest, until
from tests.net.nodes import PATIENCE_S, meshed


class Office:
    """Where the gossips of three nodes hand each other their letters, later and in turn."""

    def __init__(self, *statuses: Status) -> None:
        cards = [Card(id, id, "", "0" * 16, 1, (), 0, 0, 0, 0, 0, 1) for id in "abc"]
        self.members = [Member(card, status) for card, status in zip(cards, statuses, strict=True)]
        self.desks: dict[str, Desk] = {}
        self.letters: list[tuple[str, str, Any]] = []

    def survey(self, id: str, *held: Held) -> Survey:
        desk = self.desks[id] = Desk(self, id)
        return Survey(desk, lambda key: [row for row in held if key in ("", row.stream)], random.Random(1))  # type: ignore[arg-type]


class Desk:
    """A gossip, as far as a survey needs one."""

    def __init__(self, office: Office, id: str) -> None:
        self.id = id
        self.tables = Tables(id, office.members)
        self._office = office
        self._callbacks: dict[type, Callable[[str, Any], None]] = {}

    def on(self, kind: type, callback: Callable[[str, Any], None]) -> None:
        self._callbacks[kind] = callback

    def send(self, peer: str, message: Any) -> bool:
        self._office.letters.append((self.id, peer, message))
        if desk := self._office.desks.get(peer):
            asyncio.get_running_loop().call_soon(desk._callbacks[type(message)], self.id, message)
        return True


@asynctest
async def test_everyone_is_asked_and_answers_for_itself() -> None:
    office = Office(Status.ALIVE, Status.DRAINING, Status.SUSPECT)
    survey = office.survey("a", Held("live/x", 3, 1))
    office.survey("b", Held("live/x", 2, 5), Held("live/y", 9, 0))
    office.survey("c")
    for key, rows in (("", 2), ("live/x", 1), ("live/z", 0)):
        gathering = await survey.held(key)
        assert not gathering.missing and set(gathering.held) == {"a", "b", "c"}
        assert len(gathering.held["b"]) == rows and gathering.held["c"] == {}
    assert (await survey.held("live/x")).held["b"]["live/x"] == Held("live/x", 2, 5)


@asynctest
async def test_an_answer_may_take_many_messages() -> None:
    office = Office(Status.ALIVE, Status.ALIVE, Status.DEAD)
    survey = office.survey("a")
    office.survey("b", *[Held(f"live/{n}", n, 0) for n in range(2 * ROWS + 1)])
    gathering = await survey.held()
    assert not gathering.missing and len(gathering.held["b"]) == 2 * ROWS + 1
    assert [type(letter[2]) for letter in office.letters] == [Ask, HeldAnswer, HeldAnswer, HeldAnswer]


@asynctest
async def test_who_is_gone_is_not_asked_and_nobody_waits_where_nobody_is_asked() -> None:
    office = Office(Status.ALIVE, Status.DEAD, Status.UNREACHABLE)
    began = asyncio.get_running_loop().time()
    gathering = await office.survey("a", Held("live/x", 3, 1)).held()
    assert asyncio.get_running_loop().time() - began < 0.1
    assert gathering.held == {"a": {"live/x": Held("live/x", 3, 1)}} and not office.letters
    assert gathering.missing == {"c"}, "who may still be there, for others"


@pytest.mark.parametrize("more", [True, False])
@asynctest
async def test_who_does_not_say_all_in_time_is_missing(more: bool) -> None:
    office = Office(Status.ALIVE, Status.ALIVE, Status.ALIVE)
    survey = office.survey("a")
    office.survey("b")
    with mock.patch("mesh.net.survey.TIMEOUT_S", 0.05):
        asking = asyncio.create_task(survey.held())
        await until(lambda: len(office.letters) == 3)
        nonce = office.letters[0][2].nonce
        answer = office.desks["a"]._callbacks[HeldAnswer]
        answer("c", HeldAnswer(nonce + 1, (Held("live/no", 1, 1),), False))
        if more:
            answer("c", HeldAnswer(nonce, (Held("live/x", 1, 1),), True))
        gathering = await asking
    assert gathering.missing == {"c"}
    assert gathering.held.get("c", {}) == ({"live/x": Held("live/x", 1, 1)} if more else {})
    answer("c", HeldAnswer(nonce, (), False))
    assert gathering.missing == {"c"}, "too late"


@asynctest
async def test_a_question_that_nobody_knows_is_not_answered() -> None:
    office = Office(Status.ALIVE, Status.ALIVE, Status.DEAD)
    office.survey("a")
    office.survey("b")
    office.desks["a"].send("b", Ask(1, "secrets", ""))
    await asyncio.sleep(0.01)
    assert len(office.letters) == 1


@asynctest
async def test_many_may_ask_at_once(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        surveys = [Survey(node.gossip, node._held, random.Random(1)) for node in mesh]
        with mock.patch("mesh.net.survey.TIMEOUT_S", PATIENCE_S):
            gatherings = await asyncio.gather(*[survey.held() for survey in surveys * 20])
        assert all(not gathering.missing and len(gathering.held) == 3 for gathering in gatherings)
        assert not any(survey._open for survey in surveys)
