"""What earlier sends leave room for: conflict groups, frequency caps, the minimum gap, fatigue.

A pending send (cleared, its receipt not yet there) counts as sent just now, whenever that is asked: it may go at any
moment, so nothing is cleared that would break a limit beside it, not even over midnight.
"""

from math import log2

from msgspec import Struct

from crm.tower.airspace import Airspace, Send
from crm.tower.policy import Cap, Fatigue, Plan, Policy, is_call
from crm.tower.quiet import MINUTE_MS
from crm.tower.why import Reason
from domain.calendar import day_starts_at, local_day
from domain.entries import MessageRequest

PENDING_MS = 900_000  # a message that waits for one on its way is judged again when that lands, or after this
_NEARLY = 1e-9  # of a weight; sums of powers are not exact


class Obstacle(Struct, frozen=True):
    """What stands between a message and a channel, and until when."""

    reason: str
    until: int = 0  # ms; 0: for ever
    may_end_early: bool = False  # an entry can end it, so expiring before ``until`` is no reason to refuse now
    escalates: bool = False  # a person is to decide


def room_obstacles(
    request: MessageRequest, channel: str, airspace: Airspace, policy: Policy, plan: Plan, now: int, zone: str
) -> list[Obstacle]:
    """Return what earlier sends put in the way, in order of judgement, each reason once."""
    found: list[Obstacle] = []
    if is_call(request):
        return found
    if request.conflict_group and plan.grouped and (obstacle := _group_obstacle(request, airspace, policy, plan, now)):
        found.append(obstacle)
    sends = airspace.sends
    if not sends:
        return found
    capped, early = 0, False
    for _, cap in plan.caps:
        if cap.channel and cap.channel != channel:
            continue
        until, may_end_early = _cap_until(cap, sends, now, zone)
        if until > capped:
            capped, early = until, may_end_early
    if capped > now:
        found.append(Obstacle(Reason.CAP_REACHED.value, capped, early))
    if plan.gap_ms:
        last = sends[-1]
        until = now + max(plan.gap_ms, PENDING_MS) if last.pending else last.at + plan.gap_ms
        if until > now:
            found.append(Obstacle(Reason.MINIMUM_GAP.value, until, last.pending))
    if plan.fatigue is not None and (until := fatigue_until(plan.fatigue, sends, now)) > now:
        found.append(Obstacle(Reason.FATIGUE.value, until, may_end_early=True))
    return found


def _group_obstacle(
    request: MessageRequest, airspace: Airspace, policy: Policy, plan: Plan, now: int
) -> Obstacle | None:
    """Return how long another of the group is in the way: one that went, or a more important one that waits."""
    group = request.conflict_group
    gap = policy.group_gap_ms(group)
    until, early = 0, False
    for send in airspace.sends:
        if send.group == group:
            ends = now + (max(gap, PENDING_MS) if gap else 0) if send.pending else send.at + gap
            if ends > max(until, now):
                until, early = ends, send.pending
    if gap:
        own = priority_of(request, plan)
        for held in airspace.waiting.values():
            other = held.request
            if (
                other.conflict_group == group
                and other.id != request.id
                and held.until > max(until, now)
                and not is_call(other)
                and not held.escalated
                and priority_of(other, policy.plan(other.purpose)) > own
            ):
                until, early = held.until, True
    return Obstacle(Reason.CONFLICT_GROUP.value, until, early) if until > now else None


def priority_of(request: MessageRequest, plan: Plan) -> int:
    """Return the request's own priority, else that of its purpose."""
    return plan.priority if request.priority is None else request.priority


