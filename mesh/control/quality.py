"""How well streams travel, as the API shows it: each hop from a node to the next.

Who fetches from whom, and how good the way between them is, comes from the tables; how late a stream is there, and what
it skipped or lost, was asked of the nodes themselves.
"""

from collections.abc import Collection, Iterator

from mesh.control.reply import Hop, Quality
from mesh.control.streams import Answers
from mesh.gossip.tables import Tables


def quality(tables: Tables, held: Answers, missing: Collection[str] = ()) -> Quality:
    """Every hop; `missing` are the ids of nodes that did not say what they hold."""
    return Quality(tuple(_hops(tables, held)), tuple(sorted(map(tables.display_name, missing))))


def _hops(tables: Tables, held: Answers) -> Iterator[Hop]:
    for stream in tables.streams():
        for replica in tables.replicas(stream):
            if replica.supplier:
                answer = held.get(replica.node, {}).get(stream)
                way = tables.members[replica.node].links.get(replica.supplier)
                yield Hop(
                    stream,
                    tables.display_name(replica.node),
                    tables.display_name(replica.supplier),
                    lag_ms=answer.lag_ms if answer else None,
                    skips=answer.skips if answer else None,
                    losses=answer.losses if answer else None,
                    rtt_ms=way.rtt_ms if way else None,
                    jitter_ms=way.jitter_ms if way else None,
                    loss=way.loss if way else None,
                )
