"""One player's walk through one journey, while a turn works on it.

Every change is written to the turn at once: the record, the effects, the timer and the group of those who wait at a
node. A walk under way is at exactly one node, with exactly one timer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from crm.choices import course
from crm.journeys import choosing, nodes
from crm.journeys.measures import Measures, edges, steps_done
from crm.journeys.moments import due_at
from crm.journeys.node_config import DelayNode, JourneyNode
from crm.journeys.reasons import Ending, Outcome, Reason
from crm.journeys.rules import Interrupt, Journey, JourneyRules, Node, Occasion
from crm.working import Turn
from domain.conditions import next_change
from domain.effects import JourneyEnded, JourneyStepped
from domain.player import Enrolment, JourneyRecord
from domain.step import GroupOp

TIMER = "journey"

CAMPAIGNS = "campaigns/"  # begins the ids of journeys that are campaigns
NODES_PER_TURN_MAX = 50  # that do not wait; a walk that would pass more goes on in the next turn
AGAIN_MS = 60_000  # a walk that comes to the same node twice in a turn rests so long


@dataclass(slots=True)
class Round:
    """What the walks of one turn share."""

    rules: JourneyRules
    turn: Turn
    walks: "dict[str, Walk]" = field(default_factory=dict)  # under way, by journey
    passed: int = 0  # nodes, of all walks
    begins: list[tuple[JourneyNode, "Walk"]] = field(default_factory=list)  # journeys that nodes begin, and from where
    returns: list[tuple[str, Reason]] = field(default_factory=list)  # walks whose sub-journey is over


class Walk:
    """A walk under way. ``held`` is its stored form, replaced at each change."""

    __slots__ = (
        "_before",
        "_measured",
        "_measures",
        "been",
        "ended",
        "held",
        "journey",
        "place",
        "record",
        "round",
        "turn",
    )

    def __init__(self, round_: Round, journey: Journey, record: JourneyRecord) -> None:
        assert record.active is not None
        self.round = round_
        self.turn = round_.turn
        self.journey = journey
        self.record = record
        self.held: Enrolment = record.active
        self.place = self.held.node if self.held.generation else ""  # whose group the player is in
        self.ended = False
        self.been: set[str] = set()  # nodes that this turn has led to
        self._before = self.held
        self._measured: Enrolment | None = None

    @property
    def ref(self) -> str:
        """The name of the walk in timers, and in the walks that it has begun."""
        return f"{self.journey.id}#{self.held.number}"

    @property
    def source(self) -> str:
        """What the messages that it asks for say of where they come from."""
        return source_of(self.journey.id, self.held.number)

    @property
    def node(self) -> Node:
        return self.journey.nodes[self.held.node]

    # --- judging: what a turn means to the walk ---

    def asks(self) -> None:
        """Let ``journey.*`` of the next conditions be this walk's."""
        if self._measured is not self.held:
            self._measured, self._measures = self.held, Measures(self.journey, self.held, self.turn.at)
        self.turn.journey = self._measures

    def judge(self) -> None:
        """Note milestones, then end the walk for its goal, an exit or its age, wherever the player is."""
        journey, event = self.journey, self.turn.event
        if journey.asks or (event is not None and event.name in journey.listens):
            self.asks()
            self.note_milestones()
            if ending := self._over():
                self.end(*ending)
                return
        if self.turn.at >= self._expires_at():
            self.end(Ending.EXPIRED, Reason.MAX_DURATION)

    def note_milestones(self, *, conditions_only: bool = False) -> None:
        """Write down the steps that are done now; each is noted once."""
        for step in self.journey.steps:
            happens = step.occasion.holds if conditions_only else step.occasion.happens
            if step.id not in self.held.steps and happens(self.turn):
                self.change(steps={**self.held.steps, step.id: self.turn.at})
                self.asks()  # the next may count this one
                self.step(Outcome.MILESTONE, _why(step.occasion), detail=step.id)

    def react(self) -> None:
        """Let what happened move the player from where they wait: interrupts, then the node's own.

        In this order: interrupts in the order written; a pause that is over; struggle; what a wait waits for;
        ``skip_when``; the end of the delay or the timeout; dwell. The first that applies moves the player. An event
        that comes after the timeout, but before the engine noticed it, still counts.
        """
        self.asks()
        interrupt = self._interrupt()
        if interrupt is not None:
            self.change(used=_with(self.held.used, f"interrupt:{interrupt.id}"))
            self.step(Outcome.INTERRUPTED, _why(interrupt.occasion), interrupt.to, interrupt.id)
            self.travel(interrupt.to)
        elif self.held.paused:
            if self.turn.at >= self.held.due:
                self.travel(self.held.node)
        elif (helped := self._struggles()) is not None:
            self.step(Outcome.HELPED, Reason.STRUGGLE, helped)
            self.travel(helped)
        else:
            self._go_on_if_over()
        if not self.ended:
            self.settle()

    def resume(self, reason: Reason) -> None:
        """Go on if the sub-journey that is waited for is over."""
        if isinstance(self.node.config, JourneyNode) and not self.held.paused and self._child() is None:
            self.go_on(Outcome.WAITED, reason, self.node.config.next)

    def _go_on_if_over(self) -> None:
        node, now = self.node, self.turn.at
        if node.wanted is not None and node.wanted.happens(self.turn):
            self.go_on(Outcome.WAITED, _why(node.wanted), nodes.on_event(node))
        elif reason := self.skips(node):
            self.go_on(Outcome.SKIPPED, reason, node.config.skips_to)
        elif 0 < self.held.due <= now:
            self.go_on(*nodes.when_due(node))
        elif (late := self._dwells_until()) and late <= now:
            assert node.config.dwell is not None
            self.change(used=_with(self.held.used, f"dwell:{node.id}"))
            self.step(Outcome.HELPED, Reason.DWELL, node.config.dwell.to)
            self.travel(node.config.dwell.to)
        else:
            self.resume(Reason.JOURNEY_ENDED)

    def _over(self, *, conditions_only: bool = False) -> tuple[Ending, Reason] | None:
        """Return how the walk ends now: the goal comes before what else ends it."""
        goal = self.journey.goal
        if goal is not None and (goal.holds if conditions_only else goal.happens)(self.turn):
            return Ending.GOAL, _why(goal)
        for occasion in self.journey.exits:
            if (occasion.holds if conditions_only else occasion.happens)(self.turn):
                return Ending.EXIT, _why(occasion)
        return None

    def over_at_once(self) -> Ending | None:
        """Return how the walk would end before its first step, by a condition that holds already."""
        self.asks()
        ending = self._over(conditions_only=True)
        return ending[0] if ending else None

    def skips(self, node: Node) -> Reason | None:
        """Return why the node is to be passed over, if it is."""
        if node.skip_step:
            return Reason.GOAL_ALREADY_MET if node.skip_step in self.held.steps else None
        return Reason.CONDITION if node.skip_when is not None and node.skip_when.holds(self.turn) else None

    def _interrupt(self) -> Interrupt | None:
        for interrupt in self.journey.interrupts:
            used = self.held.used
            is_used = interrupt.once and bool(used) and f"interrupt:{interrupt.id}" in used
            if not is_used and interrupt.occasion.happens(self.turn):
                return interrupt
        return None

    def _struggles(self) -> str | None:
        """Count a try in vain; return where help is once there were too many."""
        struggle = self.node.struggle
        if struggle is None or not struggle.occasion.happens(self.turn):
            return None
        key = f"struggle:{self.held.node}"
        if key in self.held.used:
            return None
        since = self.turn.at - struggle.within_ms if struggle.within_ms else 0
        tries = (*(at for at in self.held.tries if at > since), self.turn.at)
        if len(tries) < struggle.count:
            self.change(tries=tries)
            self.asks()
            return None
        self.change(tries=tries, used=_with(self.held.used, key))
        return struggle.to

    # --- moving ---

    def go_on(self, outcome: Outcome, reason: Reason, target: str | None) -> None:
        """Record how the node was left, and walk on."""
        self.step(outcome, reason, target)
        self.travel(target)

    def travel(self, target: str | None) -> None:
        """Walk from node to node until one waits or the journey ends; goal and exits are asked at each."""
        self.leave()
        is_on_the_way = False
        while True:
            if target is None:
                self.end(Ending.COMPLETED, Reason.LAST_NODE)
                return
            node = self.journey.nodes[target]
            if is_on_the_way and self._ends_on_the_way():
                return
            if target in self.been:
                self._pause(node, self.turn.at + AGAIN_MS, Reason.SAME_NODE_AGAIN)
                return
            if self.round.passed >= NODES_PER_TURN_MAX and not node.config.waits:
                self._pause(node, self.turn.at, Reason.TOO_MANY_NODES)
                return
            self.been.add(target)
            is_on_the_way = True
            way = self._arrive(node)
            if self.ended or way is None:
                break
            target = way.to
        if not self.ended:
            self.settle()

    def _arrive(self, node: Node) -> "nodes.Way | None":
        """Come to a node and let it do what it does; None: the player stays, or the walk has ended."""
        self.round.passed += 1
        now, held = self.turn.at, self.held
        self.change(node=node.id, arrived_at=now, due=0, tries=(), taken=held.taken + 1, paused=False)
        self.asks()
        if reason := self.skips(node):
            self.step(Outcome.SKIPPED, reason, node.config.skips_to)
            return nodes.Way(node.config.skips_to)
        if not node.config.waits:
            return nodes.run(self, node)
        due: int | Reason | None
        if isinstance(node.config, DelayNode) and node.config.choose is not None:
            due = choosing.time_of(self, node.config, nodes.key_of(self))
            if isinstance(due, Reason):
                self.step(Outcome.DELAYED, due, node.config.next)
                return nodes.Way(node.config.next)
        else:
            due = due_at(node, now, self.turn.zone, held.data)
        way = nodes.arrive(self, node, due)
        if way is None:
            self.change(due=due or 0)
        return way

    def _ends_on_the_way(self) -> bool:
        if not self.journey.asks:
            return False
        self.asks()
        self.note_milestones(conditions_only=True)
        if ending := self._over(conditions_only=True):
            self.end(*ending)
        return self.ended

    def _pause(self, node: Node, until: int, reason: Reason) -> None:
        self.change(node=node.id, arrived_at=self.turn.at, due=until, tries=(), paused=True)
        self.step(Outcome.PAUSED, reason)
        self.settle()

    def leave(self) -> None:
        """Take the player away from where they wait: group, timer, and the sub-journey that is waited for."""
        if self.place:
            self.turn.groups.append(GroupOp(self._group(self.place), add=False))
            self.place = ""
        self._disarm()
        if self.turn.choices.open:
            course.leave(self.turn, nodes.key_of(self))
        child = self._child()
        if child is not None:
            child.end(Ending.EXIT, Reason.LEFT_BEHIND)

    def end(self, outcome: Ending, reason: Reason | str = "") -> None:
        """End the walk; what waits for it goes on when the others have been judged."""
        self.leave()
        self.ended = True
        self.round.walks.pop(self.journey.id, None)
        self.record = structs.replace(self.record, outcome=outcome.value, last_ended_at=self.turn.at, active=None)
        self.turn.set_journey(self.journey.id, self.record)
        self.turn.effects.append(
            JourneyEnded(self.journey.id, self.held.number, outcome.value, self.held.node, str(reason))
        )
        take_back(self.turn, self.journey.id, self.held, outcome)
        if self.held.parent:
            self.round.returns.append((self.held.parent, Reason.JOURNEY_ENDED))

    def settle(self) -> None:
        """Put the player into the node's group, and see that the timer is not later than anything time may bring."""
        if self.place != self.held.node:
            self.turn.groups.append(GroupOp(self._group(self.held.node)))
            self.place = self.held.node
        if self.held is self._before and self.held.armed and not (self.journey.asks_clock or self.node.asks_clock):
            return  # nearly every event: nothing has moved that the timer depends on
        due = min(self._deadlines())
        if self.held.armed and self.held.armed <= due:
            return  # it wakes early at worst, and is set anew then
        self._disarm()
        generation = self.held.generation + 1
        self.turn.set_timer(TIMER, self.ref, due, generation)
        self.change(armed=due, generation=generation)

    def _disarm(self) -> None:
        if self.held.armed:
            self.turn.clear_timer(TIMER, self.ref, self.held.armed, self.held.generation)
            self.change(armed=0)

    def _deadlines(self) -> Iterator[int]:
        """Yield every moment at which time alone may mean something to the walk."""
        yield self._expires_at()
        if self.held.due:
            yield self.held.due
        if dwell := self._dwells_until():
            yield dwell
        if not self.journey.timed and not self.node.timed:
            return
        self.asks()
        for timed in (*self.journey.timed, *self.node.timed):
            if at := next_change(timed.condition, self.turn):
                yield at
            yield from edges(self.journey, self.held, timed, self.turn.at)

    def _expires_at(self) -> int:
        return self.held.entered_at + self.journey.config.limits.max_duration * 1000

    def _dwells_until(self) -> int:
        node = self.node
        is_over = not node.dwell_ms or self.held.paused or f"dwell:{node.id}" in self.held.used
        return 0 if is_over else self.held.arrived_at + node.dwell_ms

    def _child(self) -> "Walk | None":
        """Return the walk that this one waits for, if it is under way."""
        if not isinstance(self.node.config, JourneyNode):
            return None
        child = self.round.walks.get(self.node.config.journey)
        return child if child is not None and child.held.parent == self.ref else None

    # --- writing down ---

    def change(self, **changes: Any) -> None:
        """Replace fields of the stored walk."""
        self.held = structs.replace(self.held, **changes)
        self.record = structs.replace(self.record, active=self.held)
        self.turn.set_journey(self.journey.id, self.record)

    def step(self, outcome: Outcome, reason: Reason | str = "", target: str | None = "", detail: str = "") -> None:
        """Record one step, with its cause in the turn's record."""
        self.turn.effects.append(
            JourneyStepped(
                self.journey.id, self.held.number, self.held.node, outcome.value, str(reason), target or "", detail
            )
        )

    def steps_done(self) -> int:
        return steps_done(self.journey, self.held)

    def _group(self, node: str) -> str:
        return f"journeys/{self.journey.id}/{node}"


def source_of(journey: str, number: int) -> str:
    """Return ``MessageRequest.source`` of a walk: ``journeys/<id>#<number>``, ``campaigns/<id>#<number>``."""
    return f"{journey if journey.startswith(CAMPAIGNS) else f'journeys/{journey}'}#{number}"


def take_back(turn: Turn, journey: str, held: Enrolment, outcome: Ending) -> None:
    """Withdraw what a walk asked for in earlier turns, unless it was walked to its end or took too long."""
    if held.messages and outcome in (Ending.GOAL, Ending.EXIT, Ending.REMOVED):
        turn.withdraw(source_of(journey, held.number), "goal_met" if outcome is Ending.GOAL else "journey_ended")


def _why(occasion: Occasion) -> Reason:
    if occasion.patterns:
        return Reason.PATTERN
    return Reason.EVENT if occasion.event else Reason.CONDITION


def _with(used: tuple[str, ...], key: str) -> tuple[str, ...]:
    return used if key in used else (*used, key)
