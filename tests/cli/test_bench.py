import json

from mesh.bench.process import Cost
from mesh.bench.report import Report, Spread
from mesh.bench.wire import PLAY
from mesh.cli.bench import _plan, _shown


def test_a_url_of_no_known_scheme_is_a_wrong_command_line(run):
    result = run("bench", "play", "ftp://h/live/x")
    assert result.exit_code == 2
    assert "begins with none of http:, ws:, rtmp:" in result.output


def test_a_file_that_cannot_be_read_is_one_line(run, tmp_path):
    result = run("bench", "publish", "rtmp://h/live/x", "--file", str(tmp_path / "none.flv"))
    assert result.exit_code == 1
    assert result.output.startswith("Error: ") and "No such file" in result.output


def test_a_server_that_is_not_there_is_counted_not_raised(run):
    result = run("bench", "play", "http://127.0.0.1:1/live/x.flv", "--seconds", "0.1", "--settle", "0", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"] == {"Connection refused": 1}


def test_each_client_gets_the_url_of_its_number():
    plan = _plan("http://h/live/{n}.flv", PLAY, clients=2, ramp=0.0, settle=0.0)
    assert plan.urls == ["http://h/live/0.flv", "http://h/live/1.flv"]


def test_a_report_is_shown_in_words():
    costs = Cost(0, 0, 1 << 20), Cost(1, 1, 2 << 20)
    report = Report(3, 1.0, 2, 0, 6.3, Spread(1, 2, 3), Spread(4, 5, 6), None, None, None, {"HTTP 503": 1}, *costs)
    first, *_, cost, error = _shown(report)
    assert first == "2 of 3 joined, 0 redirected; 1.0 s measured"
    assert cost == "server: 2.000 cores, 1000000.0 µs per client and second; 1.0 MiB, then 2.0"
    assert error == "1 x HTTP 503"
