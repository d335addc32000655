"""How many messages of a channel may be claimed now: places, tokens, breakers, budgets."""

from collections.abc import Mapping

from actors.courier import pacing
from actors.courier.budgets import Budgets
from actors.courier.providers import Provider, Providers
from domain.dispatch import Lane
from domain.granting import may_hold_grants
from store.ports import Queue

UNCONNECTED_MS = 5_000  # a tower may run a version that we have not read yet
DRAIN_MAX = 64  # messages of a channel that has no connector to be used (any more): they are given back to the tower


class Rooms:
    """Opens the connectors' rooms for a pass of claims. What asks the store raises ``Unavailable``."""

    def __init__(self, queue: Queue, providers: Providers, budgets: Budgets) -> None:
        self._queue = queue
        self._providers = providers
        self._budgets = budgets
        self._lane: Lane = "urgent"  # of the pass
        self._offered: dict[str, int] = {}  # by connector
        self._free: dict[str, int] = {}  # by connector: places, for which there may have been too few tokens
        self._unconnected: dict[str, int] = {}  # channel -> ms, since when messages wait for none of its connectors
        self.shut: dict[
            str, list[str]
        ] = {}  # lane -> channels for which messages wait, and that had no room in the pass
        self.more_at = 0  # ms, when a connector that has none left gets a token; 0: none waits for one

    async def open(self, lane: Lane, due: Mapping[tuple[str, str], int], now: int) -> dict[str, int]:
        """Return how many of those that are due to claim, by channel; tokens for them have been taken."""
        self._offered.clear()
        self._lane = lane
        shut = self.shut[lane] = []
        rooms: dict[str, int] = {}
        for (channel, due_lane), count in sorted(due.items()):
            if due_lane != lane:
                continue
            if (room := await self._room(channel, lane, count, now)) > 0:
                rooms[channel] = room
            else:
                shut.append(channel)
        return rooms

    async def _room(self, channel: str, lane: Lane, due: int, now: int) -> int:
        if not self._providers.is_usable(channel):
            since = self._unconnected.setdefault(channel, now)
            return min(due, DRAIN_MAX) if now - since >= UNCONNECTED_MS else 0
        self._unconnected.pop(channel, None)
        total, providers = 0, self._providers.of(channel)
        for provider in providers:
            provider.room = self._offered[provider.id] = 0
        # a grant names its connector, which may be the last in order
        chosen = working(providers, now) if may_hold_grants(channel, lane) else preferred(providers, now)
        for provider in chosen:
            provider.room = await self._take(provider, lane, due, now)
            self._offered[provider.id] = provider.room
            total += provider.room
        return await self._budgets.room(channel, lane, min(total, due), now)

    async def _take(self, provider: Provider, lane: Lane, due: int, now: int) -> int:
        limits = provider.limits
        places = pacing.places(provider.in_flight, limits.in_flight_max, urgent=lane == "urgent")
        free = self._free[provider.id] = min(provider.free(now, places), due)
        provider.pace = pacing.aged(provider.pace, now)
        if (asked := pacing.wanted(provider.pace, now, free)) > 0:
            granted, wait_ms = await self._queue.take(provider.id, asked, per_s=limits.rate_per_s, burst=limits.burst)
            provider.pace = pacing.taken(provider.pace, now, granted, asked, wait_ms)
        if free and not provider.pace.hand and (at := provider.pace.not_before) > now:
            self.more_at = min(self.more_at or at, at)
        return min(free, provider.pace.hand)

    def close(self, rooms: Mapping[str, int], claimed: Mapping[str, int]) -> None:
        """End the pass: what was not used is given back, or kept for the next one."""
        for channel, room in rooms.items():
            providers = self._providers.of(channel)
            if self._providers.is_usable(channel):
                self._budgets.used(channel, self._lane, room, claimed.get(channel, 0))
            for provider in providers:
                if offered := self._offered.get(provider.id, 0):
                    provider.pace = pacing.used(provider.pace, offered - provider.room, self._free[provider.id])
                provider.room = 0


def working(providers: list[Provider], now: int) -> list[Provider]:
    """Return the connectors that may be used now, in their order."""
    return [one for one in providers if one.adapter is not None and one.breaker.room(now, 1)]


def preferred(providers: list[Provider], now: int) -> list[Provider]:
    """Return the connectors to use now, of a channel's in their order.

    The lowest order that works; those of the same order share the load, and one of a higher order is used only for
    addresses that none of the lower ones can send to.
    """
    chosen: list[Provider] = []
    for provider in working(providers, now):
        assert provider.adapter is not None
        kinds = provider.adapter.address_kinds
        if not any(
            other.adapter is not None
            and other.limits.order < provider.limits.order
            and other.adapter.address_kinds >= kinds
            for other in chosen
        ):
            chosen.append(provider)
    return chosen
