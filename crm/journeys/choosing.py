"""Nodes that ask a choice: which way, which template or channel, which time of the day."""

from typing import TYPE_CHECKING

from msgspec import Struct

from crm.choices import course
from crm.choices.drawing import Drawn
from crm.choices.rules import ChoiceRule
from crm.journeys.moments import next_clock_time
from crm.journeys.node_config import ChooseNode, DelayNode, MessageNode
from crm.journeys.reasons import Outcome, Reason
from domain.ids import request_id

if TYPE_CHECKING:
    from crm.journeys.walk import Walk

SENT = "sent"
_BEST = ("best",)
_IN_APP = "in_app"  # reaches everybody


class Draw(Struct, frozen=True):
    """An arm of one choice of a message."""

    choice: ChoiceRule
    asks: str  # template, channel
    drawn: Drawn


class Picked(Struct, frozen=True):
    """What a message is of and where it goes, with the draws behind it."""

    template: str
    channels: tuple[str, ...]
    draws: tuple[Draw, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether a choice waits for it to go out."""
        return any(_waits(draw) for draw in self.draws)

    @property
    def by(self) -> str:
        """How the first of the draws came about, for the step."""
        return self.draws[0].drawn.by if self.draws else ""

    def open(self, walk: "Walk", key: str, life_ms: int) -> None:
        """Wait for what comes of the draws.

        Args:
            life_ms: Of the message.
        """
        turn = walk.turn
        for draw in self.draws:
            course.opened(
                turn,
                draw.choice,
                draw.drawn,
                key,
                draw.asks,
                at=0 if _waits(draw) else turn.at,
                request=request_id(turn.chance.partition, turn.player, key),
                due=turn.at + life_ms + course.SENT_WITHIN_MS,
            )


def way_of(walk: "Walk", node: ChooseNode, key: str) -> str | None:
    """Draw the way that the player goes, and wait for what comes of it."""
    choice = walk.round.rules.choices.choices.get(node.choice)
    if choice is None:
        walk.step(Outcome.SKIPPED, Reason.CHOICE_REMOVED, node.next, node.choice)
        return node.next
    drawn = course.ask(walk.turn, choice, key, "node", only=tuple(node.arms))
    if drawn is None:
        walk.step(Outcome.SKIPPED, Reason.NO_ARM, node.next, node.choice)
        return node.next
    course.opened(walk.turn, choice, drawn, key, "node", at=walk.turn.at)
    target = node.arms[drawn.arm] or node.next
    walk.step(Outcome.CHOSEN, drawn.by, target, drawn.arm)
    return target


def time_of(walk: "Walk", node: DelayNode, key: str) -> int | Reason:
    """Draw the time of the player's clock at which a delay ends, ms; outcomes count from then on."""
    assert node.choose is not None
    turn = walk.turn
    choice = walk.round.rules.choices.choices.get(node.choose)
    if choice is None:
        return Reason.CHOICE_REMOVED
    drawn = course.ask(turn, choice, key, "time")
    if drawn is None:
        return Reason.NO_ARM
    since = turn.at + (node.for_ or 0) * 1000
    due = next_clock_time(since - 1 if node.for_ else since, drawn.arm, turn.zone)
    course.opened(turn, choice, drawn, key, "time", at=due)
    walk.step(Outcome.CHOSEN, drawn.by, "", drawn.arm)
    return due


def of_message(walk: "Walk", message: MessageNode, key: str) -> Picked | Reason:
    """Draw what a message leaves to choices; why it is not sent, when a draw has no arm for the player."""
    channels: tuple[str, ...] = message.channels or _BEST
    if message.choose is None:
        return Picked(message.template or "", channels)
    draws: list[Draw] = []
    reach = (_IN_APP, *(walk.turn.start.air.get("reach") or ()))
    for asks, name, only in (
        ("template", message.choose.template, tuple(walk.round.rules.templates)),
        ("channel", message.choose.channel, reach),
    ):
        if name is None:
            continue
        choice = walk.round.rules.choices.choices.get(name)
        if choice is None:
            return Reason.CHOICE_REMOVED
        drawn = course.ask(walk.turn, choice, key, asks, only=only)
        if drawn is None:
            return Reason.NO_ARM
        draws.append(Draw(choice, asks, drawn))
    by_asks = {draw.asks: draw.drawn.arm for draw in draws}
    if first := by_asks.get("channel"):  # the others stay behind it: all that were written, else the other arms
        others: tuple[str, ...] = message.channels or draws[-1].choice.plan.arms
        channels = (first, *(channel for channel in others if channel != first))
    return Picked(by_asks.get("template", message.template or ""), channels, tuple(draws))


def _waits(draw: Draw) -> bool:
    return (draw.choice.counts_from or SENT) == SENT
