def test_hops_are_a_table(run):
    result = run("quality")
    assert [line.rstrip() for line in result.stdout.splitlines()] == [
        "STREAM     NODE  FROM  LAG MS  SKIPS  LOSSES  RTT MS  JITTER MS  LOSS",
        "live/demo  b     a         12      3       1    12.5        3.5  2.0%",
        "live/demo  c     b          -      -       -       -          -     -",
    ]
    assert result.stderr == "no answer from c: what only they know is missing\n"
