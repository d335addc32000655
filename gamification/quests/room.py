"""The room of quests: compiled, moved by the missions that are completed, shown.

A mission counts for a quest when it was completed (event time) in the quest's active window, before the quest was
published too; but the turn that ends a quest is one in which a mission of it is completed. The audience is asked then:
who is not in it completes no quest. Each player completes a quest once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from domain.calendar import as_ms
from domain.conditions import compile_condition
from domain.game_effects import QuestCompleted, QuestProgressed
from domain.player import MissionProgress, Snapshot
from domain.streaks import QuestProgress
from gamification import config
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.missions import is_unlocked
from gamification.quests.config import QuestConfig
from gamification.references import Models, condition_errors, of_kind, reward_errors
from gamification.rewards import ask_for_message, described, grant, local_text
from gamification.room import Compiled, Completed, Room, Sources
from gamification.rules import Holds, Message, Reward, Rules
from gamification.working import Turn

KIND = "quests"
_FOREVER = 2**62
_NEW = QuestProgress()


@dataclass(frozen=True, slots=True)
class QuestRule:
    id: str
    version: int  # of the programme
    name: Mapping[str, str]
    missions: tuple[str, ...]
    mode: str
    audience: Holds
    starts_at: int  # ms of event time
    until: int  # ms of event time, exclusive
    rewards: tuple[Reward, ...]
    budget: str
    message: Message | None


# configuration


def chained(models: Models) -> Models:
    """Return the models with the missions of each chain waiting for the one before."""
    missions = dict(of_kind(models, "missions", config.MissionConfig))
    for quest in of_kind(models, KIND, QuestConfig).values():
        if quest.mode == "chain":
            for before, after in zip(quest.missions, quest.missions[1:], strict=False):
                mission = missions.get(after)
                if mission is not None and before not in mission.unlock_after:
                    waits = (*mission.unlock_after, before)
                    missions[after] = mission.model_copy(update={"unlock_after": waits})
    return {**models, "missions": dict(missions)}


def errors(sources: Sources) -> Iterable[str]:
    """Yield what names something that is not configured. A circle of chains is one of missions, and said there."""
    models = sources.models
    for doc_id, quest in of_kind(models, KIND, QuestConfig).items():
        name = f"{KIND}/{doc_id}"
        for i, mission in enumerate(quest.missions):
            if mission not in models["missions"]:
                yield f"{name}: missions[{i}]: expected a mission, got {mission!r}"
        audience = compile_condition(quest.audience)
        yield from condition_errors(name, "audience", audience, models, sources.segments)
        yield from reward_errors(name, "rewards", quest.rewards, models)
        templates = sources.documents.get("templates")
        if quest.message and templates is not None and quest.message.template not in templates:
            yield f"{name}: message.template: expected a template, got {quest.message.template!r}"


def compile_quests(sources: Sources) -> Compiled:
    """Compile every quest; a mission's completion finds those that it is of."""
    rules = {i: _rule(i, model, sources.version) for i, model in of_kind(sources.models, KIND, QuestConfig).items()}
    completed: dict[str, tuple[Completed, ...]] = {}
    for rule in rules.values():
        for mission in rule.missions:
            completed[mission] = (*completed.get(mission, ()), partial(_completed, rule, mission))
    return Compiled(rules, completed=completed)


def _rule(doc_id: str, model: QuestConfig, version: int) -> QuestRule:
    return QuestRule(
        id=doc_id,
        version=version,
        name=model.name,
        missions=model.missions,
        mode=model.mode,
        audience=holds_of(model.audience),
        starts_at=as_ms(model.active.starts) if model.active.starts else 0,
        until=as_ms(model.active.until) if model.active.until else _FOREVER,
        rewards=rewards_of(model.rewards),
        budget=model.budget or "",
        message=message_of(model.message),
    )


# the turn


def _completed(rule: QuestRule, mission: str, turn: Turn, at: int) -> None:
    """Note a mission that was just completed; what this brings waits for the end of the turn (``settle``)."""
    held: QuestProgress = turn.part(KIND).get(rule.id, _NEW)
    if held.completed_count or not rule.starts_at <= at < rule.until:
        return
    if rule.audience is not None and not rule.audience(turn):
        return
    done = _done(rule, held, turn.missions) | {mission}
    if done == set(held.done):
        return
    _set(turn, rule, replace(held, status="in_progress", done=_in_order(rule, done)))
    turn.effects.append(QuestProgressed(rule.id, mission, len(done), len(rule.missions)))


