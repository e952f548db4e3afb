import json


def test_a_route_is_a_node_its_url_and_the_reasons(run):
    assert [line.rstrip() for line in run("route", "live/demo").output.splitlines()] == [
        "redirect  a  http://10.0.0.1:8080/live/demo.flv",
        "  a leads the stream",
        "  b does not have the stream",
    ]


def test_explain_lists_every_node_with_what_told_them_apart_the_best_first(run):
    assert [line.rstrip() for line in run("route", "live/demo", "--explain").output.splitlines()][3:] == [
        "",
        "NODE    IN   HAS IT AS  ZONE  STREAM   CPU  PLAYERS   SCORE  VERDICT",
        "weight                   100       5     1      0.5",
        "a       fra  leader     0.00    0.00  0.12     0.01    0.13  chosen",
        "c       fra  replica    0.00    0.00  0.90     0.00    0.90  has a busier CPU",
        "b       ams  -          1.00    1.00  0.25     0.00  105.25  is in another zone",
    ]


def test_in_a_large_mesh_it_says_how_many_were_not_looked_at(run):
    assert (
        run("route", "live/demo", "--explain", "--sid", "large").output.splitlines()[-1]
        == "984 more were not looked at"
    )


def test_a_refusal_says_its_status_and_why(run):
    assert [line.rstrip() for line in run("route", "live/none").output.splitlines()] == [
        "refuse  404",
        "  no node has live/none",
    ]


def test_what_is_known_of_the_client_is_asked_along(run):
    options = ["--action", "publish", "--proto", "rtmp", "--zone", "ams", "--ip", "10.0.0.7", "--sid", "s"]
    asked = json.loads(run("-o", "json", "route", "/live/demo", *options).output)["asked"]
    said = {"action": "publish", "proto": "rtmp", "zone": "ams", "ip": "10.0.0.7", "sid": "s"}
    assert asked == {"stream": "live/demo"} | said
    assert json.loads(run("route", "live/demo", "-o", "json").output)["asked"] == {"stream": "live/demo"}
