"""Fan-out: passes that hand every player everything between its offset and the head, in one send.

A pass follows each frame at once while passes are short. When they take long, the next one starts no sooner than a
small multiple of what the last ones took, so it carries more frames: batching grows by itself under load, and delay is
paid only when CPU needs it. Nine tenths of what is left is the kernel's `send()`.

A player is in one of two states. Level: it has everything, and stands in a row with others at the same offset; the
next pass hands the same bytes to all of a row, and moves the row. Behind: its socket is full, or it is still being
handed the window; then it is a position of its own, the rest of one frame, and the control bytes that wait for its end,
and the socket's writability serves it, a turn of 128 KiB at a time.
"""

import asyncio
from collections.abc import Iterator
from time import monotonic  # is the loop's time, which costs a system call to ask for

from mesh.config import EgressConfig
from mesh.net.player import Player, Row
from mesh.net.tick import tick
from mesh.stream.rendition import Piece, Rendition

PACE = 2
"""The loop's share: a pass that took t is followed by a pause of PACE times t."""
TURN_S = 0.010
"""A pass yields to the loop after this long."""
ROW = 32
"""Players at most who stand in a row, and are served between two looks at the clock."""
EARLY_S = 0.001
"""From when on frames are wanted, before a pass."""
CAUTION = 4
"""A pass that took longer than the one before counts only with this fraction of what it took more: a keyframe's does,
and calls for no long pause."""
SWEEP_S = 1.0
MAX_CONTROL = 64 << 10
"""Bytes of answers that may wait: who asks on and on, and takes none, is closed."""


