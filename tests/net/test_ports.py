from contextlib import ExitStack

import pytest

from mesh import config
from mesh.errors import ConfigError
from mesh.net.listen import listen, port_of
from mesh.net.ports import free_ports


def ports(*overrides: str) -> tuple[int, int, int]:
    return free_ports(config.load(None, overrides, {})[0])


def three_in_a_row() -> int:
    """The first of three ports that are free."""
    while True:
        with listen("here", "127.0.0.1:0") as socket:
            port = port_of(socket)
        try:
            ports(f"mesh.listen=127.0.0.1:{port}")
        except ConfigError:
            continue
        return port


def test_port_0_is_any_three():
    assert len({0, *ports("mesh.listen=127.0.0.1:0")}) == 4


def test_a_port_is_followed_by_the_next_two():
    port = three_in_a_row()
    assert ports(f"mesh.listen=127.0.0.1:{port}") == (port, port + 1, port + 2)


@pytest.mark.parametrize("number", range(3))
def test_a_configured_port_that_is_taken_is_an_error(number):
    port = three_in_a_row()
    with (
        listen("here", f"127.0.0.1:{port + number}"),
        pytest.raises(ConfigError, match=rf"mesh\.listen: cannot listen on port {port + number} "),
    ):
        ports(f"mesh.listen=127.0.0.1:{port}")


def test_a_node_that_nobody_configured_takes_the_next_free_ones():
    control, gossip, media = ports()
    assert (gossip, media) == (control + 1, control + 2)
    with ExitStack() as stack:
        stack.enter_context(listen("here", f":{media}"))
        moved, *_ = ports()
    assert moved > control and (moved - control) % 3 == 0
