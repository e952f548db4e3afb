"""Process: what a server costs: the CPU time and memory of a process and its children."""

from typing import NamedTuple

import psutil


class Cost(NamedTuple):
    """Since a process began."""

    user_s: float
    system_s: float
    rss: int
    """Bytes of resident memory, now."""

    @property
    def cpu_s(self) -> float:
        """In user mode and in the kernel."""
        return self.user_s + self.system_s


def cost(pid: int) -> Cost:
    """What it has cost so far. Raises `psutil.Error` if there is no such process."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    times = [member.cpu_times() for member in family]
    return Cost(
        sum(time.user for time in times),
        sum(time.system for time in times),
        sum(member.memory_info().rss for member in family),
    )
