def test_nodes_are_a_table(run):
    assert run("nodes").output == (
        "NODE  ZONE  STATUS    CPU  MEM    IN  OUT  PLAYERS  STREAMS  ADDRESS      \n"
        "a     fra   alive     12%  50%  2.1M  95M       42        1  10.0.0.1:8080\n"
        "b           draining  12%  50%  2.1M  95M       42        1  10.0.0.1:8080\n"
        "c     fra   dead        -    -     -    -        -        -  10.0.0.1:8080\n"
        "d     fra   ill       12%  50%  2.1M  95M       42        1  10.0.0.1:8080\n"
        "d is ill: disk of node.data_dir is full\n"
    )
