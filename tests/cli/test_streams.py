def test_streams_are_a_table(run):
    assert [line.rstrip() for line in run("streams").output.splitlines()] == [
        "STREAM       STATE    LEADER  REPLICAS  PLAYERS  KB/S  TRACKS",
        "live/demo    live     a       b c            43  2100  h264 1280x720, aac 48000x2",
        "live/orphan  stalled  -       b               0     0  no tracks yet",
    ]


def test_a_tree_shows_who_fetches_from_whom(run):
    result = run("tree", "live/demo")
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "live/demo  live  epoch 3, 2100 kb/s, h264 1280x720, aac 48000x2, 43 players",
        "└── a  leads",
        "    └── b  1 player, 1 frame behind",
        "        └── c  no answer",
    ]
    assert result.stderr == "no answer from c: what only they know is missing\n"


def test_a_tree_without_its_leader_begins_with_the_replicas(run):
    assert [line.rstrip() for line in run("tree", "/live/orphan/").output.splitlines()] == [
        "live/orphan  stalled  epoch 1, 0 kb/s, no tracks yet, 0 players",
        "└── b  2 players",
    ]


def test_a_stream_that_no_node_has_is_an_error(run):
    result = run("tree", "live/none")
    assert (result.exit_code, result.output) == (1, "Error: no node has live/none\n")
