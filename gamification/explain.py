"""Was a completion earned? An independent, slow recount for the audit: it shares no code with the turn.

Conditions are interpreted (``evaluate``), not compiled; amounts are read anew. It checks what the log can show: that
enough matching events occurred from where the counting began. It is one-sided: it never calls a sound completion
unsound, and it cannot see that an event was counted for an earlier cycle that began at the same instant.
"""

from collections.abc import Callable, Mapping, Sequence
from math import floor, isfinite
from typing import Any

from domain.conditions import Context, PlayerContext, Tree, evaluate
from domain.effects import MissionCompleted
from domain.entries import Event, LogEntry
from domain.player import Snapshot
from gamification.rules import Rules, TaskRule

ContextOf = Callable[[LogEntry], Context]


def explain_completion(
    rules: Rules,
    mission_id: str,
    completion: MissionCompleted,
    events: Sequence[LogEntry],
    *,
    cause: str | None = None,
    context_of: ContextOf | None = None,
    brought: Mapping[str, int] | None = None,
) -> str | None:
    """Return None if the player's events account for the completion, else a sentence that says what is missing.

    Args:
        rules: The version the completion was made under (the mission's, ``MissionProgress.programme``).
        events: That player's entries in log order, up to the completing one or beyond.
        cause: Id of the completing event; entries after it do not count. Without it, all are taken.
        context_of: The player as they were at an entry. Without it, a task whose condition asks about the player
            is recounted with the benefit of the doubt: every event of its name counts.
        brought: By task, what profiles that joined while it was counted brought along; their events are in other logs.
    """
    mission = rules.missions.get(mission_id)
    if mission is None:
        return f"{mission_id}: expected a mission of programme version {rules.version}, there is none"
    counted = _events_from(completion.window_from, events, cause)
    if cause is not None and not any(entry.entry.id == cause for entry in counted if isinstance(entry.entry, Event)):
        return f"{mission_id}: the completing event {cause!r} is not among the events since {completion.window_from}"
    for task in mission.tasks:
        found = sum(_worth(task, entry, context_of) for entry in counted) + (brought or {}).get(task.id, 0)
        if found < task.expected:
            return f"{mission_id}: task {task.id} needs {task.expected}, the log accounts for {found}"
    return None


def _events_from(start: int, events: Sequence[LogEntry], cause: str | None) -> list[LogEntry]:
    """Return each event once, from ``start`` in event time, up to the cause in log order.

    An id is the sender's: one that was sent on from another id of the person is another event's.
    """
    last = len(events)
    if cause is not None:
        of_cause = [
            n for n, entry in enumerate(events, 1) if isinstance(entry.entry, Event) and entry.entry.id == cause
        ]
        last = of_cause[-1] if of_cause else last
    chosen: dict[tuple[str, str], LogEntry] = {}
    for entry in events[:last]:
        if isinstance(entry.entry, Event) and entry.entry.occurred_at >= start:
            chosen.setdefault((entry.entry.id, entry.entry.forwarded), entry)
    return list(chosen.values())


def _worth(task: TaskRule, entry: LogEntry, context_of: ContextOf | None) -> int:
    event = entry.entry
    if not isinstance(event, Event) or event.name != task.event:
        return 0
    tree = task.where.tree
    if context_of is not None:
        if not evaluate(tree, context_of(entry)):
            return 0
    elif not _asks_about_the_player(tree) and not evaluate(tree, PlayerContext(Snapshot(event.player), event)):
        return 0
    return _amount(event, task.sum) if task.sum else 1


def _asks_about_the_player(tree: Tree | None) -> bool:
    if tree is None:
        return False
    children = [*tree.get("all", ()), *tree.get("any", ()), *([tree["not"]] if "not" in tree else [])]
    if children:
        return any(_asks_about_the_player(child) for child in children)
    # now.* is the hour and day of the player's own zone
    return "metric" in tree or "segment" in tree or str(tree.get("field")).startswith(("player.", "now."))


def _amount(event: Event, path: tuple[str, ...]) -> int:
    held: Any = {"properties": event.properties, "context": event.context}
    for key in path:
        held = held.get(key) if isinstance(held, dict) else None
    if isinstance(held, bool) or not isinstance(held, int | float) or not isfinite(held) or held > 2**53:
        return 0
    return max(0, floor(held))
