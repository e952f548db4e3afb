from rich.console import Console

from mesh.cli.doctor import _examination
from tests.cli.conftest import EXAMINATION


def test_an_examination_is_tables_and_names_the_suspects(run):
    assert [line.rstrip() for line in run("doctor").output.splitlines()] == [
        "a  mesh mesh, with a secret, protocol 1",
        "",
        "It can be reached at",
        "ADDRESS          PORT     OPEN TO  REFUSED TO  SILENT TO",
        "10.0.0.1:7400    control  b c      -           -",
        "172.17.0.1:7400  control  -        b           c",
        "",
        "Its seeds",
        "SEED       ADDRESS        TCP   NODE  TROUBLE",
        "b.example  10.0.0.2:7400  open  b",
        "",
        "The others",
        "NODE  STATUS  ADDRESS       HEARD     RTT  LOSS  CONTROL  GOSSIP  MEDIA  TROUBLE",
        "b     alive   10.0.0.2  0.3 s ago  0.4 ms    1%  open     open    open",
        "c     dead    10.0.0.3          -       -     -  -        -       -      has another secret than this node",
        "",
        "secret  10.0.0.3:7400 has another secret than this node",
    ]


def test_a_node_that_is_well_and_alone_is_told_so():
    alone = EXAMINATION | {"addresses": [], "seeds": [], "peers": [], "suspects": [], "secret": False}
    console = Console(width=100)
    with console.capture() as capture:
        console.print(*_examination(alone), sep="\n")
    assert capture.get() == "a  mesh mesh, without a secret, protocol 1\n\nNothing is wrong.\n"
