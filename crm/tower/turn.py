"""The control tower of one player: entries in; decisions, deliveries and timers out. Pure.

It never drops a message in silence: a request ends cleared, rerouted or refused, and what waits has a timer.
"""

from collections.abc import Callable

from msgspec import Struct

from crm.programme import CrmRules
from crm.tower.airspace import (
    WAITING_MAX,
    Airspace,
    Send,
    Waiting,
    has_seen,
    with_fact,
    with_seen,
    with_send,
    with_waiting,
    without_waiting,
)
from crm.tower.judgement import Cleared, Held, Refused, Verdict, judge
from crm.tower.why import Reason
from domain.decisions import Decision, Delivery, Outcome
from domain.entries import Fact, LogEntry, MessageRequest, TimerFired
from domain.step import TimerOp

TIMER_KIND = "held"


class TowerStep(Struct, frozen=True):
    """What one entry did: the next airspace, and what the shell commits beside it, in this order."""

    airspace: Airspace
    decisions: tuple[Decision, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    timers: tuple[TimerOp, ...] = ()


def take_tower_turn(rules: CrmRules, airspace: Airspace, entry: LogEntry, *, stopped: bool = False) -> TowerStep:
    """Fold one entry of the tower's log into one player's airspace.

    A request is judged at once, and one whose id was seen changes nothing. A fact that may end a hold has the
    waiting ones judged again, an exclusion refuses them all, and a timer all that are due: always in order of
    priority, then of request, each against the sends of those before it. Other entries change nothing.

    Args:
        stopped: The store has a confirmed stop for the player; counts as an exclusion.
    """
    turn = _Turn(rules, airspace, now=entry.at, stopped=stopped)
    match entry.entry:
        case MessageRequest() as request if not has_seen(airspace, request.id):
            turn.decide(request)
            turn.make_room()
        case Fact() as fact:
            turn.airspace = with_fact(airspace, fact)
            if turn.airspace is not airspace:
                turn.decide_again(lambda held: _concerns(fact, held))
        case TimerFired(kind="held") as timer:
            held = airspace.waiting.get(timer.ref)
            if held is not None and held.generation == timer.generation:
                turn.fired = timer
                turn.decide_again(lambda other: other is held or other.until <= entry.at)
        case _:
            pass
    return turn.step()


def _concerns(fact: Fact, held: Waiting) -> bool:
    """Tell whether a fact may change the judgement of a message that waits, so that rounds do not re-judge all."""
    if fact.name in ("support_case", "round_in_play"):
        reason = Reason.SUPPORT_CASE_OPEN if fact.name == "support_case" else Reason.ROUND_IN_PLAY
        return reason in held.reasons and not fact.value["open"]
    return fact.name in ("excluded", "consent", "timezone", "merged_into")


class _Turn:
    """One entry's turn: the airspace as it changes, and what it gives out."""

    def __init__(self, rules: CrmRules, airspace: Airspace, *, now: int, stopped: bool) -> None:
        self.airspace = airspace
        self.fired: TimerFired | None = None  # already out of the timers set
        self._rules = rules
        self._now = now
        self._stopped = stopped
        self._decisions: list[Decision] = []
        self._deliveries: list[Delivery] = []
        self._timers: list[TimerOp] = []

    def step(self) -> TowerStep:
        return TowerStep(self.airspace, tuple(self._decisions), tuple(self._deliveries), tuple(self._timers))

    def decide(self, request: MessageRequest) -> None:
        """Judge a request and do what the verdict says."""
        rules = self._rules
        verdict = judge(
            request, self.airspace, rules.policy, now=self._now, timezone=rules.timezone, stopped=self._stopped
        )
        before = self.airspace.waiting.get(request.id)
        if before is not None:
            self._forget(before)
        self._record(request, verdict)
        match verdict:
            case Cleared(channel):
                self.airspace = with_seen(self.airspace, request.id)
                send = Send(self._now, request.purpose, channel)
                self.airspace = with_send(self.airspace, send, rules.policy)
                if channel == "in_app":
                    self._deliveries.append(_delivery(request, self._now))
            case Held(until, reasons):
                generation = before.generation + 1 if before else 0
                held = Waiting(request, until, reasons, generation)
                self.airspace = with_waiting(self.airspace, held)
                self._timers.append(TimerOp(_timer(held)))
            case Refused():
                self.airspace = with_seen(self.airspace, request.id)

    def decide_again(self, concerned: Callable[[Waiting], bool]) -> None:
        """Judge waiting requests again, the most important first."""
        for held in self._by_priority():
            if concerned(held):
                self.decide(held.request)

    def make_room(self) -> None:
        """Refuse the least important of more than ``WAITING_MAX`` waiting requests."""
        for held in self._by_priority()[WAITING_MAX:]:
            self._forget(held)
            self.airspace = with_seen(self.airspace, held.request.id)
            self._record(held.request, Refused((Reason.TOO_MANY_WAITING.value,)))

    def _by_priority(self) -> list[Waiting]:
        return sorted(self.airspace.waiting.values(), key=self._rank)

    def _rank(self, held: Waiting) -> tuple[int, int, str]:
        request = held.request
        priority = request.priority
        if priority is None:
            priority = self._rules.policy.priorities.get(request.purpose, 0)
        return -priority, request.requested_at, request.id

    def _forget(self, held: Waiting) -> None:
        timer = _timer(held)
        if timer != self.fired:
            self._timers.append(TimerOp(timer, set=False))
        self.airspace = without_waiting(self.airspace, held.request.id)

    def _record(self, request: MessageRequest, verdict: Verdict) -> None:
        outcome, channel, reasons, until = _told(verdict)
        self._decisions.append(
            Decision(
                request_id=request.id,
                template=request.template,
                purpose=request.purpose,
                outcome=outcome,
                at=self._now,
                policy_version=self._rules.version,
                channel=channel,
                reasons=reasons,
                until=until,
                alternatives=verdict.alternatives,
                title=str(request.content.get("title", "")),
            )
        )


def _told(verdict: Verdict) -> tuple[Outcome, str, tuple[str, ...], int]:
    match verdict:
        case Cleared(channel, rerouted, alternatives):
            reasons = alternatives[0].reasons if rerouted and alternatives else ()
            return ("rerouted" if rerouted else "cleared"), channel, reasons, 0
        case Held(until, reasons):
            return "held", "", reasons, until
        case Refused(reasons):
            return "refused", "", reasons, 0


def _delivery(request: MessageRequest, now: int) -> Delivery:
    content = request.content
    return Delivery(
        message_id=request.id,
        template=request.template,
        purpose=request.purpose,
        title=str(content.get("title", "")),
        body=str(content.get("body", "")),
        at=now,
        expires_at=request.expires_at,
        action=content.get("action") or {},
    )


def _timer(held: Waiting) -> TimerFired:
    return TimerFired(held.request.player, TIMER_KIND, held.request.id, held.until, held.generation)
