"""The course of an open choice: it is opened with a draw, waits for its outcome, and ends rewarded, missed or void.

In a turn, before the journeys walk: what the turn's event means to those that are open; so an event that opens a choice
is not its outcome. Of one that counts from when its message went out nothing counts before. Times are the turn's own:
an event that arrives when the time is over is late, whatever it says of itself. There is one timer a player, at the
earliest time that is over.

A success is known when it comes, a miss when the time is over. Both are counted then: were a success counted at once,
what was drawn lately would look too good, and an arm that is drawn more for it would look better still.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from crm.choices.drawing import Drawn, decided, is_barred
from crm.choices.reasons import Void
from crm.choices.rules import ChoiceRule, ChoiceRules
from domain.choices import NO_CHOICES, OPEN_MAX, OWN_MAX, Choices, OpenChoice, OwnSums
from domain.effects import ChoiceCounted, ChoiceEnded, Chose
from domain.entries import Entry, Event, Landed, TimerFired
from domain.event_fields import field_value
from domain.receipts import outcome_of
from ml.choices.beliefs import BYS, LEARNT, ONE, reward_of

if TYPE_CHECKING:
    from crm.working import Turn

TIMER = "choice"
SENT_WITHIN_MS = 86_400_000  # after a message's time is over: then nobody will tell any more that it went out
EXPOSED = "placement_shown"
EXPOSURE_PREFIX = "plc:"  # of the ids of events that only the engine's own gateway makes
_WENT_OUT = frozenset(("sent", "delivered", "opened", "clicked", "replied"))
_ENDS_UNSENT = {
    "refused": Void.NOT_SENT,
    "merged": Void.MERGED_MESSAGE,
    **dict.fromkeys(("unknown", "stopped", "expired", "withdrawn"), Void.NOT_SENT),
}  # ``failed`` is none: another channel may be tried, and the tower tells how that ends


def ask(
    turn: "Turn",
    choice: ChoiceRule,
    key: str,
    asks: str,
    *,
    only: tuple[str, ...] | None = None,
) -> Drawn | None:
    """Draw an arm within a turn; None: no arm is eligible. Nothing is opened yet (``opened``)."""
    chance = turn.chance
    made = decided(
        choice,
        chance.beliefs.of(choice.plan),
        turn,
        player=turn.player,
        features=turn.start.features,
        held=turn.choices,
        rng=chance.draws.of(f"choices/{choice.id}/{asks}/{key}"),
        barred=_is_barred(turn),
        only=only,
    )
    if made is None or chance.memory is None:
        return made
    return chance.memory.instead_of(made, choice, key, asks)


def opened(
    turn: "Turn", choice: ChoiceRule, drawn: Drawn, key: str, asks: str, *, at: int, request: str = "", due: int = 0
) -> None:
    """Record a draw and wait for its outcome.

    Args:
        at: When outcomes begin to count, ms; 0: when the message goes out.
        request: Id of the message that was chosen.
        due: With ``at`` 0: when it is given up that the message goes out, ms.
    """
    new = OpenChoice(
        choice.id,
        drawn.arm,
        key,
        at,
        at + choice.within_ms if at else due,
        drawn.propensity,
        drawn.by,
        drawn.context,
        request,
        choice.plan.generation,
        asks,
    )
    turn.effects.append(
        Chose(
            choice.id,
            drawn.arm,
            key,
            drawn.by,
            drawn.propensity,
            drawn.eligible,
            turn.chance.beliefs.number,
            drawn.context,
            choice.plan.generation,
            asks,
        )
    )
    add(turn, new)


def add(turn: "Turn", new: OpenChoice) -> None:
    """Keep an open choice; of more than ``OPEN_MAX`` the oldest says nothing, whatever became of it."""
    held = [*turn.choices.open, new]
    while len(held) > OPEN_MAX:
        oldest = held.pop(0)
        if oldest.is_open:
            _end(turn, oldest, "void", reason=Void.PUSHED_OUT)
        else:
            _count(turn, oldest, None, Void.PUSHED_OUT)
    _keep(turn, held)


def advance(rules: ChoiceRules, turn: "Turn", entry: Entry | None) -> None:
    """End the choices that the turn ends, and open what an exposure opens. Nearly every event costs two look-ups."""
    event = turn.event
    if turn.choices.open and (event is None or _concerns(rules, turn.choices, event, turn.at)):
        if isinstance(entry, TimerFired) and entry.kind == TIMER and entry.due == turn.choices.armed:
            turn.choices = structs.replace(turn.choices, armed=0)
        before = turn.choices.open
        after = [one for held in before if (one := _looked_at(rules, turn, held, entry)) is not None]
        if len(after) != len(before) or any(one is not held for one, held in zip(after, before, strict=True)):
            _keep(turn, after)
        elif not turn.choices.armed:
            _rearm(turn)
    if event is not None and event.name == EXPOSED:
        opened_by_event(rules, turn, event)


def leave(turn: "Turn", key: str) -> None:
    """End what a node drew for later and that comes to nothing: the player was taken elsewhere before."""
    gone = [one for one in turn.choices.open if one.key == key and one.asks == "time" and one.at > turn.at]
    if gone:
        for one in gone:
            _end(turn, one, "void", reason=Void.LEFT)
        _keep(turn, [one for one in turn.choices.open if one not in gone])


def opened_by_event(rules: ChoiceRules, turn: "Turn", event: Event) -> None:
    """Open what a slot drew and the player was shown, once a key: ``properties.choice`` of ``placement_shown``."""
    told = event.properties.get("choice")
    if not isinstance(told, Mapping) or not event.id.startswith(EXPOSURE_PREFIX):
        return
    choice, key = rules.choices.get(str(told.get("id"))), str(told.get("key"))
    if choice is None or any(one.choice == choice.id and one.key == key for one in turn.choices.open):
        return
    context = tuple(number for number in told.get("x") or () if type(number) is int)
    arm, by, propensity = told.get("arm"), told.get("by"), told.get("propensity")
    is_ours = arm in choice.arms and by in BYS and len(context) == len(choice.plan.context)
    is_ours = is_ours and told.get("generation", choice.plan.generation) == choice.plan.generation
    if is_ours and type(propensity) is int and 0 < propensity <= ONE:
        opened(turn, choice, Drawn(str(arm), propensity, str(by), (), context), key, "placement", at=turn.at)


def end_all(turn: "Turn") -> None:
    """Keep nothing: the profile lives on elsewhere, and its open choices with it."""
    _disarm(turn)
    if turn.choices != NO_CHOICES:
        turn.choices = NO_CHOICES


# --- what a turn means to one open choice ---


def _concerns(rules: ChoiceRules, held: Choices, event: Event, now: int) -> bool:
    return event.name in rules.events or bool(outcome_of(event)) or 0 < held.armed <= now


def _looked_at(rules: ChoiceRules, turn: "Turn", held: OpenChoice, entry: Entry | None) -> OpenChoice | None:
    """Return the choice as it is after the turn; None when it is over."""
    choice = rules.choices.get(held.choice)
    if not held.is_open:
        if turn.at < held.due:
            return held
        _count(turn, held, choice, Void.REMOVED if choice is None else Void.CHANGED)
        return None
    if not held.at:
        return _before_it_went_out(turn, choice, held, entry)
    if turn.event is not None and turn.at < held.due and choice is not None and _is_outcome(turn, choice, held):
        return _rewarded(turn, choice, held)
    if turn.at < held.due:
        return held
    if choice is None or not _still_means(choice, held):
        _end(turn, held, "void", reason=Void.REMOVED if choice is None else Void.CHANGED)
        return None
    _end(turn, held, "missed")
    _remember(turn, held, 0, choice)
    return None


def _rewarded(turn: "Turn", choice: ChoiceRule, held: OpenChoice) -> OpenChoice | None:
    """End a choice whose outcome has come; it is kept, to be counted when its time is over."""
    assert turn.event is not None
    if not _still_means(choice, held):
        _end(turn, held, "void", reason=Void.CHANGED)
        return None
    reward = _reward(turn.event, choice)
    _end(turn, held, "rewarded", reward)
    return structs.replace(held, reward=reward)


def _still_means(choice: ChoiceRule, held: OpenChoice) -> bool:
    """Tell whether the choice is what it was when it was drawn."""
    return choice.plan.generation == held.generation and held.arm in choice.arms


def _count(turn: "Turn", held: OpenChoice, choice: ChoiceRule | None, otherwise: Void) -> None:
    """Count what was rewarded, now that its time is over.

    Args:
        choice: As it is now; None: nothing is learnt.
        otherwise: Why nothing is learnt, where the choice is not what was drawn.
    """
    is_learnt = choice is not None and _still_means(choice, held)
    turn.effects.append(
        ChoiceCounted(
            held.choice,
            held.arm,
            held.key,
            "rewarded" if is_learnt else "void",
            held.reward if is_learnt else 0,
            held.by,
            held.propensity,
            held.context,
            held.generation,
            "" if is_learnt else str(otherwise),
        )
    )
    if choice is not None and is_learnt:
        _remember(turn, held, held.reward, choice)


def _before_it_went_out(
    turn: "Turn", choice: ChoiceRule | None, held: OpenChoice, entry: Entry | None
) -> OpenChoice | None:
    outcome, channel = _landing(held.request, turn.event, entry)
    if outcome in _WENT_OUT and choice is not None:
        if held.asks == "channel" and channel != held.arm:
            _end(turn, held, "void", reason=Void.ANOTHER_CHANNEL)
            return None
        begun = structs.replace(held, at=turn.at, due=turn.at + choice.within_ms)
        # what tells first that it went out may be the outcome itself: receipts come in any order
        is_outcome = turn.event is not None and _is_outcome(turn, choice, begun)
        return _rewarded(turn, choice, begun) if is_outcome else begun
    reason = _ENDS_UNSENT.get(outcome)
    if reason is None and (turn.at >= held.due or outcome in _WENT_OUT):
        reason = Void.REMOVED if choice is None else Void.NOT_SENT
    if reason is None:
        return held
    _end(turn, held, "void", reason=reason)
    return None


def _landing(request: str, event: Event | None, entry: Entry | None) -> tuple[str, str]:
    """Return what the turn tells of a message: the outcome and the channel; ("", "") when it is of another."""
    if isinstance(entry, Landed):
        return (entry.outcome, entry.channel) if entry.request == request else ("", "")
    if event is None or event.properties.get("message_id") != request:
        return "", ""
    return outcome_of(event), str(event.properties.get("channel", ""))


def _is_outcome(turn: "Turn", choice: ChoiceRule, held: OpenChoice) -> bool:
    event = turn.event
    assert event is not None
    if event.name != choice.event or turn.at < held.at:
        return False
    if held.request and outcome_of(event) and event.properties.get("message_id") != held.request:
        return False  # it is of another message
    told = event.properties.get("choice")
    if isinstance(told, Mapping) and (told.get("id"), told.get("key")) != (held.choice, held.key):
        return False  # it is of another showing: a click on another arm counts nothing for this one
    if isinstance(told, Mapping) and told.get("arm", held.arm) != held.arm:
        return False  # of two profiles that joined, the other's draw of that number
    return choice.where is None or choice.where.holds(turn)


def _reward(event: Event, choice: ChoiceRule) -> int:
    if not choice.value:
        return ONE
    value = field_value(event, choice.value)
    return reward_of(float(value), choice.most) if isinstance(value, int | float) and type(value) is not bool else 0


def _end(turn: "Turn", held: OpenChoice, outcome: str, reward: int = 0, *, reason: Void | str = "") -> None:
    turn.effects.append(
        ChoiceEnded(
            held.choice,
            held.arm,
            held.key,
            outcome,
            reward,
            held.by,
            held.propensity,
            held.context,
            held.generation,
            str(reason),
        )
    )


def _remember(turn: "Turn", held: OpenChoice, reward: int, choice: ChoiceRule) -> None:
    """Add an outcome to the player's own; of more than ``OWN_MAX`` choices that of the oldest is forgotten."""
    if not choice.plan.personal or held.by not in LEARNT:
        return
    own = dict(turn.choices.own)
    before = own.get(held.choice)
    if before is None or before.generation != held.generation:
        before = OwnSums(held.generation)
    n, total = before.arms.get(held.arm, (0, 0))
    own[held.choice] = OwnSums(held.generation, turn.at, {**before.arms, held.arm: (n + 1, total + reward)})
    turn.choices = structs.replace(turn.choices, own=within_bounds(own))


