import json


def test_a_route_is_a_node_its_url_and_the_reasons(run):
    assert [line.rstrip() for line in run("route", "live/demo").output.splitlines()] == [
        "redirect  a  http://10.0.0.1:8080/live/demo.flv",
        "  a leads the stream",
        "  b does not have the stream",
    ]


def test_explain_lists_every_node_the_chosen_one_first(run):
    assert [line.rstrip() for line in run("route", "live/demo", "--explain").output.splitlines()][3:] == [
        "",
        "NODE  ZONE  HAS IT AS  VERDICT",
        "a     fra   leader     chosen",
        "b     ams   -          is in another zone",
    ]


def test_a_refusal_says_its_status_and_why(run):
    assert [line.rstrip() for line in run("route", "live/none").output.splitlines()] == [
        "refuse  404",
        "  no node has live/none",
    ]


def test_what_is_known_of_the_client_is_asked_along(run):
    options = ["--action", "publish", "--proto", "rtmp", "--zone", "ams", "--ip", "10.0.0.7"]
    asked = json.loads(run("-o", "json", "route", "/live/demo", *options).output)["asked"]
    assert asked == {"stream": "live/demo", "action": "publish", "proto": "rtmp", "zone": "ams", "ip": "10.0.0.7"}
    assert json.loads(run("route", "live/demo", "-o", "json").output)["asked"] == {"stream": "live/demo"}
