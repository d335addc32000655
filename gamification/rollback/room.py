"""What the room of rollbacks brings to the game, and how turns go through it."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import force_setattr, replace
from pydantic import ValidationError

from domain.effects import Answered
from domain.entries import Event, LogEntry, MergeAsked, TimerFired
from domain.game_effects import CaseClosed
from domain.player import Snapshot, with_parts
from domain.step import Draws, Grant, Step, UniqueKey
from gamification.config import problems
from gamification.rollback.config import RollbackConfig
from gamification.rollback.folding import Give, Take
from gamification.rollback.recording import on_grants, on_turn
from gamification.rollback.rules import NAME, RollbackRule, compiled, is_rollback, rule_of
from gamification.rollback.unwinding import TIMER, hand_over, on_timer, unwind, voided
from gamification.room import Compiled, Room, Sources
from gamification.rules import Rules
from gamification.working import Turn

NOTE_CHARS_MAX = 1_000


def through(
    rule: RollbackRule, rules: Rules, snapshot: Snapshot, entry: LogEntry, draws: Draws, take: Take, give: Give
) -> Step[Snapshot]:
    """Take a turn and keep it, or unwind what it says did not stand."""
    what = entry.entry
    if isinstance(what, Event) and what.name in rule.events:
        if is_rollback(rule, what):
            return unwind(rule, rules, snapshot, entry, draws, take, give)
        if snapshot.journal.voids and (step := voided(rule, rules, snapshot, entry, draws, take)) is not None:
            return step
    step = take(rules, snapshot, entry, draws)
    after = step.state
    if after is snapshot or isinstance(what, MergeAsked) or (isinstance(what, TimerFired) and what.kind == TIMER):
        return step
    journal = on_turn(rule, rules, snapshot, step, entry)
    if journal is not snapshot.journal:
        force_setattr(after, "journal", journal)  # the turn has just made it; copies cost a tenth of a turn
    return step


def with_other_keys(step: Step[Snapshot], generation: int) -> Step[Snapshot]:
    """Return the step with keys that nothing before the last unwinding has taken.

    What was unwound may be reached again, by another event: its key was taken by the first. That stays so when the
    programme has no rollbacks any more.
    """
    if not generation:
        return step
    return replace(step, keys=tuple(UniqueKey(f"{key.key}~{generation}", key.cause) for key in step.keys))


def given(
    rule: RollbackRule, rules: Rules, snapshot: Snapshot, at: int, cause: str, grants: tuple[Grant, ...], give: Give
) -> Step[Snapshot]:
    """Give what the CRM asks for, and keep that it was given."""
    step = give(rules, snapshot, at, cause, grants)
    journal = on_grants(rule, rules.version, snapshot, at, cause, grants, step.state)
    return replace(step, state=with_parts(step.state, journal=journal))


def _errors(sources: Sources) -> Iterable[str]:
    if (document := _document(sources)) is None:
        return
    try:
        RollbackConfig.model_validate(document)
    except ValidationError as error:
        for problem in problems(error):
            yield f"settings/main: rollback.{problem}"


def _compile(sources: Sources) -> Compiled:
    document = _document(sources)
    return Compiled(None if document is None else compiled(RollbackConfig.model_validate(document)))


def _document(sources: Sources) -> Any:
    return sources.documents.get("settings", {}).get("main", {}).get("rollback")


def _resolve(turn: Turn, args: dict[str, Any]) -> Answered:
    """Close a case: a person has seen to it. Whether it is open the list of cases knows."""
    case, resolution, by, note = (args.get(name) or "" for name in ("case", "resolution", "by", "note"))
    texts = (case, resolution, by, note)
    if not all(isinstance(text, str) for text in texts) or not case or not resolution or len(note) > NOTE_CHARS_MAX:
        return Answered("invalid_arguments", "expected case, resolution, by and note (strings)")
    turn.effects.append(CaseClosed(case, resolution, by, note))
    return Answered("ok", data={"case": case})


def _view(rules: Rules, snapshot: Snapshot, _: int) -> dict[str, Any]:
    """Show what the player owes: balances below zero of currencies that do not allow it."""
    debts = {
        currency: -held.balance
        for currency, held in snapshot.wallet.items()
        if held.balance < 0 and not rules.currencies.get(currency, False)
    }
    return {"debts": debts} if debts and rule_of(rules) else {}


ROOM = Room(
    name=NAME,
    errors=_errors,
    compile=_compile,
    commands={"resolve_case": _resolve},
    timers={TIMER: on_timer},
    hand_over=lambda turn, _: hand_over(turn),
    view=_view,
)
