"""The models' part of a player's turn: it comes first, so that the game's and the CRM's conditions see its scores.

Every client event is taken into the features. The net runs only where its answer may have moved: at money that comes
or goes, at the first event of a session, and in silence, when a timer looks again (ADR 0010). Times are the turn's
``entry.at``, but for what happened when: that is the event's own. Nothing here reads a clock.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import structs

from domain.calendar import DAY_MS
from domain.effects import PatternChanged, Scored
from domain.entries import Event, LogEntry, MergeAsked, Merged, ModelPublished, TimerFired, Visited, WalkAsked
from domain.features import Features
from domain.habits import Habits
from domain.ids import survivor
from domain.player import Score, Scores, Snapshot, snapshot_from_parts, with_parts
from domain.step import Step, TimerOp
from ml.config import ModelPlan
from ml.features import MESSAGE_KINDS, opened_session, update, vector
from ml.joining import joined
from ml.lifetime import NAMES_TOLD
from ml.net import Scores as Told
from ml.patterns import joined as joined_habits
from ml.patterns import watch

TIMER = RESCORE = "rescore"  # kind of the timer, and of a visit
MODEL = "churn"  # the score that is told; the others come along
MOVES_LEAST = 0.005  # of a probability (and of the engagement's share of a week): less is noise, and writes nothing
MOVES_SHARE, MOVES_UNIT = 0.05, 0.5  # of days and money: so much of what it was, and a day or a unit at least half
SURER_LEAST = 0.05  # of the confidence
_LOOKS_MS = tuple(days * DAY_MS for days in (1, 2, 4, 8, 16))  # of silence, after the session's end
_MONEY = ("deposit", "withdrawal", "purchase")
NOTHING_KNOWN = Features()


class Scorer(Protocol):
    """A model (``ml.net.Model``), or what stands for one."""

    version: int

    def score(self, vector: Sequence[float], horizon_days: int) -> Told:
        """Score one player."""


def take_turn(plan: ModelPlan, model: Scorer | None, state: Snapshot, entry: LogEntry) -> Step[Snapshot]:
    """Apply one entry to what the models know of the player.

    Args:
        model: What scores; None where none can be used: features are kept all the same.
    """
    what = entry.entry
    if isinstance(what, Event):
        return _on_event(plan, model, state, entry.at, what)
    if isinstance(what, TimerFired):
        return _on_timer(plan, model, state, entry.at, what)
    if isinstance(what, Visited):
        return _on_visited(plan, model, state, entry.at, what)
    if isinstance(what, Merged):
        return _on_merged(plan, model, state, entry.at, what)
    if isinstance(what, MergeAsked):
        return _on_merge_asked(state, what)
    return Step(state)


def _on_event(plan: ModelPlan, model: Scorer | None, state: Snapshot, at: int, event: Event) -> Step[Snapshot]:
    signal = plan.signal(event)
    if signal is None:
        return Step(state)
    features = update(state.features, signal, event.occurred_at, gap_ms=plan.session_gap_ms)
    if signal.kind in MESSAGE_KINDS:
        return Step(with_parts(state, features=features))
    habits = state.habits
    seen: tuple[PatternChanged, ...] = ()
    if plan.patterns is not None:
        zone = state.profile.timezone
        habits, seen = watch(habits, signal, event.occurred_at, plan.patterns, event=event, zone=zone)
    after = with_parts(state, features=features, habits=habits)
    if signal.kind not in _MONEY and not opened_session(state.features, features):
        return Step(after, seen)
    looked = _looked(plan, model, after, at)
    return structs.replace(looked, effects=looked.effects + seen) if seen else looked


def _on_timer(plan: ModelPlan, model: Scorer | None, state: Snapshot, at: int, timer: TimerFired) -> Step[Snapshot]:
    if timer.kind != TIMER or timer.due != state.scores.armed:
        return Step(state)  # not ours, or a relic
    is_over = at - state.features.last_at >= plan.session_gap_ms
    return _looked(plan, model if is_over else None, state, at)


def rescoring(published: ModelPublished) -> WalkAsked:
    """Return the walk that brings a publication to players who are silent; one that is scored meanwhile it passes by.

    It goes as fast as the live traffic leaves room. Walks of several publications may be under way at once: each
    visit scores with the model that is in force by then.
    """
    return WalkAsked(f"{RESCORE}:{published.number}", RESCORE)


def _on_visited(plan: ModelPlan, model: Scorer | None, state: Snapshot, at: int, visited: Visited) -> Step[Snapshot]:
    """Score a player on whom another model's opinion is held, however long the silence."""
    if visited.kind != RESCORE or model is None or not state.features.events:
        return Step(state)
    held = state.scores.held.get(MODEL)
    if held is not None and held.model == model.version:
        return Step(state)
    return _looked(plan, model, state, at)


