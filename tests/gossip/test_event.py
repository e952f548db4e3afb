from mesh.config import Address
from mesh.gossip.event import Joined, Outbox
from mesh.gossip.message import Bye, Ping


def test_an_outbox_keeps_messages_and_events_in_order():
    outbox = Outbox()
    outbox.publish(Bye())
    outbox.send(Address("10.0.0.1", 7400), Ping(1))
    outbox.tell(Joined())
    assert outbox.messages == [(None, Bye()), (Address("10.0.0.1", 7400), Ping(1))]
    assert [*outbox.events] == [Joined()]
