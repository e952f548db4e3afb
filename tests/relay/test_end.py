import pytest

from mesh.media.wire import decode, encode
from mesh.relay.end import AskEnd, ToldEnd

MESSAGES = [
    AskEnd("live/x", 7), AskEnd("live/x", 7, True), ToldEnd(7, 3, ((8, 1010), (9, 1000)), 80, 120),
    ToldEnd(7, 0, (), 0, 0),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_read_as_it_was_written(message: AskEnd | ToldEnd) -> None:
    assert decode(encode(message)) == message
