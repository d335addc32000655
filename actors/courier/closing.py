"""Whether a channel can send, as the towers are told: its providers' breakers, and its budget of the day."""

from collections.abc import Collection, Iterable
from typing import Protocol

from msgspec import Struct

from actors.courier.providers import Provider
from domain.entries import ChannelChanged

DAY_MS = 86_400_000
PROBE_WAIT_MS = 2_000  # a channel whose next try is due, and that nothing waits for, is told open after so long
PROVIDER_DOWN, BUDGET_SPENT = "provider_down", "budget_spent"  # of ``crm.tower.why``


class Closure(Struct, frozen=True):
    """Why a channel sends nothing, and until when that is expected; ``reason`` "": it is open."""

    reason: str = ""
    until: int = 0  # ms


OPEN = Closure()


def closure_of(providers: list[Provider], now: int) -> Closure:
    """Return whether any of a channel's providers works.

    One whose breaker is half open has to show it first; where no message comes to probe it, it is given the benefit of
    the doubt: a closed channel is asked for nothing, so it would never be probed.
    """
    soonest = 0
    for provider in providers:
        until = provider.breaker.until
        if provider.adapter is None:
            until = now + DAY_MS
        elif not until or (now >= until + PROBE_WAIT_MS and not provider.breaker.is_probing):
            return OPEN
        soonest = min(soonest or until, until)
    return Closure(PROVIDER_DOWN, soonest if soonest < now + DAY_MS else 0)


def next_day(now: int) -> int:
    """Return when the budgets of the next UTC day begin."""
    return (now // DAY_MS + 1) * DAY_MS


class Telling(Protocol):
    """The way to the towers (``store.closures``)."""

    async def told(self, partitions: list[int]) -> dict[int, dict[str, str]]:
        """Return the channels that the partitions' towers believe closed, with the reasons."""

    async def tell(self, partition: int, key: str, changed: ChannelChanged) -> None:
        """Append a change to the tower's log, once for a key, which is kept for days."""


class Teller:
    """Tells the towers of the owned partitions when a channel closes or opens, each once.

    What a tower believes is kept in the store: the next courier, which finds its providers working, tells it so.
    """

    def __init__(self, closures: Telling, incarnation: str) -> None:
        self._closures = closures
        self._incarnation = incarnation
        self._now: dict[str, Closure] = {}  # by channel
        self._count = 0
        self._told: dict[int, dict[str, Closure]] = {}  # by partition: what its tower believes closed

    def closure(self, channel: str) -> Closure:
        """Return the state of a channel."""
        return self._now.get(channel, OPEN)

    def note(self, channel: str, closure: Closure) -> None:
        """Note the state of a channel as of now."""
        if closure != self.closure(channel):
            self._now[channel] = closure

    def forget_others(self, channels: Collection[str]) -> None:
        """Open what has no connector any more: whoever asks for it is told that, not that it is down."""
        for channel in [channel for channel in self._now if channel not in channels]:
            self.note(channel, OPEN)

    async def tell(self, partitions: Iterable[int], channels: Iterable[str], now: int) -> int:
        """Tell every tower what it does not know yet; how many were told.

        Raises:
            Unavailable: the store did not answer; the same is told again.
        """
        owned = sorted(partitions)
        if fresh := [partition for partition in owned if partition not in self._told]:
            for partition, closed in (await self._closures.told(fresh)).items():
                self._told[partition] = {channel: Closure(reason, -1) for channel, reason in closed.items()}
        for partition in [p for p in self._told if p not in owned]:
            del self._told[partition]
        count = 0
        for partition in owned:
            believed = self._told[partition]
            for channel in {*channels, *believed}:
                count += await self._tell_one(partition, channel, believed, now)
        return count

    async def _tell_one(self, partition: int, channel: str, believed: dict[str, Closure], now: int) -> int:
        closure = self.closure(channel)
        if closure == believed.get(channel, OPEN):
            return 0
        self._count += (
            1  # each telling has a key of its own: one that comes twice says the same, one that is dropped misleads
        )
        key = f"channel:{channel}:{self._incarnation}:{self._count}"
        is_open = not closure.reason
        await self._closures.tell(partition, key, ChannelChanged(channel, is_open, closure.reason, closure.until, now))
        if is_open:
            believed.pop(channel, None)
        else:
            believed[channel] = closure
        return 1
