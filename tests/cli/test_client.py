import socket

import pytest

from mesh.cli import client
from mesh.cli.client import ApiError, Client


def reply(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()


def test_the_body_is_handed_over_as_it_is(served):
    assert Client(served(reply('{"nodes": ["ö"] }'))).get("nodes") == '{"nodes": ["ö"] }'


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1 cannot be reached: connection refused"),
        ("127.0.0.1:1/", "http://127.0.0.1:1 cannot be reached: connection refused"),
        ("http://a b", "http://a b cannot be reached: url can't contain control characters"),
        ("gopher://127.0.0.1", "gopher://127.0.0.1 cannot be reached: unknown url type: gopher"),
        ("", "cannot be reached: no host given"),
    ],
)
def test_a_node_that_cannot_be_reached_is_named(url, words):
    with pytest.raises(ApiError) as caught:
        Client(url).get("nodes")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "remote end closed connection without response"),
        (b"220 smtp.example ESMTP\r\n", "220 smtp.example esmtp"),
        (reply("x").replace(b": 1", b": 9"), "incompleteread"),
        (reply("x").replace(b"x", b"\xff"), "can't decode byte 0xff"),
    ],
)
def test_what_does_not_speak_http_is_an_error(served, answer, words):
    with pytest.raises(ApiError) as caught:
        Client(served(answer)).get("nodes")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply('{"error":"no node has live/x"}', "404 Not Found"), "no node has live/x"),
        (reply("<h1>", "502 Bad Gateway"), "/api/v1/nodes answers 502 Bad Gateway"),
        (reply("[]", "500 Oops"), "/api/v1/nodes answers 500 Oops"),
        (reply("{}", "500 Oops"), "/api/v1/nodes answers 500 Oops"),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_node(served, answer, words):
    with pytest.raises(ApiError) as caught:
        Client(served(answer)).get("nodes")
    assert caught.value.message.endswith(words)


def test_a_node_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ApiError, match=r"cannot be reached: timed out$"),
    ):
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}").get("nodes")
