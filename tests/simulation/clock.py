"""An asyncio event loop whose time is virtual: when nothing is ready, the clock jumps to the next timer.

Callbacks run in a fixed order, so a run depends on nothing but its seed.
"""

import asyncio
from typing import Any


class Stuck(Exception):
    """Every task waits and no timer is set: a deadlock."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines without sleeping."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._now = 0.0
        self._clock_resolution = 1e-9
        self._selector = self  # its ``select`` is all that the base class asks of one

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Stand in for waiting on sockets: let the time pass at once."""
        if timeout is None:
            raise Stuck
        self._now += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no other threads."""
