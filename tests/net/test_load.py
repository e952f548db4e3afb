import asyncio
import time

from mesh.net.load import PERIOD_S, LoadMeter


def measured(meter: LoadMeter, stall_s: float = 0) -> None:
    async def run() -> None:
        measuring = asyncio.create_task(meter.run())
        await asyncio.sleep(PERIOD_S / 2)
        time.sleep(stall_s)  # noqa: ASYNC251 - a loop that is blocked is what is measured
        await asyncio.sleep(PERIOD_S)
        measuring.cancel()

    asyncio.run(run())


def test_players_and_streams_are_counted_and_shares_are_shares() -> None:
    meter = LoadMeter(players=lambda: 7, streams=lambda: 3, sent=lambda: 0)
    measured(meter)
    load = meter.load
    assert (load.players, load.streams) == (7, 3)
    assert 0 <= load.cpu <= 1
    assert 0 < load.mem < 1
    assert load.rx_bps >= 0 <= load.tx_bps


def test_what_the_node_sends_counts_even_over_loopback() -> None:
    clock = time.monotonic()
    meter = LoadMeter(players=lambda: 0, streams=lambda: 0, sent=lambda: int((time.monotonic() - clock) * 125_000_000))
    measured(meter)
    assert meter.load.tx_bps > 500_000_000


def test_a_blocked_loop_shows_as_lag() -> None:
    meter = LoadMeter(players=lambda: 0, streams=lambda: 0, sent=lambda: 0)
    measured(meter, stall_s=0.2)
    assert meter.load.loop_lag_ms >= 150