class Fanout:
    """All players of a node."""

    def __init__(self, egress: EgressConfig, player_lag_s: float) -> None:
        self._egress = egress
        self._player_lag_s = player_lag_s
        self._players: dict[Rendition, set[Player]] = {}
        self._rows: dict[Rendition, list[Row]] = {}
        self._dirty: dict[Rendition, None] = {}
        self._walk: Iterator[None] | None = None
        self._next: asyncio.TimerHandle | asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._not_before = 0.0
        self._held = False
        self.awaits_at = 0.0
        """From when on the next pass can carry what is read; before that, nobody gains by it."""
        self._spent = 0.0
        """By the pass that is under way."""
        self._took = 0.0
        """By the last one, as far as it counts."""
        self.sent = 0
        """Bytes handed to the kernel."""
        self.skips = 0
        self.passes = 0

    def __len__(self) -> int:
        return sum(map(len, self._players.values()))

    @property
    def full(self) -> bool:
        """Whether the pause between passes is at its cap: nobody else should be sent here."""
        return bool(self._players) and self._took * PACE * 1000 >= self._egress.pass_max_ms

    def players(self, rendition: Rendition) -> int:
        """How many players read it."""
        return len(self._players.get(rendition, ()))

    def add(self, player: Player) -> None:
        """Serve a player from now on."""
        self._loop = asyncio.get_running_loop()
        self._players.setdefault(player.rendition, set()).add(player)
        player.moved = monotonic()
        self._serve(player)

    def remove(self, player: Player, reason: str) -> None:
        """Serve it no more, and close its socket. A second time is no error."""
        players = self._players.get(player.rendition, set())
        if player not in players:
            return
        players.remove(player)
        self._step_out(player)
        if not players:
            del self._players[player.rendition]
            self._rows.pop(player.rendition, None)
            self._dirty.pop(player.rendition, None)
            player.rendition.forget()
        player.on_close(reason)
        player.sock.close()

    def control(self, player: Player, data: bytes) -> None:
        """Send protocol bytes (an acknowledgement, a pong) as soon as no frame is interrupted by them."""
        player.control += data
        if len(player.control) > MAX_CONTROL:
            self.remove(player, f"left {len(player.control)} bytes of answers unread")
        if player.row:
            self._serve(player)

    def end(self, rendition: Rendition) -> None:
        """The stream is over: its players get what they have not got yet, a farewell, and are closed."""
        for player in list(self._players.get(rendition, ())):
            player.ended = True
            if player.row:
                self._serve(player)

    def advanced(self, rendition: Rendition) -> None:
        """The rendition's log has grown."""
        if rendition not in self._players:
            return
        self._dirty[rendition] = None
        if self._next is None and not self._held:
            soon = self.awaits_at <= monotonic()
            self._next = self._loop.call_soon(self._pass) if soon else self._loop.call_at(self._not_before, self._pass)

    def hold(self) -> None:
        """Logs are about to grow, perhaps several: no pass begins before `release`."""
        self._held = True

    def release(self) -> None:
        """They have grown: a pass need not even wait for the loop."""
        self._held = False
        if self._dirty and self._next is None:
            if self.awaits_at <= monotonic():
                self._pass()
            else:
                self._next = self._loop.call_at(self._not_before, self._pass)

    def close(self, reason: str) -> None:
        """Serve nobody any more."""
        for player in [player for players in self._players.values() for player in players]:
            self.remove(player, reason)

    async def sweep(self) -> None:
        """Close players whose sockets take nothing; runs until cancelled."""
        while True:
            await tick(SWEEP_S)
            now = monotonic()
            for player in [p for players in self._players.values() for p in players if p.behind]:
                if player.takes():
                    player.moved = now
                elif player.moved < now - self._player_lag_s:
                    self.remove(player, f"took no byte for {self._player_lag_s:g} s")

    def _pass(self) -> None:
        """Walk over the level players of every rendition that has grown, in turns."""
        started = monotonic()
        self._next = None
        if self._walk is None:
            dirty, self._dirty = self._dirty, {}
            self._walk = self._steps(dirty)
            self._spent = 0.0
            self.awaits_at = started + self._took + self._pause() - EARLY_S
        for _ in self._walk:
            if monotonic() - started > TURN_S:
                self._spent += monotonic() - started
                self._next = self._loop.call_soon(self._pass)
                return
        self._walk = None
        self.passes += 1
        ended = monotonic()
        took = self._spent + ended - started
        self._took = min(took, self._took + (took - self._took) / CAUTION)
        self._not_before = ended + self._pause()
        self.awaits_at = self._not_before - EARLY_S
        for rendition in list(self._dirty):
            self.advanced(rendition)

    def _pause(self) -> float:
        """How long it is from the end of a pass to the beginning of the next."""
        pause = max(self._egress.pass_min_ms / 1000, self._took * PACE)
        return min(pause, self._egress.pass_max_ms / 1000)

    def _steps(self, dirty: dict[Rendition, None]) -> Iterator[None]:
        for rendition in dirty:
            for row in list(self._rows.get(rendition, ())):
                piece = rendition.piece(row.offset)
                if piece and piece.last and not piece.skipped:
                    self._serve_row(row, piece)
                elif piece:
                    for player in [*row.players.values()]:
                        self._serve(player)
                yield

    def _serve_row(self, row: Row, piece: Piece) -> None:
        """The hot loop: whoever is level has nothing left to send but the piece that all of the row share."""
        data, size = piece.data, len(piece.data)
        rest: list[tuple[Player, int | OSError]] = []
        for send in row.players:
            try:
                if (sent := send(data)) != size:
                    rest.append((row.players[send], sent))
            except OSError as error:
                rest.append((row.players[send], error))
        self.sent += size * (len(row.players) - len(rest))
        start, row.offset = row.offset, piece.end
        for player, outcome in rest:
            self._step_out(player)
            player.offset = start
            if isinstance(outcome, int):
                self._sent(player, piece, outcome)
            if isinstance(outcome, int | BlockingIOError):
                self._settle(player, False)
            else:
                self.remove(player, outcome.strerror or str(outcome))

    def _serve(self, player: Player) -> None:
        """Hand a player one turn, and decide in which state that leaves it."""
        if player.behind:
            player.moved = monotonic()
        else:
            self._step_out(player)
        try:
            level = self._send(player)
            if level and player.ended and player.farewell:
                player.control, player.farewell = player.farewell(), None
                level = self._flush(player)
        except OSError as error:
            self.remove(player, error.strerror or str(error))
            return
        if level and player.ended:
            self.remove(player, "the stream ended")
        else:
            self._settle(player, level)

    def _settle(self, player: Player, level: bool) -> None:
        """Have the next pass serve a player who is level, and the writability of his socket one who is behind."""
        if player.sock.fileno() < 0:
            return
        if level:
            self._step_out(player)
            self._line_up(player)
        elif not player.behind:
            player.behind = True
            player.moved = monotonic()
            self._loop.add_writer(player.sock.fileno(), self._serve, player)

    def _line_up(self, player: Player) -> None:
        """Put a player who is level with the others at his offset."""
        rows = self._rows.setdefault(player.rendition, [])
        row = next((row for row in reversed(rows) if row.offset == player.offset and len(row.players) < ROW), None)
        if row is None:
            rows.append(row := Row(player.offset))
        row.players[player.send] = player
        player.row = row

    def _step_out(self, player: Player) -> None:
        """Have neither a pass nor his socket's writability serve a player."""
        if player.behind:
            player.behind = False
            self._loop.remove_writer(player.sock.fileno())
        if row := player.row:
            player.row, player.offset = None, row.offset
            del row.players[player.send]
            if not row.players:
                self._rows[player.rendition].remove(row)

    def _send(self, player: Player) -> bool:
        """Send the rest of a frame, waiting control bytes and one piece; True if nothing is left to send."""
        if (player.rest or player.control) and not self._flush(player):
            return False
        piece = player.rendition.piece(player.offset)
        if piece is None:
            return True
        try:
            sent = player.send(piece.data)
        except BlockingIOError:
            return False
        return self._sent(player, piece, sent) and not player.control

    def _sent(self, player: Player, piece: Piece, sent: int) -> bool:
        """Note what a socket has taken of a piece; True if nothing is left to send."""
        if piece.skipped:
            player.skips += 1
            self.skips += 1
        self.sent += sent
        if sent < len(piece.data):
            player.rest, player.offset = piece.cut(sent)
            return False
        player.offset = piece.end
        return piece.last

    def _flush(self, player: Player) -> bool:
        """Send what must not be interrupted; True if all of it went."""
        while player.rest or player.control:
            if not player.rest:
                player.rest, player.control = memoryview(player.control), b""
            try:
                sent = player.send(player.rest)
            except BlockingIOError:
                return False
            self.sent += sent
            player.rest = player.rest[sent:]
        player.rest = None
        return True
