"""Messages of every kind."""

from mesh.gossip import message
from mesh.gossip.message import Age, Delta, Known, Pull, Snap, Sync
from tests.gossip.company import beat, card, hello, welcome

CASES = [
    beat(links=((bytes(16), 345, 10),)),
    hello(3),
    welcome(4),
    message.Bye(),
    message.Suspect(card(1).id),
    message.Dead(card(1).id),
    message.Refuse("another mesh", "10.0.0.1:7400"),
    message.You(7, card(1).boot, "10.0.0.1:7400", ("10.0.0.2:7400",)),
    Delta(3, 5, (("s/live/x", 4, b"value"), ("r/live/y", 5, None))),
    Pull(card(1).id, card(1).boot, 3),
    Snap(card(1).id, card(1).boot, 9, 0, 2, (("card", 1, b"value"),)),
    Sync(((card(1).id, card(1).boot, 2, 9),), last=False),
    Known(((card(1).id, card(1).boot, 2, 9),), (("10.0.0.1:7400", "[fd00::1]:7400"),)),
    message.Ping(1 << 31),
    message.Pong(0),
    message.AskAge(card(1).id, refused=True),
    Age(card(1).id, None, refused=False),
    Age(card(1).id, 1100, refused=False),
]
