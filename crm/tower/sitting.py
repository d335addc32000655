"""One turn's sitting: what is judged together in it, the airspace as it changes, and what the turn gives out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from crm.programme import CrmRules
from crm.tower.airspace import (
    BYTES_MAX,
    WAITING_MAX,
    Airspace,
    Flying,
    Send,
    Waiting,
    size_of,
    with_flying,
    with_seen,
    with_send,
    with_waiting,
    without_flying,
    without_waiting,
)
from crm.tower.arbitration import Candidate, Crowd, best_set, crowd_of, in_turn, largest
from crm.tower.gathering import GATHERING, Place, gathered, reserved_places, window_of, with_places
from crm.tower.judgement import (
    Case,
    Cleared,
    Escalated,
    Held,
    Light,
    Refused,
    Verdict,
    Weighed,
    cleared,
    other_causes,
    outranked,
    weigh,
)
from crm.tower.limits import priority_of, room_obstacles
from crm.tower.merging import merged
from crm.tower.policy import CHANNELS, Plan, is_call
from crm.tower.records import Tally, decision_of, delivery_of, dispatch_of, merged_decision, review_of, tally_of
from crm.tower.why import Reason
from domain.decisions import Decision, Delivery
from domain.dispatch import Dispatch
from domain.entries import ChannelChanged, Command, Landed, MessageRequest, TimerFired
from domain.step import TimerOp

TIMER_KIND = "held"
_CAPACITY = frozenset({Reason.PROVIDER_DOWN.value, Reason.BUDGET_SPENT.value})


class _Group(Struct):
    """A message that goes, with those that go as part of it."""

    case: Case
    verdict: Cleared
    others: list[MessageRequest]


class Sitting:
    """Mutable, and gone with the turn."""

    def __init__(
        self,
        rules: CrmRules,
        airspace: Airspace,
        now: int,
        *,
        stopped: bool,
        closed: Mapping[str, ChannelChanged],
    ) -> None:
        self.airspace = airspace
        self.light = Light(rules.policy, now, rules.timezone, stopped, closed, _Notices(rules))
        self.fired: TimerFired | None = None  # already out of the timers set
        self.decisions: list[Decision] = []
        self.deliveries: list[Delivery] = []
        self.timers: list[TimerOp] = []
        self.dispatches: list[Dispatch] = []
        self.voids: list[tuple[str, str]] = []
        self.reviews: list[tuple[str, dict[str, Any] | None]] = []
        self.tallies: list[Tally] = []
        self.told: list[Landed | Command] = []  # for the players' log: what turns wait to hear
        self._rules = rules
        self._before: dict[str, Waiting] = {}  # as they waited, of those that are being judged again
        self._start = airspace  # as it was before those that are judged together
        self._going: list[_Group] = []
        self._groups: dict[Crowd, _Group] = {}  # of those going, the ones that others may still join

    # What comes to be judged

    def ask(self, requests: Sequence[MessageRequest]) -> None:
        """Judge new requests, together with what is due."""
        if len(requests) == 1 and not self.airspace.waiting:
            request = requests[0]
            if self.light.policy.plan(request.purpose).gather is None:
                case = Case(request)
                self.conclude(case, weigh(case, self.airspace, self.light).verdict)
                return
        if requests:
            self._settle([*map(Case, requests), *map(self.taken, self._ripe())])
            self._make_room()

    def judge_again(self, waiting: Iterable[Waiting], again: Sequence[Case] = ()) -> None:
        """Judge waiting ones and others once more, together with what is due."""
        meant = {held.request.id: held for held in (*self._ripe(), *waiting)}
        cases = [*again, *map(self.taken, meant.values())]
        if cases:
            self._settle(cases)
            self._make_room()

    def _ripe(self) -> list[Waiting]:
        """Those whose time has come, and those that wait for a channel that is open again."""
        now, closed = self.light.now, self.light.closed
        return [
            held
            for held in self.airspace.waiting.values()
            if held.until <= now
            or (not _CAPACITY.isdisjoint(held.reasons) and closed.keys().isdisjoint(_channels(held.request)))
        ]

    def taken(self, held: Waiting) -> Case:
        """Take a waiting request out to be judged again."""
        request = held.request
        self._before[request.id] = self.airspace.waiting[request.id]
        self.airspace = without_waiting(self.airspace, request.id)
        gathers = held.reasons == GATHERING and held.until > self.light.now
        window = held.until if gathers else 0
        return Case(request, held.tried, held.approved, held.carries, held.generation, window)

    def landed(self, flying: Flying) -> None:
        """Take a request out of those on their way."""
        self.airspace = without_flying(self.airspace, flying.request.id)

    def take_back(self, flying: Flying, reason: str) -> None:
        """Have the courier not send it; its receipt will tell whether that was in time."""
        self.voids.append((flying.request.id, reason))
        self.airspace = with_flying(self.airspace, structs.replace(flying, withdrawn=reason))

    # Judging

    def _settle(self, cases: list[Case]) -> None:
        """Judge cases together, class by class."""
        self._start = self.airspace
        classes: dict[int, list[Case]] = {}
        for case in self._not_gathering(cases):
            classes.setdefault(self._priority(case.request), []).append(case)
        for priority in sorted(classes, reverse=True):
            self._serve(classes[priority], priority)
        for group in self._going:
            self._send_group(group)
        self._going.clear()
        self._groups.clear()

    def _plan(self, request: MessageRequest) -> Plan:
        return self.light.policy.plan(request.purpose)

    def _priority(self, request: MessageRequest) -> int:
        return priority_of(request, self._plan(request))

    def _serve(self, cases: list[Case], priority: int) -> None:
        """Judge the cases of one class."""
        ordered = in_turn(cases, self.airspace.sends)
        reserved = reserved_places(self.airspace, self.light.policy, priority, self.light.now)
        beside = with_places(self.airspace, reserved)
        found: list[tuple[Candidate, Weighed]] = []
        for case in ordered:
            joins = self._joins(case)
            weighed = weigh(case, beside, self.light, every=len(ordered) > 1, joins=joins)
            if weighed.free:
                found.append((self._candidate(case, weighed, joins, beside), weighed))
            elif reserved and weigh(case, self.airspace, self.light, joins=joins).free:
                until = min(case.request.expires_at, *(until for _, until in reserved))
                self.conclude(
                    case, Held(until, (Reason.OUTRANKED.value,), getattr(weighed.verdict, "alternatives", ()))
                )
            else:
                lost = bool(self._going) and bool(weigh(case, self._start, self.light).free)
                self.conclude(case, outranked(weighed.verdict) if lost else weighed.verdict)
        if len(found) == 1:
            self._clear(found[0][0].case, found[0][1], found[0][1].free[0])
        elif found:
            self._choose(found, reserved)

    def _choose(self, found: list[tuple[Candidate, Weighed]], reserved: list[Place]) -> None:
        """Clear the best set; the others wait, or end, beside what went."""
        beside = with_places(self.airspace, reserved)
        crowds = {crowd: 1 + len(group.others) for crowd, group in self._groups.items()}
        zone = beside.facts.timezone or self.light.timezone
        candidates = [candidate for candidate, _ in found]
        chosen = best_set(candidates, beside, self.light.policy, self.light.now, zone, crowds)
        for candidate, weighed in found:
            if channel := chosen.get(candidate.case.request.id):
                self._clear(candidate.case, weighed, channel)
        for candidate, _ in found:
            case = candidate.case
            if case.request.id in chosen:
                continue
            beside = with_places(self.airspace, reserved)
            weighed = weigh(case, beside, self.light, joins=self._joins(case))
            if weighed.free:
                self._clear(case, weighed, weighed.free[0])
            else:
                self.conclude(case, outranked(weighed.verdict))

    def _candidate(self, case: Case, weighed: Weighed, joins: frozenset[str], beside: Airspace) -> Candidate:
        plan, only = self._plan(case.request), frozenset[str]()
        if joins:
            zone, policy, now = beside.facts.timezone or self.light.timezone, self.light.policy, self.light.now
            only = frozenset(
                channel
                for channel in joins.intersection(weighed.free)
                if room_obstacles(case.request, channel, beside, policy, plan, now, zone)
            )
        return Candidate(case, plan, weighed.free, only)

    # Several as one

    def _not_gathering(self, cases: list[Case]) -> list[Case]:
        """Have those that would go wait a moment for others of their kind; return the rest."""
        policy = self.light.policy
        if not policy.gather:
            return cases
        now_judged: list[Case] = []
        for case in cases:
            plan = self._plan(case.request)
            window = window_of(case, plan, self.airspace, self.light.now)
            if window <= self.light.now:
                now_judged.append(structs.replace(case, window=0))
                continue
            verdict = weigh(case, self.airspace, self.light).verdict
            if isinstance(verdict, Cleared):
                verdict = Held(window, GATHERING, verdict.alternatives)
            self.conclude(case, verdict)
        for rule in policy.gather:
            together = gathered(self.airspace, rule)
            if len(together) >= rule.max:
                now_judged += [structs.replace(self.taken(held), window=0) for held in together]
        return now_judged

    def _joins(self, case: Case) -> frozenset[str]:
        """Return the channels by which a message goes that this one may be part of."""
        if not self._groups:
            return frozenset()
        plan, request = self._plan(case.request), case.request
        return frozenset(
            channel
            for (purpose, channel, product), group in self._groups.items()
            if purpose == request.purpose
            and product == request.product
            and crowd_of(case, plan, channel)
            and (1 + len(group.others)) % largest(plan)
        )

    def _send_group(self, group: _Group) -> None:
        case, channel = group.case, group.verdict.channel
        if not group.others:
            self._send(case, group.verdict)
            return
        plan = self._plan(case.request)
        name = plan.gather.template if plan.gather else ""
        request = merged(
            case.request,
            group.others,
            channel,
            self._rules.templates.get(name),
            locale=self.airspace.facts.locale or self._rules.locale,
            fallback_locale=self._rules.locale,
        )
        others = tuple(other.id for other in group.others)
        self._send(structs.replace(case, request=request, carries=others), group.verdict)
        for other in group.others:
            decision = merged_decision(other, request.id, channel, now=self.light.now, version=self._rules.version)
            self._tell(decision)
            self._tell_player(other, "merged", channel)

    # What a verdict does

    def _clear(self, case: Case, weighed: Weighed, channel: str) -> None:
        """Let a message go, alone, as the first of a group or as part of one; all are sent at the end, in order."""
        plan = self._plan(case.request)
        crowd = crowd_of(case, plan, channel)
        group = self._groups.get(crowd) if crowd is not None else None
        self._forget(case)
        if group is not None and (1 + len(group.others)) % largest(plan):
            self.airspace = with_seen(self.airspace, case.request.id)
            group.others.append(case.request)
            return
        group = _Group(case, cleared(weighed, case.request, channel, self.airspace), [])
        self._going.append(group)
        if crowd is not None:
            self._groups[crowd] = group
        self._take_place(case.request, channel)

    def conclude(self, case: Case, verdict: Verdict) -> None:
        """Do what a verdict says about one request."""
        match verdict:
            case Cleared(channel):
                self._forget(case)
                self._take_place(case.request, channel)
                self._send(case, verdict)
            case Held() | Escalated():
                self._wait(case, verdict)
            case Refused():
                self._forget(case)
                self.airspace = with_seen(self.airspace, case.request.id)
                self._tell(decision_of(case.request, verdict, now=self.light.now, version=self._rules.version))
                self._tell_player(case.request, "refused")

    def end(self, request: MessageRequest, reasons: tuple[str, ...]) -> None:
        """Record that a request that was on its way is over."""
        self._tell(decision_of(request, Refused(reasons), now=self.light.now, version=self._rules.version))

    def _take_place(self, request: MessageRequest, channel: str) -> None:
        airspace, is_out = with_seen(self.airspace, request.id), channel != "in_app"
        if is_call(request):
            self.airspace = airspace
            return
        send = Send(
            self.light.now, request.purpose, channel, request.id, request.source, request.conflict_group, is_out
        )
        self.airspace = with_send(airspace, send, self.light.policy)

    def _send(self, case: Case, verdict: Cleared) -> None:
        request, channel, now, version = case.request, verdict.channel, self.light.now, self._rules.version
        self._tell(decision_of(request, verdict, now=now, version=version))
        if case.carries:
            self._tell_player(request, "merged", channel)
        elif channel == "in_app":
            self._tell_player(request, "sent", channel)
        if channel == "in_app":
            self.deliveries.append(delivery_of(request, now))
            return
        zone = self.airspace.facts.timezone or self.light.timezone
        policy, facts = self.light.policy, self.airspace.facts
        self.dispatches.append(dispatch_of(request, channel, facts, policy, now=now, zone=zone, version=version))
        flying = Flying(
            request, channel, now, case.generation, case.tried, case.approved, case.carries, size=size_of(request)
        )
        self.airspace = with_flying(self.airspace, flying)

    def _wait(self, case: Case, verdict: Held | Escalated) -> None:
        """Have a request wait; one that waits on for the same is left as it is, unless its timer has fired.

        One whose time has come and that waits on for the same has a new timer, and nothing to tell: else a channel that
        is closed for a day would fill the history.
        """
        request = case.request
        before = self._before.get(request.id)
        held = Waiting(
            request,
            verdict.until,
            verdict.reasons,
            case.generation,
            case.tried,
            case.approved,
            isinstance(verdict, Escalated),
            case.carries,
            other_causes(verdict),
            before.size if before is not None else size_of(request),
        )
        if before is not None and held == before and _timer(before) != self.fired:
            self._before.pop(request.id)
            self.airspace = with_waiting(self.airspace, before)
            return
        self._forget(case)
        held = structs.replace(held, generation=case.generation + 1)
        self.airspace = with_waiting(self.airspace, held)
        self.timers.append(TimerOp(_timer(held)))
        if before is not None and before.until <= self.light.now and not held.escalated and _is_same_wait(before, held):
            return
        if isinstance(verdict, Escalated):
            self.reviews.append((request.id, review_of(request, verdict, self.light.now)))
        self._tell(decision_of(request, verdict, now=self.light.now, version=self._rules.version))

    def _make_room(self) -> None:
        """Refuse the least important of more waiting requests than ``WAITING_MAX`` or ``BYTES_MAX``; one is let be."""
        waiting = self.airspace.waiting
        count, size = len(waiting), sum(held.size for held in waiting.values())
        if count <= WAITING_MAX and size <= BYTES_MAX:
            return
        for held in sorted(waiting.values(), key=self._rank, reverse=True):
            if count == 1 or (count <= WAITING_MAX and size <= BYTES_MAX):
                return
            count, size = count - 1, size - held.size
            self.conclude(self.taken(held), Refused((Reason.TOO_MANY_WAITING.value,)))

    def _rank(self, held: Waiting) -> tuple[int, int, str]:
        request = held.request
        return -self._priority(request), request.requested_at, request.id

    def _forget(self, case: Case) -> None:
        """Clear what a request that waited has outside the airspace."""
        before = self._before.pop(case.request.id, None)
        if before is None:
            return
        if (timer := _timer(before)) != self.fired:
            self.timers.append(TimerOp(timer, set=False))
        if before.escalated:
            self.reviews.append((before.request.id, None))

    def _tell_player(self, request: MessageRequest, outcome: str, channel: str = "") -> None:
        if request.tells:
            self.told.append(Landed(request.player, request.id, outcome, channel, self.light.now))

    def _tell(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.tallies.append(tally_of(decision))


class _Notices:
    """The templates that are marked as legal notices, asked by name."""

    __slots__ = ("_rules",)

    def __init__(self, rules: CrmRules) -> None:
        self._rules = rules

    def __contains__(self, name: object) -> bool:
        return bool(getattr(self._rules.templates.get(str(name)), "legal", False))


def _channels(request: MessageRequest) -> tuple[str, ...]:
    return CHANNELS if not request.channels or "best" in request.channels else request.channels


def _is_same_wait(before: Waiting, held: Waiting) -> bool:
    """Tell whether a message goes on waiting for what it waited for, until another time."""
    return held == structs.replace(before, until=held.until, generation=held.generation)


def _timer(held: Waiting) -> TimerFired:
    return TimerFired(held.request.player, TIMER_KIND, held.request.id, held.until, held.generation)
