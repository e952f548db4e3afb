"""The streams of the mesh, as the API shows them: flat for all, as a relay tree for one.

Leaders and replicas come from the tables; heads and players were asked of the nodes themselves, and are as current as
their answers. A replica whose supplier is gone stands beside the leader's own, until it has found another.
"""

from collections.abc import Callable, Collection, Mapping

from mesh.control.message import Held
from mesh.control.reply import Branch, Replica, Stream, Streams
from mesh.gossip import member
from mesh.gossip.member import LeadState
from mesh.gossip.tables import Tables

Answers = Mapping[str, Mapping[str, Held]]
"""What nodes said they hold, by node and stream."""
Shape = Callable[[str, list[member.Replica], Tables, Answers], tuple[Replica, ...]]


def streams(tables: Tables, held: Answers, missing: Collection[str] = ()) -> Streams:
    """Every stream; `missing` are the ids of nodes that did not say what they hold."""
    listed = [_stream(key, tables, held, _flat) for key in tables.streams()]
    return Streams(tuple([found for found in listed if found]), _names(missing, tables))


def stream(key: str, tables: Tables, held: Answers, missing: Collection[str] = ()) -> Stream | None:
    """One stream with its relay tree; None if no node has it."""
    return _stream(key, tables, held, _tree, partial=_names(missing, tables))


def _stream(key: str, tables: Tables, held: Answers, shape: Shape, partial: tuple[str, ...] = ()) -> Stream | None:
    leader = tables.leader(key)
    replicas = [replica for replica in tables.replicas(key) if not leader or replica.node != leader.node]
    if not leader and not replicas:
        return None
    return Stream(
        stream=key,
        leader=tables.display_name(leader.node) if leader else None,
        epoch=leader.epoch if leader else max(replica.epoch for replica in replicas),
        head=_head(key, leader.node, held) if leader else None,
        standby=_names([lead.node for lead in tables.leads(key) if lead.state == LeadState.STANDBY], tables),
        replicas=shape(key, replicas, tables, held),
        players=sum(answer[key].players for answer in held.values() if key in answer),
        kbps=leader.kbps if leader else 0,
        video=leader.video if leader else "",
        audio=leader.audio if leader else "",
        state=str(leader.state if leader else LeadState.STALLED),
        partial=partial,
    )


def _flat(key: str, replicas: list[member.Replica], tables: Tables, held: Answers) -> tuple[Replica, ...]:
    return tuple(
        Replica(
            node=tables.display_name(replica.node),
            supplier=tables.display_name(replica.supplier) if replica.supplier else None,
            depth=len(replica.path),
            head=_head(key, replica.node, held),
        )
        for replica in replicas
    )


def _tree(key: str, replicas: list[member.Replica], tables: Tables, held: Answers) -> tuple[Branch, ...]:
    waiting = dict(zip([replica.node for replica in replicas], _flat(key, replicas, tables, held), strict=True))

    def grow(replica: member.Replica) -> Branch:
        flat = waiting.pop(replica.node)
        answer = held.get(replica.node, {}).get(key)
        fed = [other for other in replicas if other.supplier == replica.node]
        return Branch(
            flat.node,
            flat.supplier,
            flat.depth,
            flat.head,
            players=answer.players if answer else None,
            replicas=tuple([grow(other) for other in fed if other.node in waiting]),
            lag_ms=answer.lag_ms if answer else None,
            skips=answer.skips if answer else None,
            losses=answer.losses if answer else None,
        )

    roots = [replica for replica in replicas if replica.supplier not in waiting]
    # What no root leads to fetches in a ring, which the next path update breaks: shown all the same.
    return tuple([grow(replica) for replica in [*roots, *replicas] if replica.node in waiting])


def _head(key: str, node: str, held: Answers) -> int | None:
    answer = held.get(node, {}).get(key)
    return answer.head if answer else None


def _names(nodes: Collection[str], tables: Tables) -> tuple[str, ...]:
    return tuple(sorted(map(tables.display_name, nodes)))
