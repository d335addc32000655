"""What runs beside the tower may fail; the tower goes on, and what failed is begun again."""

import asyncio

import pytest

from actors.coordinator import Coordinator


class _Loop:
    """Runs until it is stopped; the first ``failures`` times it fails at once."""

    def __init__(self, failures: int = 0) -> None:
        self.begun, self._failures = 0, failures
        self.is_up = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        self.begun += 1
        if self.begun <= self._failures:
            raise KeyError("a fault of ours")
        self.is_up.set()
        await self._stopping.wait()

    def stop(self) -> None:
        self._stopping.set()


async def test_what_fails_beside_is_begun_again_and_the_rest_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    main, steady, faulty = _Loop(), _Loop(), _Loop(failures=2)
    running = asyncio.create_task(Coordinator(main, steady, faulty, again_after_s=0.001).run())
    async with asyncio.timeout(5):
        await faulty.is_up.wait()
    assert (main.begun, steady.begun, faulty.begun) == (1, 1, 3)
    assert not running.done()
    assert capsys.readouterr().out.count("_Loop failed and is begun again: KeyError('a fault of ours')") == 2
    main.stop()
    async with asyncio.timeout(5):
        await running


async def test_it_stops_while_something_rests() -> None:
    main, faulty = _Loop(), _Loop(failures=99)
    coordinator = Coordinator(main, faulty, again_after_s=3_600)
    running = asyncio.create_task(coordinator.run())
    async with asyncio.timeout(5):
        await main.is_up.wait()
        coordinator.stop()
        await running
    assert faulty.begun == 1
