from dataclasses import replace

import pytest

from mesh.control.doctor import Examination, Own, Peer, Seed, Suspect, Unknown, diagnose
from mesh.control.reply import body

OPEN = dict.fromkeys(("control", "gossip", "media"), "open")
B = Peer("b", "alive", "10.0.0.2", 300, 0.4, 0.0, OPEN)
C = replace(B, node="c", address="10.0.0.3")
WELL = Examination(
    node="a",
    mesh="mesh",
    secret=True,
    mdns=True,
    advertise="",
    protocol=1,
    addresses=(
        Own("10.0.0.1:7400", "control", ("b", "c"), (), ()),
        Own("172.17.0.1:7400", "control", (), ("b",), ("c",)),
        Own("10.0.0.1:7401", "gossip", ("b", "c"), (), ()),
        Own("10.0.0.1:7402", "media", ("b", "c"), (), ()),
    ),
    seeds=(Seed("b.example", "10.0.0.2:7400", "open", "b"),),
    peers=(B, C),
    troubles=(),
)
ALONE = replace(WELL, addresses=(), seeds=(), peers=())
HUNG_UP = "hangs up on this node: most likely it has another secret, or none"
CASES = [
    (WELL, []),
    (ALONE, [Suspect("discovery", "a", "multicast DNS has found nobody: name a node, mesh.seeds=HOST")]),
    (
        replace(ALONE, mdns=False),
        [Suspect("discovery", "a", "it has no seeds, and mesh.mdns is off: name a node, mesh.seeds=HOST")],
    ),
    (replace(ALONE, seeds=(Seed("b.exmaple"),)), [Suspect("name", "b.exmaple", "this host cannot resolve it")]),
    (
        replace(ALONE, seeds=(Seed("b", "10.0.0.2:7400", "silent"),)),
        [
            Suspect(
                "firewall",
                "10.0.0.2:7400",
                "its control port does not answer: it is filtered, or there is no such host",
            )
        ],
    ),
    (
        replace(ALONE, seeds=(Seed("b", "10.0.0.2:7400", "refused"),)),
        [
            Suspect(
                "port",
                "10.0.0.2:7400",
                "nobody listens on its control port: is a node running there, with this port?",
            )
        ],
    ),
    (
        replace(WELL, seeds=(Seed("d", "10.0.0.4:7400", "open"),)),
        [
            Suspect(
                "seed",
                "10.0.0.4:7400",
                "takes connections but does not answer: is a node there that can reach this one at "
                "10.0.0.1:7400 or 172.17.0.1:7400?",
            )
        ],
    ),
    (
        replace(WELL, peers=(replace(B, status="unreachable"), C)),
        [
            Suspect(
                "advertise",
                "b at 10.0.0.2",
                "its ports are open, but it is not heard: is it who listens there?",
            )
        ],
    ),
    (
        replace(
            ALONE,
            seeds=(Seed("b", "10.0.0.2:7400", "open", "", HUNG_UP),),
            troubles=(Unknown("10.0.0.2:7400", "secret", HUNG_UP, 7),),
        ),
        [Suspect("secret", "10.0.0.2:7400", HUNG_UP)],
    ),
    (
        replace(WELL, peers=(replace(B, ports=OPEN | {"gossip": "silent", "media": "refused"}), C)),
        [
            Suspect(
                "firewall",
                "b at 10.0.0.2",
                "its gossip port does not answer: it is filtered, or there is no such host",
            ),
            Suspect(
                "port", "b at 10.0.0.2", "nobody listens on its media port: is a node running there, with this port?"
            ),
        ],
    ),
    (
        replace(WELL, addresses=(Own("10.0.0.1:7402", "media", ("b",), (), ("c",)),)),
        [Suspect("firewall", "a", "c gets no answer from its media port at any address")],
    ),
    (
        replace(WELL, advertise="lb.example", addresses=(Own("lb.example:7400", "control", (), (), ("b",)),)),
        [Suspect("advertise", "a", "b gets no answer from its control port at lb.example: is mesh.advertise right?")],
    ),
    (
        replace(WELL, advertise="lb.example", addresses=(Own("lb.example:7400", "control", (), ("b", "c"), ()),)),
        [
            Suspect("advertise", "a", f"{node} finds nobody on its control port: is mesh.advertise right?")
            for node in "bc"
        ],
    ),
    (
        replace(ALONE, peers=(replace(B, status="dead", age_ms=None, ports={}),)),
        [Suspect("discovery", "a", "multicast DNS has found nobody: name a node, mesh.seeds=HOST")],
    ),
]


@pytest.mark.parametrize(("found", "suspects"), CASES)
def test_the_suspect_is_named(found, suspects):
    assert diagnose(found) == tuple(suspects)


def test_an_examination_is_json():
    assert body(replace(WELL, suspects=diagnose(WELL))).startswith('{"node":"a","mesh":"mesh","secret":true')