def within_bounds(own: dict[str, OwnSums]) -> dict[str, OwnSums]:
    """Return the player's own outcomes of the choices that were used last, by id."""
    kept = sorted(own, key=lambda name: (-own[name].at, name))[:OWN_MAX]
    return {name: own[name] for name in sorted(kept)}


def _is_barred(turn: "Turn") -> bool:
    """Tell whether the player is excluded or shows harm, by this very turn too: the tower hears of it after the CRM."""
    return turn.chance.is_barred or is_barred(turn.start.air, turn.at)


# --- the part, and its timer ---


def _keep(turn: "Turn", held: list[OpenChoice]) -> None:
    turn.choices = structs.replace(turn.choices, open=tuple(held))
    _rearm(turn)


def _rearm(turn: "Turn") -> None:
    """See that the timer is not later than anything that time ends; one that is earlier looks, and is set again."""
    held = turn.choices
    if not held.open:
        _disarm(turn)
        return
    due = max(min(one.due for one in held.open), turn.at + 1)  # of a profile that joined some may be over already
    if held.armed and held.armed <= due:
        return
    _disarm(turn)
    turn.set_timer(TIMER, "", due)
    turn.choices = structs.replace(turn.choices, armed=due)


def _disarm(turn: "Turn") -> None:
    if turn.choices.armed > turn.at:  # else it has fired, or is about to and will be a relic
        turn.clear_timer(TIMER, "", turn.choices.armed)
    if turn.choices.armed:
        turn.choices = structs.replace(turn.choices, armed=0)
