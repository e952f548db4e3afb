import socket

import pytest

from mesh.errors import ConfigError
from mesh.net.listen import listen, port_of


def test_port_0_takes_a_free_port() -> None:
    with listen("http.listen", "127.0.0.1:0") as listener:
        assert port_of(listener) > 0
        with socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5):
            pass


def test_a_taken_port_is_an_error_that_names_the_port_and_the_key() -> None:
    with listen("http.listen", "127.0.0.1:0") as first:
        port = port_of(first)
        with pytest.raises(ConfigError, match=rf"http.listen: cannot listen on port {port} .*in use"):
            listen("http.listen", f"127.0.0.1:{port}")


def test_a_port_that_nobody_configured_gives_way_to_the_next_free_one() -> None:
    first = listen("http.listen", "127.0.0.1:0")
    with first, listen("http.listen", f"127.0.0.1:{port_of(first)}", roam=True) as second:
        assert port_of(first) < port_of(second) <= port_of(first) + 19


def test_an_address_that_is_not_ours_is_an_error_at_once() -> None:
    with pytest.raises(ConfigError, match=r"rtmp\.listen: cannot listen on port 1935"):
        listen("rtmp.listen", "192.0.2.1:1935", roam=True)


def test_no_host_means_every_address() -> None:
    listener = listen("http.listen", ":0")
    with listener, socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5):
        pass


@pytest.mark.parametrize(("patience_s", "gone_ms"), [(10, 20_000), (60, 120_000)])
def test_a_client_whose_host_is_gone_is_given_up(patience_s: float, gone_ms: int) -> None:
    """Though not before a player would be who takes no byte."""
    listener = listen("rtmp.listen", "127.0.0.1:0", patience_s=patience_s)
    with listener, socket.create_connection(("127.0.0.1", port_of(listener)), timeout=5), listener.accept()[0] as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == gone_ms
