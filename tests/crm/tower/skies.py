"""One player's tower among all that goes on around it: gates, lines, a courier and providers, in virtual time.

The tower is the code under test. Everything else here is the little that the store and a courier promise
(``store.ports``), played out with delays that are drawn: turns wait, timers fire late, providers answer late or never,
receipts come in any order.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from crm.addresses import REACHABLE, digest_of
from crm.facts import facts_of
from crm.programme import compile_crm
from crm.tower.airspace import Airspace, airspace_from_parts, changed_parts
from crm.tower.calling_back import REJUDGE
from crm.tower.turn import TowerStep, take_tower_turn
from crm.tower.why import Reason
from domain.decisions import Decision
from domain.dispatch import Dispatch
from domain.entries import (
    Asked,
    ChannelChanged,
    Command,
    Entry,
    Event,
    Fact,
    LogEntry,
    MessageRequest,
    Receipt,
    Reviewed,
    TimerFired,
    Withdrawn,
)
from tests.crm.tower import oracle
from tests.crm.tower.drawn import CHANNELS, DAY, HOUR, PRODUCTS, ZONES, drawn_policy, drawn_requests, drawn_start

LADDER_MS = (5_000, 30_000, 300_000)
CODES = frozenset(reason.value for reason in Reason)
ENDS = frozenset({"cleared", "rerouted", "merged", "refused"})
ROOMLESS = frozenset({"legal", "transactional"})  # they take nobody's room, whatever their priority


@dataclass
class Asking:
    """What became of one request so far."""

    request: MessageRequest
    state: str = "new"  # held, escalated, flying, ended
    decisions: list[Decision] = field(default_factory=list)
    landing: str = ""
    flights: int = 0
    carries: list[MessageRequest] = field(default_factory=list)  # what goes as part of it


class Skies:
    """A drawn player, policy and stream of events; ``live`` plays them, and ``broken`` has what broke a law."""

    def __init__(self, seed: int, *, actions: int = 30) -> None:
        self.r = r = Random(seed)
        zone = r.choice(ZONES)
        self.now = drawn_start(r, zone)
        self.truth = oracle.Truth(zone)
        self.policy = drawn_policy(r)
        self.rules = compile_crm(
            7,
            {"policies": {"default": self.policy}, "settings": {"main": {"timezone": zone}}, "templates": TEMPLATES},
            channels=("in_app", *r.sample(CHANNELS[1:], r.randint(2, 5))),
        )
        self.air = Airspace("ann")
        self.asked: dict[str, Asking] = {}
        self.sends: list[oracle.Sent] = []
        self.broken: list[str] = []
        self.seen: dict[str, int] = {}
        self._actions = actions
        self._pace = r.choice([60_000, 20 * 60_000, 3 * HOUR])
        self._lags = r.choice([(0,), (0, 0, 50, 2_000), (0, 1_000, 60_000, HOUR)])
        self._delays = r.choice([(0, 1_000), (0, 1_000, 600_000), (0, 600_000, 12 * HOUR)])
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._n = self._cleared = 0
        self._turned = self._turns = 0
        self._told: dict[str, Any] = {}
        self._closed: dict[str, ChannelChanged] = {}
        self._timers: set[TimerFired] = set()
        self._reviews: set[str] = set()
        self._muted: set[str] = set()
        self._voids: dict[str, str] = {}
        self._lines: dict[tuple[str, str], list[tuple[Dispatch, int]]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._flights: dict[str, oracle.Sent] = {}  # cleared, the tower has not heard what became of it
        self._unknown: list[oracle.Sent] = []  # the tower takes them for sent
        self._fold(Fact("ann", "reach", {c: digest_of(c) for c in REACHABLE}, self.now))

    # Time

    def live(self) -> "Skies":
        """Play all that happens, then let the time pass until nothing is left to do."""
        at = self.now
        for _ in range(self._actions):
            at += int(self.r.expovariate(1 / self._pace))
            self._at(at, self._something)
        self._at(at + HOUR, self._closed.clear)
        while self._agenda:
            self.now, _, do = heapq.heappop(self._agenda)
            do()
        self._check_the_end()
        return self

    def _at(self, at: int, do: Callable[[], None]) -> None:
        self._n += 1
        heapq.heappush(self._agenda, (max(at, self.now), self._n, do))

    def _lag(self) -> int:
        return int(self.r.choice(self._lags) * self.r.random())

    def _turn(self, do: Callable[[], None]) -> None:
        """Have the player take a turn once those before it are taken."""
        self._turned = max(self._turned, self.now + self._lag())
        self._at(self._turned, do)

    # What happens

    def _something(self) -> None:
        kind, weights = zip(*ACTIONS, strict=True)
        getattr(self, self.r.choices(kind, weights)[0])()

    def _ask(self) -> None:
        self._turn(lambda: self._request(1))

    def _ask_several(self) -> None:
        self._turn(lambda: self._request(self.r.randint(2, 5)))

    def _request(self, count: int) -> None:
        asked = drawn_requests(self.r, len(self.asked), count, self.now)
        self.asked.update((request.id, Asking(request)) for request in asked)
        self._fold(asked[0] if count == 1 else Asked("ann", tuple(asked)))
        if self.r.random() < 0.1:  # it comes again
            self._fold(self.r.choice(asked))

    def _consent(self) -> None:
        key = self.r.choice([*CHANNELS, "promo", "retention", "reward", *(f"{p}/email" for p in PRODUCTS)])
        granted = self.r.random() < 0.5

        def say() -> None:
            self.truth.consent[key] = granted
            self._muted.discard(key) if granted else self._muted.add(key)
            self._event("identified", traits={"consent": {key: granted}})

        self._turn(say)

    def _exclude(self) -> None:
        """The stop stands from the call on; the fact comes when its turn comes."""
        until = None if self.r.random() < 0.3 else self.now + self.r.choice([60_000, 6 * HOUR, DAY])
        reason = "cool_off" if until else "self_exclusion"
        known = self.truth.exclusions.get(reason, 0)
        self.truth.exclusions[reason] = None if until is None or known is None else max(until, known)
        args = {"reason": reason, "since": self.now, "until": until}
        self._turn(lambda: self._tell(Command("ann", f"x{self._n}", "exclude", args)))

    def _readmit(self) -> None:
        def readmit() -> None:
            self.truth.exclusions.clear()
            self._tell(Command("ann", f"x{self._n}", "readmit"))

        self._turn(readmit)

    def _case(self) -> None:
        name = self.r.choice(["support_case_opened", "support_case_solved", "round_started", "round_ended"])
        self._turn(lambda: self._event(name, case_id=self.r.choice(["c1", "c2"])))

    def _move(self) -> None:
        zone = self.r.choice(ZONES)

        def arrive() -> None:
            self.truth.zone, self.truth.moved = zone, True
            self._event("session_started", context={"timezone": zone})

        if self.r.random() < 0.3:
            self._turn(arrive)

    def _withdraw(self) -> None:
        wanted = [asking.request for asking in self.asked.values() if asking.state != "ended"]
        if wanted:
            request = self.r.choice(wanted)
            self._turn(lambda: self._fold(Withdrawn("ann", "goal_met", requests=(request.id,))))

    def _channel(self) -> None:
        """A channel's providers fail, or work again: an entry of the partition, so no player takes a turn for it."""
        channel = self.r.choice(CHANNELS[1:])
        if channel in self._closed and self.r.random() < 0.7:
            del self._closed[channel]
        else:
            until = self.r.choice([0, self.now + 60_000, self.now + HOUR])
            reason = self.r.choice(["provider_down", "budget_spent"])
            self._closed[channel] = ChannelChanged(channel, False, reason, until, self.now)

    def _bounce(self) -> None:
        """An address is dead; the channel has another one later."""
        channel = self.r.choice(REACHABLE)

        def bounce() -> None:
            mark = f"{channel}:{digest_of(channel)}"
            self.truth.dead.symmetric_difference_update({channel})
            self._muted.symmetric_difference_update({mark})
            value = {name: {digest_of(name): "bounced"} for name in self.truth.dead}
            self._fold(Fact("ann", "suppressed", value, self.now))

        self._turn(bounce)

    def _review(self) -> None:
        for request in list(self._reviews):
            if self.r.random() < 0.6:
                approved = self.r.random() < 0.6
                self._turn(lambda r=request, ok=approved: self._fold(Reviewed("ann", r, ok, "zoe")))  # type: ignore[misc]

    def _engage(self) -> None:
        heard = [sent for sent in self.sends if sent.heard_at is not None and sent.channel != "in_app"]
        if heard:
            sent = self.r.choice(heard)
            outcome = self.r.choice(["delivered", "opened", "clicked", "replied"])

            def take() -> None:
                if outcome != "delivered":
                    sent.engaged_at = sent.engaged_at or self.now
                self._fold(Receipt("ann", sent.request.id, sent.channel, outcome, self.now))

            self._turn(take)

    def _event(self, name: str, traits: Any = None, context: Any = None, **properties: Any) -> None:
        self._n += 1
        self._tell(Event("ann", f"e{self._n}", name, self.now, properties, traits or {}, context or {}))

    def _tell(self, entry: Entry) -> None:
        for fact in facts_of(entry, self._told, at=self.now):
            self._told[fact.name] = fact.value
            self._fold(fact)

    # The tower's turn and its commit

    def _fold(self, entry: Entry) -> None:
        """Take the entry as the processor would: refused by the store's stop, it is folded again knowing of it."""
        log = LogEntry(f"{self.now}-{self._n}", self.now, entry)
        self._turns += 1
        step = take_tower_turn(self.rules, self.air, log, closed=self._closed)
        if self.truth.is_excluded(self.now) and any(d.purpose != "legal" for d in step.deliveries):
            step = take_tower_turn(self.rules, self.air, log, stopped=True, closed=self._closed)
        self.air = step.airspace
        self._keep_timers(step)
        self._check_stored()
        for decision in step.decisions:
            self._decided(decision)
        for delivery in step.deliveries:
            self._deliver(self.asked[delivery.message_id])
        for dispatch in step.dispatches:
            self._dispatch(dispatch)
        self._voids.update(step.voids)
        for request, record in step.reviews:
            self._reviews.add(request) if record is not None else self._reviews.discard(request)
        self._check_priorities(step)

    def _keep_timers(self, step: TowerStep) -> None:
        for op in step.timers:
            if not op.set:
                if op.timer not in self._timers:
                    self.broken.append(f"cleared a timer that was never set: {op.timer}")
                self._timers.discard(op.timer)
                continue
            self._timers.add(op.timer)
            late = self.r.choice([0, 0, 1_000, HOUR]) * self.r.random()
            self._at(op.timer.due + int(late), lambda timer=op.timer: self._fire(timer))  # type: ignore[misc]

    def _fire(self, timer: TimerFired) -> None:
        if timer in self._timers:
            self._timers.remove(timer)
            self._fold(timer)

    def _check_stored(self) -> None:
        """What is stored of an airspace is all of it."""
        parts = changed_parts(Airspace(""), self.air)
        if airspace_from_parts("ann", self.air.version, parts) != self.air:
            self.broken.append(f"stored and read, {self.air} is another")

    def _decided(self, decision: Decision) -> None:
        self.seen[decision.outcome] = self.seen.get(decision.outcome, 0) + 1
        asking = self.asked[decision.request_id]
        asking.decisions.append(decision)
        if asking.state == "ended":
            self.broken.append(f"{decision.request_id} had ended and was then {decision.outcome} {decision.reasons}")
        if decision.outcome not in ("cleared", "merged") and not decision.reasons:
            self.broken.append(f"{decision.request_id} was {decision.outcome} for no reason")
        for reason in set(decision.reasons) - CODES:
            self.broken.append(f"{decision.request_id} was {decision.outcome} because of {reason!r}")
        asking.state = decision.outcome if decision.outcome in ("held", "escalated") else "ended"
        if decision.outcome == "merged":
            self.asked[decision.into].carries.append(asking.request)
        if decision.outcome == "held" and not decision.until > self.now:
            self.broken.append(f"{decision.request_id} is held until {decision.until}, it is {self.now}")

    def _deliver(self, asking: Asking) -> None:
        self._send(asking, "in_app", self.now, heard=True)

    def _send(self, asking: Asking, channel: str, cleared_at: int, *, heard: bool) -> oracle.Sent:
        self._cleared += 1
        zone = self.truth.zone
        rank = self._class(asking.request)
        sent = oracle.Sent(asking.request, channel, cleared_at, self._turns, self._cleared, rank, self.now, zone)
        sent.heard_at = self.now if heard else None
        if heard:
            self._really(sent)
        return sent

    def _really(self, sent: oracle.Sent) -> None:
        """The message goes out now."""
        if any(other.request.id == sent.request.id for other in self.sends):
            self.broken.append(f"{sent.request.id} was sent twice")
        self.sends.append(sent)
        self.seen[sent.channel] = self.seen.get(sent.channel, 0) + 1
        for other in self.asked[sent.request.id].carries:
            if self.now >= other.expires_at:
                self.broken.append(f"{other.id} went as part of {sent.request.id} after its expiry")
        is_notice = sent.request.template == "notice"
        for told in oracle.forbidden(self.policy, self.truth, sent, is_legal_notice=is_notice):
            self.broken.append(f"{sent.request.id} ({sent.request.purpose}) went by {sent.channel} {told}")

    # Lines, the courier, providers

    def _dispatch(self, dispatch: Dispatch) -> None:
        asking = self.asked[dispatch.id]
        asking.state, asking.flights = "flying", asking.flights + 1
        if any(dispatch.id == other.id for line in self._lines.values() for other, _ in line):
            self.broken.append(f"{dispatch.id} is in a line already")
        self._flights[dispatch.id] = sent = self._send(asking, dispatch.channel, dispatch.cleared_at, heard=False)
        is_notice = asking.request.template == "notice"
        for told in oracle.forbidden(self.policy, self.truth, sent, is_legal_notice=is_notice):
            if "excluded" not in told:  # the store may know of that before the tower does
                self.broken.append(f"{dispatch.id} was cleared {told}")
        line = (dispatch.channel, dispatch.lane)
        self._lines.setdefault(line, []).append((dispatch, 0))
        self._next(line)

    def _next(self, line: tuple[str, str], after: int = 0) -> None:
        if line not in self._busy and self._lines.get(line):
            self._busy.add(line)
            late = self.r.choice(self._delays) * self.r.random()
            self._at(self.now + after + int(late), lambda: self._claim(line))

    def _claim(self, line: tuple[str, str]) -> None:
        dispatch, tries = self._lines[line][0]
        sent = self._flights[dispatch.id]
        void = self._voids.pop(dispatch.id, "")
        if not dispatch.is_legal and self.truth.is_excluded(self.now):
            return self._settle(line, "stopped", "excluded")
        if muted := self._muted & set(dispatch.marks):
            return self._settle(line, "stopped", f"muted {min(muted)}")
        if void and void != REJUDGE:
            return self._settle(line, "withdrawn", void)
        if self.now >= dispatch.expires_at:
            return self._settle(line, "expired")
        if void:
            return self._settle(line, "returned", void)
        if self.now >= dispatch.send_until:
            return self._settle(line, "returned", "late")
        quiet = self.policy.get("quiet_hours")
        is_bound = quiet and dispatch.channel in quiet["channels"] and dispatch.purpose not in oracle.EXEMPT
        if is_bound and oracle.is_quiet(quiet, self.now, self.truth.zone):
            self.broken.append(f"{dispatch.id} is claimed in quiet hours of {self.truth.zone}")
        answer = self.r.choices(["sent", "retry", "failed", "unclear"], [12, 3, 2, 1])[0]
        if answer == "retry" and tries < len(LADDER_MS):
            self._lines[line][0] = dispatch, tries + 1
            self._busy.discard(line)
            return self._next(line, LADDER_MS[tries])
        if answer == "sent" or (answer == "unclear" and self.r.random() < 0.5):
            sent.at = self.now
            self._really(sent)
        landing = {"sent": "sent", "unclear": "unknown" if dispatch.once else "sent"}.get(answer, "failed")
        return self._settle(line, landing)

    def _settle(self, line: tuple[str, str], landing: str, detail: str = "") -> None:
        """The next of the line may go; the receipt comes to the tower when the player's turn comes."""
        dispatch, _ = self._lines[line].pop(0)
        at = self.now
        took = int(self.r.choice([0, 300, 9_000]) * self.r.random())
        self._busy.discard(line)

        def settled() -> None:
            self._turn(lambda: self._land(dispatch, landing, detail, at))
            self._next(line)

        self._busy.add(line)
        self._at(self.now + took, lambda: (self._busy.discard(line), settled())[1])
        self.seen[landing] = self.seen.get(landing, 0) + 1

    def _land(self, dispatch: Dispatch, landing: str, detail: str, at: int) -> None:
        asking = self.asked[dispatch.id]
        asking.landing = landing
        sent = self._flights.pop(dispatch.id)
        sent.heard_at = self.now
        if landing == "unknown":
            self._unknown.append(replace(sent, at=at))
        asking.state = "landed"
        cause = f"msg:{dispatch.id}:{dispatch.cleared_at}:{landing}"
        self._fold(Receipt("ann", dispatch.id, dispatch.channel, landing, at, detail, "", cause))
        if asking.state == "landed":
            if landing == "returned":
                self.broken.append(f"{dispatch.id} was returned and not judged again")
            asking.state = "ended"
        if self.r.random() < 0.05:  # a courier that was not heard tells it again
            self._fold(Receipt("ann", dispatch.id, dispatch.channel, landing, at, detail, "", cause))

    # Laws

    def _check_priorities(self, step: TowerStep) -> None:
        """Nothing waits for room that a less important message of the same turn was given."""
        cleared = [d for d in step.decisions if d.outcome in ("cleared", "rerouted") and d.purpose not in ROOMLESS]
        for decision in step.decisions:
            request = self.asked[decision.request_id].request
            if decision.outcome not in ("held", "refused") or not self._waits_for_room(decision):
                continue
            less = [d for d in cleared if self._class(self.asked[d.request_id].request) < self._class(request)]
            if not less:
                continue
            gone = {d.request_id for d in less}
            counted = [s for s in (*self.sends, *self._unknown) if s.request.id not in gone]
            counted += [replace(sent, at=self.now) for name, sent in self._flights.items() if name not in gone]
            for channel in {d.channel for d in less} & {a.channel for a in decision.alternatives}:
                wish = oracle.Sent(
                    request, channel, self.now, self._turns + 1, 0, self._class(request), self.now, self.truth.zone
                )
                if oracle.had_room(self.policy, counted, wish):
                    self.broken.append(f"{request.id} was {decision.outcome} for {decision.reasons}, {gone} went")

    def _waits_for_room(self, decision: Decision) -> bool:
        return bool(decision.reasons) and all(
            set(reasons) <= oracle.BUDGET and reasons
            for reasons in (decision.reasons, *(a.reasons for a in decision.alternatives))
        )

    def _class(self, request: MessageRequest) -> int:
        if request.priority is not None:
            return request.priority
        return int(self.policy["priorities"].get(request.purpose, 0))

    def _check_the_end(self) -> None:
        for asking in self.asked.values():
            if asking.state != "ended":
                last = asking.decisions[-1] if asking.decisions else None
                self.broken.append(f"{asking.request.id} is {asking.state} at the end: {last}")
        if self._timers:
            self.broken.append(f"timers are left: {self._timers}")
        if self.air.flying:
            self.broken.append(f"flying at the end: {list(self.air.flying)}")
        if self.air.waiting:
            self.broken.append(f"waiting at the end: {list(self.air.waiting)}")
        if self._reviews:
            self.broken.append(f"a person would still be asked about {self._reviews}")
        self.broken += oracle.broken_budgets(self.policy, self.sends, moved=self.truth.moved)


TEMPLATES: dict[str, Any] = {
    name: {"channel": "in_app", "title": {"en": "Hello"}, "body": {"en": "Come"}, "legal": name == "notice"}
    for name in ("offer", "notice")
}
ACTIONS = (
    ("_ask", 8),
    ("_ask_several", 5),
    ("_consent", 2),
    ("_exclude", 1),
    ("_readmit", 1.5),
    ("_case", 3),
    ("_move", 1),
    ("_withdraw", 1),
    ("_channel", 1.5),
    ("_bounce", 0.7),
    ("_review", 3),
    ("_engage", 3),
)
