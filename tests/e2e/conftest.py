"""Three nodes that all tests share, and their logs where a test fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Nodes a, b and c, for tests that leave them as they were."""
    with Cluster(tmp_path_factory.mktemp("shared"), stream__linger_s="2", stream__hold_s="3") as cluster:
        cluster.start("a", "b", "c")
        yield cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A mesh without nodes, for tests that stop and kill."""
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for node in value.nodes.values() if isinstance(value, Cluster) else ():
                report.sections.append((f"node {node.name}", node.log[-4000:]))
    return report