def _on_merged(plan: ModelPlan, model: Scorer | None, state: Snapshot, at: int, merged: Merged) -> Step[Snapshot]:
    """Join what was known of the other profile; whose score it was does not matter, the person gets a new one."""
    parts = {name: data for name, data in merged.parts.items() if name in ("features", "habits")}
    theirs = snapshot_from_parts(merged.source, 0, parts)
    if theirs.features == NOTHING_KNOWN:
        return Step(state)
    features = joined(state.features, theirs.features, gap_ms=plan.session_gap_ms)
    habits = joined_habits(state.habits, theirs.habits) if state.features.events else theirs.habits
    after = with_parts(state, features=features, habits=habits)
    return _looked(plan, model, after, at) if features.events else Step(after)


def _on_merge_asked(state: Snapshot, asked: MergeAsked) -> Step[Snapshot]:
    """Keep nothing of a profile that is handed over (``crm.identity`` relays it as it was before this turn)."""
    lives_on_elsewhere = asked.into != state.player and survivor(state.player, asked.into) == asked.into
    armed = state.scores.armed
    if not lives_on_elsewhere or not (state.features != NOTHING_KNOWN or state.scores.held or armed):
        return Step(state)
    timers = (TimerOp(TimerFired(state.player, TIMER, "", armed), set=False),) if armed else ()
    return Step(with_parts(state, features=NOTHING_KNOWN, habits=Habits(), scores=Scores()), timers=timers)


def _looked(plan: ModelPlan, model: Scorer | None, state: Snapshot, at: int) -> Step[Snapshot]:
    """Score the player, if there is a model to do it, and see to the timer that will look again."""
    scores, effects = (state.scores, ()) if model is None else _scored(plan, model, state, at)
    armed, timers = _rearmed(plan, state, at)
    if armed != scores.armed:
        scores = structs.replace(scores, armed=armed)
    return Step(state if scores is state.scores else with_parts(state, scores=scores), effects, timers)


def _scored(plan: ModelPlan, model: Scorer, state: Snapshot, at: int) -> tuple[Scores, tuple[Scored, ...]]:
    """Run the net; a score that hardly moved stays as it was, and nobody hears of it."""
    seen = vector(state.features, at, gap_ms=plan.session_gap_ms)
    told = model.score(seen, plan.horizon_days)
    held = state.scores.held
    before = held.get(MODEL)
    if before is not None and before.model == model.version and is_same(held, told):
        return state.scores, ()
    drivers = told.drivers  # only now: to work them out is a third of the net's cost
    after = {
        name: Score(value, told.confidence, drivers if name == MODEL else (), model.version, at)
        for name, value in told.values.items()
    }
    effect = Scored(
        MODEL,
        told.values[MODEL],
        model.version,
        before.value if before is not None else None,
        told.confidence,
        drivers,
        told.values,
    )
    return structs.replace(state.scores, held=after), (effect,)


def is_same(held: Mapping[str, Score], told: Told, *, leeway: float = 0.0) -> bool:
    """Tell whether scores have hardly moved, so that those that are held stay."""
    if held.keys() != told.values.keys() or abs(told.confidence - held[MODEL].confidence) >= SURER_LEAST + leeway:
        return False
    return all(abs(value - held[name].value) < _least(name, value) + leeway for name, value in told.values.items())


def _least(name: str, value: float) -> float:
    """Return the least move of a score that counts."""
    if name in NAMES_TOLD:
        return max(MOVES_UNIT, MOVES_SHARE * abs(value))
    return MOVES_LEAST * (7 if name == "engagement" else 1)


def _rearmed(plan: ModelPlan, state: Snapshot, at: int) -> tuple[int, tuple[TimerOp, ...]]:
    """Return what the timer is set for from now on, 0 for nothing, and what is to be done for that.

    It is lazy: events within a session leave it alone, and when it fires too early it is set again. One that is set
    for a time not after now has fired, or is about to and will be a relic.
    """
    held, wanted = state.scores.armed, next_look(plan, state.features.last_at, at)
    if held > at and (not wanted or held <= wanted):
        return held, ()
    clear = (TimerOp(TimerFired(state.player, TIMER, "", held), set=False),) if held > at else ()
    return wanted, (*clear, TimerOp(TimerFired(state.player, TIMER, "", wanted))) if wanted else clear


def next_look(plan: ModelPlan, last_at: int, at: int) -> int:
    """Return when to look again at a player who stays silent, ms; 0: who is silent that long is looked at no more.

    When the session is over, then 1, 2, 4, 8 and 16 days after the last signal.
    """
    return next((due for after in (plan.session_gap_ms, *_LOOKS_MS) if (due := last_at + after) > at), 0)
