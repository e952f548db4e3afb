"""What a node's own knowledge adds to place(); the rest of it is tried through `net.http` and `net.api`."""

from pathlib import Path

import pytest

from mesh.balance.policy import Action, Redirect, Request, Serve
from mesh.errors import NoRoom, StreamNotFound
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, HOST, Poster, gop, meshed

ZONES = {"balance.zones": '{"10.0.0.0/8" = "west", "10.1.0.0/16" = "east"}'}


@asynctest
async def test_the_zone_of_a_client_is_that_of_its_address(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", **ZONES) as (a,):
        balance = a.streams.balance
        assert [balance.zone_of(ip) for ip in ("10.0.0.1", "10.1.0.1", "::ffff:10.1.0.1", HOST, "")] == [
            *("west", "east", "east", "", "")
        ]


@asynctest
async def test_only_who_is_really_sent_on_or_away_is_counted(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        balance, wish = b.streams.balance, Request("live/x")
        assert isinstance(balance.place(wish), Redirect) and isinstance(a.streams.balance.place(wish), Serve)
        assert not balance.redirects
        assert isinstance(balance.send(wish), Redirect)
        assert balance.redirects == {("flv", "does not have the stream"): 1}
        with pytest.raises(StreamNotFound), balance.refusing("flv"):
            balance.send(Request("live/none"))
        b.gossip.drain(True)
        with pytest.raises(NoRoom), balance.refusing("rtmp"):
            balance.send(Request("live/y", Action.PUBLISH, "rtmp"))
        assert balance.refusals == {("flv", "not found"): 1, ("rtmp", "no room"): 1}


@asynctest
async def test_a_mesh_may_be_told_to_redirect_nobody(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", balance__redirect="false") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        assert b.streams.balance.send(Request("live/x")) is None