def _cap_until(cap: Cap, sends: tuple[Send, ...], now: int, zone: str) -> tuple[int, bool]:
    """Return when the cap next lets a message through (0: now), and whether that may be sooner.

    That is when the oldest of its last ``max`` sends leaves the window: at the start of a local day, or, rolling,
    so long after it.
    """
    if len(sends) < cap.max:
        return 0, False
    counted = [send for send in sends if cap.counts(send.purpose, send.channel)]
    if len(counted) < cap.max:
        return 0, False
    early = counted[-1].pending  # one of them may not be sent after all
    oldest = now if counted[-cap.max].pending else counted[-cap.max].at
    if cap.rolling_ms:
        return oldest + cap.rolling_ms, early
    free_day = local_day(oldest, zone) + cap.days
    if free_day <= local_day(now, zone):
        return 0, False
    # In a zone that goes back over midnight the day has begun once already: then look again in a minute.
    return max(day_starts_at(free_day, zone), now + MINUTE_MS), early


def cap_room(cap: Cap, sends: tuple[Send, ...], now: int, zone: str) -> int:
    """Return how many more the cap would let through right now."""
    if cap.rolling_ms:
        since = now - cap.rolling_ms
        used = sum(1 for s in sends if (s.pending or s.at > since) and cap.counts(s.purpose, s.channel))
    else:
        first = local_day(now, zone) - cap.days + 1
        used = sum(
            1 for s in sends if cap.counts(s.purpose, s.channel) and (s.pending or local_day(s.at, zone) >= first)
        )
    return cap.max - used


def fatigue_of(fatigue: Fatigue, sends: tuple[Send, ...], now: int) -> float:
    """Return what the player bears: each send weighs 1, an answered one less, and half of it a half-life later."""
    total = 0.0
    for send in sends:
        weight = fatigue.engaged_weight if send.engaged else 1.0
        total += weight if send.pending or send.at >= now else weight * 0.5 ** ((now - send.at) / fatigue.half_life_ms)
    return total


def fatigue_until(fatigue: Fatigue, sends: tuple[Send, ...], now: int) -> int:
    """Return when the player bears less than the limit again, if nothing more is sent; 0: now."""
    if len(sends) < fatigue.limit - _NEARLY:  # none weighs more than 1
        return 0
    total = fatigue_of(fatigue, sends, now)
    if total < fatigue.limit - _NEARLY:
        return 0
    rests = int(fatigue.half_life_ms * log2(max(total / (fatigue.limit - _NEARLY), 1.0))) + 1
    return now + (max(rests, PENDING_MS) if sends[-1].pending else rests)


class Room:
    """What is left while several messages are chosen together: each that is taken leaves less to the next.

    Kept as counters: a search asks it thousands of times, and counting sends takes microseconds.
    """

    def __init__(self, airspace: Airspace, policy: Policy, now: int, zone: str) -> None:
        self._policy = policy
        self.caps = [cap_room(cap, airspace.sends, now, zone) for cap in policy.caps]
        self._counted = 0  # taken so far that count
        self._groups: dict[str, int] = {}
        self._fatigue = fatigue_of(policy.fatigue, airspace.sends, now) if policy.fatigue else 0.0

    def has(self, request: MessageRequest, plan: Plan, channel: str) -> bool:
        """Tell whether one more may go beside those that were taken."""
        if is_call(request):
            return True
        group = request.conflict_group
        if group and plan.grouped and self._groups.get(group) and self._policy.group_gap_ms(group):
            return False
        if self._counted:
            if plan.gap_ms:
                return False
            fatigue = plan.fatigue
            if fatigue is not None and self._fatigue + self._counted >= fatigue.limit - _NEARLY:
                return False
        return all(self.caps[n] > 0 for n, cap in plan.caps if not cap.channel or cap.channel == channel)

    def take(self, request: MessageRequest, plan: Plan, channel: str, by: int = 1) -> None:
        """Count one that goes; ``by`` -1 takes it back."""
        if not plan.counted or is_call(request):
            return
        self._counted += by
        if group := request.conflict_group:
            self._groups[group] = self._groups.get(group, 0) + by
        for n, cap in enumerate(self._policy.caps):
            if cap.counts(request.purpose, channel):
                self.caps[n] -= by
