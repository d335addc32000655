"""A rollback arrives: what it is about is found in the journal, and the player is moved to the state without it.

The journal is folded with and without the events. The first fold must give the present state; where it does not (the
programme was published anew and an older version is not to hand), nothing is touched and a person is told.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from domain.effects import Effect
from domain.entries import Event, LogEntry, TimerFired
from domain.game_effects import CaseClosed, CaseOpened, RolledBack
from domain.journal import Journal, Taken, Void
from domain.player import Asks, Snapshot, with_parts
from domain.step import Draws, Step, TimerOp, joined
from gamification.rollback.cases import opened
from gamification.rollback.folding import Folder, Give, OtherVersion, Take, hollow
from gamification.rollback.moving import Move
from gamification.rollback.recording import GAME_PARTS, on_correction, on_turn
from gamification.rollback.rules import RollbackRule, is_rollback, names
from gamification.rules import Rules
from gamification.working import Turn

TIMER = "rollback_waits"
EARLY_MS = 900_000  # a rollback overtakes its original by seconds; after a quarter of an hour a person is told
VOIDS_MAX = 128  # rounds of a player that are remembered as rolled back; the oldest go first
LEFT_SHOWN_MAX = 20

_NOT_REPEATED = "rollback_not_repeatable"


def unwind(
    rule: RollbackRule, rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws, take: Take, give: Give
) -> Step[Snapshot]:
    """Take the turn of an event that says that others did not stand. It moves nothing else."""
    event = entry.entry
    assert isinstance(event, Event)
    seen = _seen(rule, rules, snapshot, entry, draws, take)
    step = _unwound(Folder(rule, rules, draws, take, give), seen.state, entry, event)
    return joined(seen, step) if seen.effects or seen.timers else step


def _unwound(folder: Folder, state: Snapshot, entry: LogEntry, event: Event) -> Step[Snapshot]:
    rule = folder.rule
    if not (keys := names(rule, event)):
        paths = " or ".join(path for path, _ in rule.by)
        return Step(state, (opened(state.player, event.id, "rollback_without_id", f"expected {paths}"),))
    key = keys[0]
    found = [(n, taken) for n, taken in _kept(state.journal) if _is_about(rule, taken, key)]
    found = [(n, taken) for n, taken in found if n not in state.journal.void]
    if not found:
        return _wait(state, key, event, entry.at)
    late = [taken for _, taken in found if entry.at - taken.at > rule.within_ms]
    events = tuple(taken.entry.id for _, taken in found if isinstance(taken.entry, Event))
    state = _with_void(state, key, Void(entry.at, event.id, len(found)))
    if late:
        detail = f"{key}: {late[0].entry.id} came more than {rule.within_ms // 1000} s ago"  # type: ignore[union-attr]
        return Step(state, (opened(state.player, event.id, "rollback_too_late", detail, events),))
    moved = _moved(folder, state, entry, event, {number for number, _ in found})
    if isinstance(moved, CaseOpened):
        return Step(state, (replace(moved, events=events),))
    return _step(moved, key, event, events)


def voided(
    rule: RollbackRule, rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws, take: Take
) -> Step[Snapshot] | None:
    """Take the turn of an event whose round was rolled back before it came; None: it was not."""
    event, voids = entry.entry, snapshot.journal.voids
    assert isinstance(event, Event)
    if (key := next((key for key in names(rule, event) if key in voids), None)) is None:
        return None
    void = voids[key]
    if entry.at - void.at > rule.within_ms:
        return None  # whoever uses the id again after that means another round
    seen = _seen(rule, rules, snapshot, entry, draws, take)
    state = _with_void(seen.state, key, replace(void, found=void.found + 1, case=""))
    effects: list[Effect] = [RolledBack(void.by, key, "void", (event.id,))]
    if void.case:
        effects.append(CaseClosed(void.case, "original_came"))
    timers = () if void.found else (_timer(state.player, key, void.at, set_=False),)
    return joined(seen, Step(state, tuple(effects), timers))


def on_timer(turn: Turn, timer: TimerFired) -> None:
    """Tell a person of a rollback whose original did not come."""
    journal: Journal = turn.part("journal")
    void = journal.voids.get(timer.ref)
    if void is None or void.found or void.case:
        return
    detail = f"{timer.ref}: no such event is kept; it came too long ago, or never"
    case = opened(turn.player, void.by, "rollback_too_late", detail)
    turn.effects.append(case)
    voids = {**journal.voids, timer.ref: replace(void, case=case.id)}
    turn.set_part("journal", replace(journal, voids=voids))


def hand_over(turn: Turn) -> None:
    """The profile ends: what it waits for is told to a person now, since the journal ends with it."""
    journal: Journal = turn.part("journal")
    for key, void in journal.voids.items():
        if not void.found and not void.case:
            turn.effects.append(opened(turn.player, void.by, "rollback_too_late", f"{key}: the profile was merged"))
            turn.timers.append(_timer(turn.player, key, void.at, set_=False))
    if journal.slots:
        turn.set_part("journal", Journal(slots=journal.slots))


def _seen(
    rule: RollbackRule, rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws, take: Take
) -> Step[Snapshot]:
    """Take the event as one that moves nothing, and keep that."""
    plain = hollow(entry)
    step = take(rules, snapshot, plain, draws)
    journal = on_turn(rule, rules, snapshot, step, plain)
    return replace(step, state=with_parts(step.state, journal=journal))


def _kept(journal: Journal) -> Iterable[tuple[int, Taken]]:
    return journal.entries(journal.marks[0].number) if journal.marks else ()


def _is_about(rule: RollbackRule, taken: Taken, key: str) -> bool:
    event = taken.entry
    if not isinstance(event, Event) or event.name not in rule.events or is_rollback(rule, event):
        return False
    return key in names(rule, event)


def _wait(state: Snapshot, key: str, event: Event, at: int) -> Step[Snapshot]:
    """Remember a rollback that comes before its original, or after the journal has let it go."""
    if key in state.journal.voids:
        return Step(state)  # said before
    player = state.player
    waiting = RolledBack(event.id, key, "waiting")
    return Step(_with_void(state, key, Void(at, event.id)), (waiting,), (_timer(player, key, at),))


def _with_void(state: Snapshot, key: str, void: Void) -> Snapshot:
    """Remember a round, the last said last; of too many the oldest is forgotten, one that waits as the last of all."""
    voids = {name: other for name, other in state.journal.voids.items() if name != key}
    while len(voids) >= VOIDS_MAX:
        del voids[next((name for name, other in voids.items() if other.found), next(iter(voids)))]
    return with_parts(state, journal=replace(state.journal, voids={**voids, key: void}))


def _timer(player: str, key: str, at: int, *, set_: bool = True) -> TimerOp:
    return TimerOp(TimerFired(player, TIMER, key, at + EARLY_MS), set=set_)


def _moved(folder: Folder, state: Snapshot, entry: LogEntry, event: Event, out: set[int]) -> Move | CaseOpened:
    journal = state.journal
    try:
        past = folder.fold(state.player, journal, frozenset(journal.void))
        if differs := _differs(past.state, state):
            detail = f"what was kept gives other {' '.join(differs)} than there are"
            return opened(state.player, event.id, _NOT_REPEATED, detail)
        other = folder.fold(state.player, journal, out.union(journal.void))
    except OtherVersion as version:
        detail = f"programme version {version} is not to hand any more"
        return opened(state.player, event.id, _NOT_REPEATED, detail)
    move = Move(folder.rule, folder.rules, state, past, other, entry.at, event.id)
    marks = (*journal.marks[:-1], other.mark) if other.mark is not None else journal.marks
    unwound = replace(
        journal, marks=marks, void=tuple(sorted(out.union(journal.void))), generation=journal.generation + 1
    )
    if (correction := move.correction) is not None:
        uncorrected = with_parts(other.state, profile=state.profile, journal=unwound)
        unwound = on_correction(folder.rule, folder.rules.version, uncorrected, entry.at, correction)
    move.state = with_parts(move.state, journal=unwound)
    return move


def _differs(past: Snapshot, present: Snapshot) -> list[str]:
    return [name for name in GAME_PARTS if _compared(past, name) != _compared(present, name)]


def _compared(state: Snapshot, name: str) -> object:
    part = getattr(state, name)
    return part.open if isinstance(part, Asks) else part  # which answers came is not the game's


def _step(move: Move, key: str, event: Event, events: tuple[str, ...]) -> Step[Snapshot]:
    player = move.state.player
    effects: list[Effect] = [RolledBack(event.id, key, "done", events, tuple(move.changed), move.debts), *move.effects]
    if move.written_off:
        sums = ", ".join(f"{amount} {currency}" for currency, amount in move.written_off.items())
        effects.append(opened(player, event.id, "written_off", f"{key}: {sums} had been spent", events))
    if move.left:
        shown = "; ".join(move.left[:LEFT_SHOWN_MAX])
        effects.append(opened(player, event.id, "not_undone", f"{key}: {shown}", events))
    return Step(
        move.state,
        tuple(effects),
        tuple(move.timers),
        groups=tuple(move.groups),
        relays=tuple(move.relays),
        told=tuple(move.told),
        scores=tuple(move.scores),
    )
