"""How a slot of a page asks a choice (``choices/<id>``): drawn when it is read, with what is believed at that moment.

A draw holds for the player's day, as long as what was drawn may be shown: it is kept with its probability, so that a
page that is loaded ten times is one decision. The first exposure that tells of it (``placement_shown``) opens the
choice in the player's turn; from there on it is a choice like any other. What the turn must know stays in the store:
the exposure's token can be read by the player, so it only names the draw.
"""

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any

from api.choices import live_beliefs
from api.context import Context
from crm.choices.drawing import decided, is_barred, obstacle
from crm.choices.rules import ChoiceRule
from crm.placements import Choice, Learnt
from domain.context import PlayerContext
from domain.links import Link
from domain.player import Snapshot
from ml.choices.beliefs import Beliefs
from store.exposures import DRAWS_MAX, Drawn, Exposures, drawn_today


class SlotChoice:
    """What a choice says of one slot, for one player at one moment; ``drawn`` is what it came to.

    Args:
        asked: Its ``now`` is the moment.
        before: The slot's last draw of the day.
        place: Names slot and day; the same place, number and beliefs draw the same.
    """

    def __init__(
        self,
        rule: ChoiceRule,
        beliefs: Beliefs,
        snapshot: Snapshot,
        asked: PlayerContext,
        before: Drawn | None,
        place: str,
    ) -> None:
        self._rule = rule
        self._beliefs = beliefs
        self._snapshot = snapshot
        self._asked = asked
        self._place = place
        self._barred = is_barred(snapshot.air, asked.now)
        self._before = before
        self.drawn: Drawn | None = None

    def learnt(self) -> Learnt:
        """Return the choice as the slot's rules ask it."""
        return Learnt(frozenset(self._rule.plan.arms), self._obstacle, self._draw)

    def _obstacle(self, arm: str) -> str:
        return obstacle(self._rule, arm, self._asked, barred=self._barred)

    def _draw(self, arms: Collection[str]) -> str:
        """Return an arm of those that may be shown: today's, or one that is drawn now."""
        before, plan = self._before, self._rule.plan
        holds = before is not None and (before.choice, before.generation) == (plan.id, plan.generation)
        if before is not None and holds and before.arm in arms:
            self.drawn = before
            return before.arm
        n = before.n + 1 if before is not None else 0
        if n >= DRAWS_MAX:  # whatever is shown now was not drawn, so nothing is learnt from it
            self.drawn = None
            return min(arms)
        made = decided(
            self._rule,
            self._beliefs.of(plan),
            self._asked,
            player=self._snapshot.player,
            features=self._snapshot.features,
            held=self._snapshot.choices,
            rng=Random(f"{self._place}/{n}/{self._beliefs.number}"),
            barred=self._barred,
            only=arms,
        )
        assert made is not None, "arms that are eligible were offered"
        self.drawn = Drawn(plan.id, made.arm, made.propensity, made.by, made.context, n, plan.generation)
        return made.arm


async def drawn_for(
    context: Context,
    rule: ChoiceRule,
    snapshot: Snapshot,
    asked: PlayerContext,
    where: tuple[str, int, Mapping[bytes, bytes]],
    pick: Callable[..., Choice],
) -> tuple[Choice, str]:
    """Return what a slot shows whose candidates are a choice's arms, and the name of the draw; "" if nothing was drawn.

    Args:
        where: Slot, local day, and the player's exposures as stored.
        pick: ``crm.placements.choose`` but for ``learnt``.
    """
    slot, day, counted = where
    exposures = Exposures(context.redis, context.partitions)
    beliefs, before = await live_beliefs(context), drawn_today(counted, slot, day)
    place = f"{context.identity.seed}/{snapshot.player}/{slot}/{day}"
    while True:  # at most once more: what another request kept meanwhile holds here too
        asking = SlotChoice(rule, beliefs, snapshot, asked, before, place)
        choice, drawn = pick(learnt=asking.learnt()), asking.drawn
        if drawn is None:
            return choice, ""
        if drawn is before or (before := await exposures.keep(snapshot.player, slot, day, drawn)) == drawn:
            return choice, f"{drawn.choice}:{day}:{drawn.n}"


async def told(exposures: Exposures, owner: str, link: Link, what: str) -> dict[str, Any]:
    """Return ``properties.choice`` of the event of an exposure; {} when another exposure told of the draw before.

    Args:
        owner: Whom the draw was made for: the link's player, or the one it lives on under.
        what: shown, clicked.
    """
    choice, day, n = link.draw.split(":")
    # With the arm: when profiles joined, both may have had a draw of this number, and one click is of one of them.
    place = {"id": choice, "key": f"{link.target}:{day}:{n}", "arm": link.template}
    if what != "shown":
        return {"choice": place}
    drawn = await exposures.told_of(owner, link.target, int(day), int(n), link.request, arm=link.template)
    if drawn is None:
        return {}
    moment = {name: getattr(drawn, name) for name in ("arm", "propensity", "by", "x", "generation")}
    return {"choice": place | moment}
