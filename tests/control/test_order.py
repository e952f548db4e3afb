import pytest

from mesh.control.order import Obeyed, Order, Verb
from mesh.media.wire import decode, encode

MESSAGES = [*(Order(7, verb, "live/x") for verb in Verb), Obeyed(7, 404, "no publisher of live/x waits here")]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_it_was_written(message: Order | Obeyed) -> None:
    assert decode(encode(message)) == message
