import os
import subprocess
import sys

import psutil
import pytest

from mesh.bench.process import cost


def test_cpu_time_grows_with_work_and_memory_with_what_is_held():
    before = cost(os.getpid())
    held = bytearray(b"x") * (64 << 20)
    while cost(os.getpid()).cpu_s < before.cpu_s + 0.03:
        pass
    assert cost(os.getpid()).rss - before.rss > 32 << 20
    assert len(held) == 64 << 20


def test_children_count():
    alone = cost(os.getpid()).rss
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert cost(os.getpid()).rss > alone
        child.communicate(b"\n")


def test_a_process_that_is_not_there_is_an_error():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(psutil.Error):
        cost(gone.pid)
