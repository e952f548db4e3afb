"""Allowance: how much somebody may take of us, so that nobody is an amplifier and nobody drowns the others."""


class Allowance:
    """A bucket that fills with time."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """So much a second, and at most a `burst` at once."""
        self._rate = rate
        self._burst = self._left = burst
        self._since = now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take so much; False, and nothing is taken, if there is not as much."""
        self._fill(now)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def full(self, now: float) -> bool:
        """Whether nothing has been taken lately."""
        self._fill(now)
        return self._left == self._burst

    def _fill(self, now: float) -> None:
        self._left = min(self._left + self._rate * (now - self._since), self._burst)
        self._since = now


class Allowances:
    """One for each of many hosts, no more than `most` of which are remembered: those long before have theirs back."""

    def __init__(self, rate: float, burst: float, most: int) -> None:
        self._terms = rate, burst
        self._most = most
        self._hosts: dict[str, Allowance] = {}

    def take(self, host: str, now: float, amount: float = 1.0) -> bool:
        """Let a host take so much; False if it has not as much left."""
        if host not in self._hosts:
            if len(self._hosts) >= self._most:
                self._make_room(now)
            self._hosts[host] = Allowance(*self._terms, now)
        return self._hosts[host].take(now, amount)

    def _make_room(self, now: float) -> None:
        self._hosts = {host: it for host, it in self._hosts.items() if not it.full(now)}
        while len(self._hosts) >= self._most:
            del self._hosts[next(iter(self._hosts))]