def _done(rule: QuestRule, held: QuestProgress, missions: Mapping[str, MissionProgress]) -> set[str]:
    """Return the missions that count: those noted, and those whose last completion is in the window."""
    done = set(held.done) & set(rule.missions)
    for mission in rule.missions:
        progress = missions.get(mission)
        if progress and progress.completed_count and rule.starts_at <= progress.completed_at < rule.until:
            done.add(mission)
    return done


def settle(turn: Turn) -> None:
    """Complete the quests that the turn has moved and that miss nothing any more.

    At the end of the turn, since a joined profile may have been paid for the quest already.
    """
    if KIND not in turn.parts:
        return
    rules: Mapping[str, QuestRule] = turn.rules.rooms.get(KIND, {})
    for quest_id, held in turn.parts[KIND].items():
        rule = rules.get(quest_id)
        if rule and held.status == "in_progress" and len(set(held.done) & set(rule.missions)) == len(rule.missions):
            _complete(turn, rule, held)


def _complete(turn: Turn, rule: QuestRule, held: QuestProgress) -> None:
    _set(turn, rule, replace(held, status="completed", completed_count=1, completed_at=turn.event_time))
    turn.effects.append(QuestCompleted(rule.id))
    grant(turn, rule.rewards, f"{KIND}/{rule.id}", rule.version, rule.budget)
    if rule.message:
        name = local_text(rule.name, turn.profile.locale, rule.id)
        content = {"quest": {"id": rule.id, "name": name, "rewards": described(rule.rewards)}}
        ask_for_message(turn, rule.message, f"{KIND}/{rule.id}", content)


def _set(turn: Turn, rule: QuestRule, progress: QuestProgress) -> None:
    turn.set_part(KIND, {**turn.part(KIND), rule.id: progress})


def _in_order(rule: QuestRule, done: set[str]) -> tuple[str, ...]:
    return tuple(mission for mission in rule.missions if mission in done)


# two profiles


def hand_over(turn: Turn, _into: str) -> None:
    """End the profile: its quests are told to the other by the snapshot."""
    if turn.part(KIND):
        turn.set_part(KIND, {})


def join(turn: Turn, source: Snapshot) -> None:
    """Add what the other profile has done; a quest that either has completed is completed, and not paid again."""
    rules: Mapping[str, QuestRule] = turn.rules.rooms.get(KIND, {})
    for quest_id, theirs in source.quests.items():
        mine: QuestProgress = turn.part(KIND).get(quest_id, _NEW)
        done = tuple(dict.fromkeys((*mine.done, *theirs.done)))
        rule = rules.get(quest_id)
        joined = QuestProgress(
            "completed" if "completed" in (mine.status, theirs.status) else "in_progress",
            max(mine.completed_count, theirs.completed_count),
            max(mine.completed_at, theirs.completed_at),
            _in_order(rule, set(done)) if rule else done,
        )
        turn.set_part(KIND, {**turn.part(KIND), quest_id: joined})


# what is shown


def view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return ``{"quests": [...]}``, those not begun too."""
    quests: Mapping[str, QuestRule] = rules.rooms.get(KIND, {})
    return {KIND: [_shown(rule, rules, snapshot, now) for rule in quests.values()]}


def _shown(rule: QuestRule, rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    held = snapshot.quests.get(rule.id, _NEW)
    done = set(rule.missions) if held.completed_count else _done(rule, held, snapshot.missions)
    return {
        "id": rule.id,
        "name": dict(rule.name),
        "mode": rule.mode,
        "status": _status(rule, held, done, now),
        "missions": [
            {"id": mission, "status": _mission_status(rules, mission, snapshot, done)} for mission in rule.missions
        ],
        "done": len(done),
        "of": len(rule.missions),
        "until": rule.until if rule.until < _FOREVER else None,
        "completed_at": held.completed_at or None,
        "rewards": [
            {"kind": reward.kind, **said} for reward, said in zip(rule.rewards, described(rule.rewards), strict=True)
        ],
    }


def _status(rule: QuestRule, held: QuestProgress, done: set[str], now: int) -> str:
    if held.completed_count:
        return "completed"
    if now >= rule.until:
        return "missed"
    if now < rule.starts_at:
        return "locked"
    return "in_progress" if done else "available"


def _mission_status(rules: Rules, mission: str, snapshot: Snapshot, done: set[str]) -> str:
    if mission in done:
        return "completed"
    known = rules.missions.get(mission)
    return "available" if known and is_unlocked(known, snapshot.missions) else "locked"


ROOM = Room(
    name=KIND,
    kinds={KIND: QuestConfig},
    prepare=chained,
    errors=errors,
    compile=compile_quests,
    settle=settle,
    hand_over=hand_over,
    join=join,
    view=view,
)
