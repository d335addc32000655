"""One engine for the end-to-end tests of a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.engine import Engine
from tests.e2e.programme import PROGRAMME


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    running = Engine(Path(tmp_path_factory.mktemp("engine")) / "data", ("--partitions", "8")).start()
    running.publish(PROGRAMME)
    yield running
    assert running.stop() == 0
