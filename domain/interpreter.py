"""The condition tree's meaning written a second time, slowly: the oracle of the tests and the audit.

It shares no code with the compiler.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from domain.calendar import as_datetime
from domain.context import Context, level_of
from domain.player import Balance
from domain.trees import Tree


def evaluate(tree: Tree | None, context: Context) -> bool:
    """Return what the compiled condition returns, by walking a valid tree as it stands."""
    return tree is None or _verdict(tree, context) is True


def _verdict(tree: Tree, context: Context) -> bool | None:
    if "all" in tree:
        verdicts = [_verdict(child, context) for child in tree["all"]]
        return False if False in verdicts else None if None in verdicts else True
    if "any" in tree:
        verdicts = [_verdict(child, context) for child in tree["any"]]
        return True if True in verdicts else None if None in verdicts else False
    if "not" in tree:
        verdict = _verdict(tree["not"], context)
        return None if verdict is None else not verdict
    if "segment" in tree:
        member: bool | None = context.segment(tree["segment"])
        return member
    held = context.metric(tree["metric"]) if "metric" in tree else _held(tree["field"].split("."), context)
    if tree["op"] == "anniversary":
        return _is_anniversary(held, as_datetime(context.now, context.zone).date(), tree.get("value", 0))
    if tree["op"] == "exists":
        return (held is not None) is tree.get("value", True)
    return compared(tree["op"], held, tree["value"])


def _held(parts: list[str], context: Context) -> Any:
    match parts:
        case ["player", "level"]:
            return level_of(context.levels)
        case ["player", "balance", *rest]:
            return context.wallet.get(".".join(rest), Balance()).balance
        case ["event", "name"]:
            return context.event.name if context.event else None
        case ["player", "since", "first_seen"]:
            return _seconds(context.first_seen_at, context.now)
        case ["player", "since", "last_seen"]:
            return _seconds(context.last_seen_at, context.now)
        case ["player", "since", "tone"]:
            return _seconds(context.tone.get("at", 0), context.now)
        case ["player", "tone", name]:
            return context.tone.get(name)
        case ["now", unit]:
            return _local(as_datetime(context.now, context.zone), unit)
        case _:
            return _held_below(parts, context)


def _held_below(parts: list[str], context: Context) -> Any:
    roots: dict[str, Mapping[str, Any]] = {"traits": context.traits, "scores": context.scores}
    if context.event:
        roots |= {"properties": context.event.properties, "context": context.event.context}
    held: Any = context.journey if parts[0] == "journey" else roots.get(parts[1], {})
    for part in parts[1:] if parts[0] == "journey" else parts[2:]:
        held = held.get(part) if isinstance(held, dict) else None
    return held


def _seconds(at: int, now: int) -> int | None:
    return max(0, (now - at) // 1000) if at else None


def _local(moment: datetime, unit: str) -> int | str:
    if unit == "date":
        return moment.date().isoformat()
    return moment.hour if unit == "hour" else moment.isoweekday()


def _is_anniversary(held: object, today: date, ahead: int) -> bool | None:
    """Tell whether the day ``ahead`` of today is the anniversary; who was born on 29 February has it on the 28th."""
    text = str(held) if isinstance(held, str) else ""
    if text.startswith("--"):
        text = "2000-" + text[2:]
    if len(text) > 10 and text[10] not in "T ":
        return None
    try:
        born = datetime.strptime(text[:10], "%Y-%m-%d").date() if len(text) >= 10 else None  # noqa: DTZ007
    except ValueError:
        return None
    if born is None or born.isoformat() != text[:10]:
        return None
    day = today + timedelta(days=ahead)
    is_leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
    of_year = (2, 28) if (born.month, born.day) == (2, 29) and not is_leap else (born.month, born.day)
    return (day.month, day.day) == of_year


def compared(op: str, held: Any, value: Any) -> bool | None:
    """Return a comparison's verdict; None when it is unknown."""
    if op == "contains" and isinstance(held, list | tuple):
        return any(_same_kind(item, value) and item == value for item in held)
    wanted = value[0] if op in ("in", "between") else value
    if not _same_kind(held, wanted) or (op == "contains" and not isinstance(held, str)):
        return None
    answers: dict[str, Callable[[], bool]] = {
        "eq": lambda: held == value,
        "ne": lambda: held != value,
        "gt": lambda: held > value,
        "gte": lambda: held >= value,
        "lt": lambda: held < value,
        "lte": lambda: held <= value,
        "in": lambda: any(held == item for item in value),
        "between": lambda: value[0] <= held <= value[1],
        "contains": lambda: value in held,
        "starts_with": lambda: held.startswith(value),
    }
    return bool(answers[op]())


def _same_kind(left: object, right: object) -> bool:
    for kind in (bool, str, int | float):  # bool first: it is an int
        if isinstance(left, kind) or isinstance(right, kind):
            return isinstance(left, kind) and isinstance(right, kind)
    return False
