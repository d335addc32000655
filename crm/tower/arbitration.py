"""Several messages of one player judged together: the best set, not first come.

    1. Classes: a higher priority is served first, and keeps what it chose; any number of less important messages weigh
       nothing against it.
    2. Within a class as many as possible go, each by one of its channels. Where there are several ways, those earlier
       in turn go, by the channel that they prefer.
    3. Turns are fair: the source (journey, campaign, mission) with the fewest recent sends to this player, those
       chosen now included, comes next; of one source the oldest request.

The search tries ``TRIES_MAX`` places in a class; beyond, the best found so far stands. The first found is what taking
one after the other in turn gives, so it is never worse than that.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from crm.tower.airspace import Airspace, Send
from crm.tower.judgement import Case
from crm.tower.limits import Room
from crm.tower.policy import Plan, Policy, is_call

TRIES_MAX = 1_000

Crowd = tuple[str, str, str]
"""What goes as one message: a purpose, a channel, a product."""
NO_CROWDS: Mapping[Crowd, int] = MappingProxyType({})


class Candidate(Struct, frozen=True):
    """A message that could go, if it were alone."""

    case: Case
    plan: Plan
    free: tuple[str, ...]  # channels, in order of preference
    only_joins: frozenset[str] = frozenset()  # of those, where it may go only as part of another message


def in_turn(cases: Sequence[Case], sends: Sequence[Send]) -> list[Case]:
    """Return cases of one class in the order in which they are served."""
    if len(cases) < 2:
        return list(cases)
    queues: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: (case.request.requested_at, case.request.id)):
        queues.setdefault(origin(case.request.source), []).append(case)
    served = Counter(origin(send.source) for send in sends)
    ordered: list[Case] = []
    while queues:
        source = min(
            queues, key=lambda name: (served[name], queues[name][0].request.requested_at, queues[name][0].request.id)
        )
        ordered.append(queues[source].pop(0))
        served[source] += 1
        if not queues[source]:
            del queues[source]
    return ordered


def origin(source: str) -> str:
    """Return what asked, without the number of the walk: all walks of a journey are one source."""
    return source.partition("#")[0]


def best_set(
    candidates: Sequence[Candidate],
    airspace: Airspace,
    policy: Policy,
    now: int,
    zone: str,
    crowds: Mapping[Crowd, int] = NO_CROWDS,
) -> dict[str, str]:
    """Return which of a class go, by request id, and each one's channel.

    Args:
        candidates: In turn; each could go alone, or as part of a message of ``crowds``.
        crowds: How many there are already in messages that these may be part of.
    """
    search = _Search(candidates, Room(airspace, policy, now, zone), policy, crowds)
    search.go(0, ())
    return {search.candidates[n].case.request.id: channel for n, channel in search.best}


class _Search:
    """Depth first, in turn and in order of preference, so the first of several equally large sets is the one wanted."""

    def __init__(
        self, candidates: Sequence[Candidate], room: Room, policy: Policy, crowds: Mapping[Crowd, int]
    ) -> None:
        self.candidates = candidates
        self.best: tuple[tuple[int, str], ...] = ()
        self._room = room
        self._crowds: Counter[Crowd] = Counter(crowds)
        self._found = False
        self._tries = 0
        self._most = _most(candidates, room, policy)

    def go(self, n: int, taken: tuple[tuple[int, str], ...]) -> None:
        """Go on from candidate ``n``, those before it being decided."""
        if n == len(self.candidates):
            if not self._found or len(taken) > len(self.best):
                self.best, self._found = taken, True
            return
        candidate = self.candidates[n]
        request = candidate.case.request
        for channel in candidate.free:
            if self._is_over(n, taken):
                return
            self._tries += 1
            crowd = crowd_of(candidate.case, candidate.plan, channel)
            joins = crowd is not None and self._crowds[crowd] % largest(candidate.plan) > 0
            if not joins and (channel in candidate.only_joins or not self._room.has(request, candidate.plan, channel)):
                continue
            if crowd is not None:
                self._crowds[crowd] += 1
            if not joins:
                self._room.take(request, candidate.plan, channel)
            self.go(n + 1, (*taken, (n, channel)))
            if not joins:
                self._room.take(request, candidate.plan, channel, by=-1)
            if crowd is not None:
                self._crowds[crowd] -= 1
        if not self._is_over(n + 1, taken):
            self.go(n + 1, taken)

    def _is_over(self, n: int, taken: tuple[tuple[int, str], ...]) -> bool:
        """Tell whether nothing better can come of this way, or enough was tried."""
        if not self._found:
            return False
        best = len(self.best)
        return best >= self._most or self._tries >= TRIES_MAX or len(taken) + len(self.candidates) - n <= best


def crowd_of(case: Case, plan: Plan, channel: str) -> Crowd | None:
    """Return what a message may be part of by a channel; None: it goes alone."""
    request = case.request
    if plan.gather is None or case.carries or request.conflict_group or request.ask_person:
        return None
    return (request.purpose, channel, request.product)


def largest(plan: Plan) -> int:
    """Return how many go as one message at the most."""
    return plan.gather.max if plan.gather is not None else 1


def _most(candidates: Sequence[Candidate], room: Room, policy: Policy) -> int:
    """Return how many could go at the most, so that a search knows when it has found enough."""
    alone = [
        c
        for c in candidates
        if not is_call(c.case.request) and not any(crowd_of(c.case, c.plan, channel) for channel in c.free)
    ]
    most = len(candidates)
    for n, cap in enumerate(policy.caps):
        capped = sum(
            1
            for c in alone
            if any(n == other for other, _ in c.plan.caps)
            and (not cap.channel or all(channel == cap.channel for channel in c.free))
        )
        most = min(most, len(candidates) - capped + max(0, min(capped, room.caps[n])))
    spaced = sum(1 for c in alone if c.plan.gap_ms)
    return min(most, len(candidates) - max(0, spaced - 1))
