"""The nodes of the mesh, as the API shows them."""

from mesh.control.reply import Node, Nodes, Urls
from mesh.control.url import node_url
from mesh.gossip.member import Link, Member
from mesh.gossip.tables import Tables


def nodes(tables: Tables, asked: str) -> Nodes:
    """Every node by its name; `asked` is the host by which the client found this one."""
    shown = {tables.display_name(member.id): member for member in tables.listed()}
    names = {member.id: name for name, member in shown.items()}
    ahead = {id: link.offset_ms for id, link in tables.members[tables.me].links.items()}

    def offset(link: Link, node: str, peer: str) -> Link:
        """What this node knows of both clocks tells how far they are apart."""
        return link._replace(offset_ms=round(ahead.get(peer, 0.0) - ahead.get(node, 0.0), 1))

    def node(name: str, member: Member) -> Node:
        return Node(
            id=member.id,
            name=name,
            zone=member.zone,
            status=str(member.status),
            incarnation=member.card.incarnation,
            urls=Urls(node_url(member, "rtmp", tables, asked), node_url(member, "http", tables, asked)),
            load=member.load,
            links={
                names[peer]: offset(link, member.id, peer)
                for peer, link in sorted(member.links.items())
                if peer in names
            },
        )

    return Nodes(tuple(node(name, shown[name]) for name in sorted(shown)))
