import pytest

from mesh.cli.output import short

CASES = [
    (0, "0"),
    (0.4, "0"),
    (950, "950"),
    (999.4, "999"),
    (999.6, "1.0k"),
    (2100, "2.1k"),
    (9949, "9.9k"),
    (9951, "10k"),
    (999_499, "999k"),
    (999_500, "1.0M"),
    (95_000_000, "95M"),
    (10**9, "1.0G"),
    (10**16, "10000T"),
]


@pytest.mark.parametrize(("number", "text"), CASES)
def test_a_number_is_short(number, text):
    assert short(number) == text


@pytest.mark.parametrize(
    "args", [("-o", "json", "nodes"), ("nodes", "-o", "json"), ("-o", "table", "nodes", "-o", "json")]
)
def test_json_is_the_body_of_the_api_as_it_is(run, args):
    assert run(*args).output.startswith('{"nodes":[{"id":"aaaa')


def test_the_url_stands_before_or_after_the_command_or_in_the_environment(run, api):
    expected = run("nodes").output
    assert expected.startswith("NODE")
    assert run("-u", api, "nodes").output == expected
    assert run("-u", "http://127.0.0.1:1", "nodes", "-u", f"{api}/").output == expected
    assert run("nodes", "--url", api.removeprefix("http://")).output == expected


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"nodes": 1}', '{"nodes": [{}]}', '{"nodes": ["x"]}'])
def test_what_is_no_node_says_so(run, served, body):
    url = served(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    result = run("-u", url, "nodes")
    assert (result.exit_code, result.output) == (1, f"Error: {url} does not answer like a Mediamesh node\n")
