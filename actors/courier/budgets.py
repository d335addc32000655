"""What the policy lets a channel send, over all couriers: so many a UTC day, and so many a second."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from actors.courier import pacing
from actors.courier.closing import BUDGET_SPENT, OPEN, Closure, next_day
from domain.dispatch import Lane
from domain.granting import may_hold_grants
from store.ports import Queue

SPEND_ANY = 1_000_000_000  # a budget counts urgent messages, and never stops them
REACH_MAX = 1_000
ASK_AGAIN_MS = 60_000  # a spent budget: what was not sent after all is given back


class _Budget:
    def __init__(self, policy: Mapping[str, Any]) -> None:
        self.per_day: int | None = policy.get("per_day")
        self.per_s: float | None = policy.get("per_s")
        self.pace = pacing.Pace()
        self.reach: dict[str, int] = {}  # lane -> places taken at once: 1 while what waits is not due, so few are held
        self.asked_at = 0  # ms, the last time
        self.spent_at = 0  # ms, when it was last found spent; 0: there is some left


class Budgets:
    """The budgets of all channels, as one courier uses them. What asks the store raises ``Unavailable``."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._all: dict[str, _Budget] = {}
        self._refunds: Counter[str] = Counter()

    def follow(self, policies: Mapping[str, Mapping[str, Any]]) -> None:
        """Use ``policies/default.channels``; a changed one begins anew."""
        for channel in {*policies, *self._all}:
            known, said = self._all.get(channel), _Budget(policies.get(channel, {}))
            if known is None or (known.per_day, known.per_s) != (said.per_day, said.per_s):
                self._all[channel] = said

    def closure(self, channel: str, now: int) -> Closure:
        """Return whether the channel's budget of the day is spent."""
        budget = self._all.get(channel)
        if budget is None or not budget.spent_at or now >= next_day(budget.spent_at):
            return OPEN
        return Closure(BUDGET_SPENT, next_day(budget.spent_at))

    async def look(self, now: int) -> None:
        """Ask whether there is some left of what was found spent: nothing may wait that would ask for it.

        Another courier may have held the last places at that moment, and given them back.
        """
        for channel, budget in self._all.items():
            if (
                self.closure(channel, now) == OPEN
                or budget.per_day is None
                or 0 <= now - budget.asked_at < ASK_AGAIN_MS
            ):
                continue
            budget.asked_at = now
            if granted := await self._queue.spend(channel, 1, budget.per_day):
                budget.spent_at = 0
                self.refund(channel, granted)

    async def room(self, channel: str, lane: Lane, room: int, now: int) -> int:
        """Take what so many messages of a lane need; how many may be claimed.

        Where grants wait, which are paid for, the rate does not hold; what the connector may take still does.
        """
        budget = self._all.get(channel)
        if budget is None or room <= 0:
            return room
        if budget.per_s is not None and not may_hold_grants(channel, lane):
            budget.pace = pacing.aged(budget.pace, now)
            if (asked := pacing.wanted(budget.pace, now, room)) > 0:
                granted, wait_ms = await self._queue.take(
                    f"channel:{channel}", asked, per_s=budget.per_s, burst=max(1, int(budget.per_s))
                )
                budget.pace = pacing.taken(budget.pace, now, granted, asked, wait_ms)
            room = min(room, budget.pace.hand)
        if budget.per_day is None or room <= 0:
            return room
        room = min(room, budget.reach.get(lane, 1))
        if lane == "urgent":
            return await self._queue.spend(channel, room, SPEND_ANY)
        if self.closure(channel, now) != OPEN and 0 <= now - budget.asked_at < ASK_AGAIN_MS:
            return 0
        budget.asked_at = now
        granted = await self._queue.spend(channel, room, budget.per_day)
        budget.spent_at = 0 if granted else now
        return granted

    def used(self, channel: str, lane: Lane, room: int, count: int) -> None:
        """Note that of so much room so much was used; the rest goes back."""
        budget = self._all.get(channel)
        if budget is not None:
            budget.reach[lane] = min(REACH_MAX, 2 * room) if count >= room else max(1, count)
        if budget is not None and budget.per_s is not None and not may_hold_grants(channel, lane):
            budget.pace = pacing.used(budget.pace, count, room)
        self.refund(channel, room - count)

    def refund(self, channel: str, count: int = 1) -> None:
        """Note messages that were not sent after all."""
        budget = self._all.get(channel)
        if budget is not None and budget.per_day is not None and count > 0:
            self._refunds[channel] += count

    async def give_back(self) -> None:
        """Give back what was noted, at most once: an answer that is lost leaves the budget the smaller."""
        refunds, self._refunds = self._refunds, Counter()
        for channel, count in refunds.items():
            await self._queue.refund(channel, count)
