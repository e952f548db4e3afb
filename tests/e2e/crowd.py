"""Crowd: the load tool's players."""

import json
import sys
from typing import Any

from tests.e2e.cluster import ROOT
from tests.e2e.programs import run


async def play(url: str, *options: str) -> dict[str, Any]:
    """Let the load tool play; what it reports. Fails if one of its players is refused."""
    command = (sys.executable, str(ROOT / "tools" / "meshctl"), "bench", "play", url, "--settle", "0", "-o", "json")
    code, report = await run(*command, *options, patience_s=30)
    assert code == 0, report
    return json.loads(report)
