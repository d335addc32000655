"""Who is in which segment, turn by turn.

A turn judges the segments that its difference may touch, those whose time has come, and then those that name the ones
that changed. ``Segments.due`` says when time alone may change each; both it and the one timer are lazy: they may be
earlier than needed, never later, so the deposit that puts "silent for 7 days" off writes nothing and moves no timer.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from crm.segments.rules import SegmentRules, Touched
from crm.working import Turn
from domain.conditions import next_change
from domain.effects import SegmentEntered, SegmentLeft
from domain.entries import Entry, Merged, TimerFired
from domain.player import Segments, Snapshot, last_tone
from domain.step import GroupOp

TIMER = "segments"
DUE_MAX_MS = 400 * 86_400_000  # what is later is looked at again then


def advance(rules: SegmentRules, turn: Turn, entry: Entry | None) -> None:
    """Judge the segments that this turn may have changed; all of them under a new programme version or after a merge.

    Args:
        entry: None in a follow-up, when only what ``turn.before`` and ``turn.start`` differ in is new.
    """
    held = turn.segments
    if held.version != rules.version:
        if rules.conditions or held.member or held.due:
            _judge(rules, turn, entry, dict.fromkeys(rules.conditions, _why_all(turn)))
        return
    if isinstance(entry, Merged):
        reasons = dict.fromkeys(rules.conditions, turn.by)
    else:
        reasons = dict.fromkeys(_touched(rules.touched, turn), turn.by)
        if 0 < held.armed <= turn.at:
            for name, due in held.due.items():
                if due <= turn.at:
                    reasons.setdefault(name, "time")
    if _is_our_timer(held, entry) or (reasons and not _stays(rules, turn, reasons)):
        _judge(rules, turn, entry, reasons)


def shown(rules: SegmentRules, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the segments a player is in, as ``{"id", "name", "since"}``, the oldest membership first.

    ``name`` is by language, ``since`` in ms. One that the programme no longer has is left out.
    """
    member = sorted(snapshot.segments.member.items(), key=lambda item: (item[1], item[0]))
    return [
        {"id": name, "name": dict(rules.names.get(name, {})), "since": since}
        for name, since in member
        if name in rules.conditions
    ]


def _why_all(turn: Turn) -> str:
    """Return why all are judged: a player never seen before meets them by the event, others by the publication."""
    known = turn.before.profile.first_seen_at or turn.segments.version > 0
    return "published" if known and turn.segments.version >= 0 else turn.by


def _touched(index: Touched, turn: Turn) -> Iterator[str]:
    """Yield, perhaps twice, what the difference between before and now may change; identity of parts comes first."""
    before, start = turn.before, turn.start
    if start.metrics is not before.metrics:
        for metric, names in index.metrics:
            if start.metrics.get(metric) is not before.metrics.get(metric):
                yield from names
    if start.wallet is not before.wallet:
        for currency, names in index.balances:
            if start.wallet.get(currency) is not before.wallet.get(currency):
                yield from names
    if index.levels and start.progress.levels is not before.progress.levels:
        yield from index.levels
    if start.scores is not before.scores:
        for score, names in index.scores:
            if start.scores.held.get(score) is not before.scores.held.get(score):
                yield from names
    if index.tone and last_tone(start) is not last_tone(before):
        yield from index.tone
    if turn.profile is not before.profile:
        yield from _touched_by_profile(index, turn)


def _touched_by_profile(index: Touched, turn: Turn) -> Iterator[str]:
    was, now = turn.before.profile, turn.profile
    if now.traits is not was.traits:
        for trait, names in index.traits:
            if now.traits.get(trait) is not was.traits.get(trait):
                yield from names
    if was.timezone != now.timezone:
        yield from index.zone
    if was.first_seen_at != now.first_seen_at:
        yield from index.first_seen
    if was.last_seen_at != now.last_seen_at:
        silence = turn.at - was.last_seen_at if was.last_seen_at else 2**62
        for name, least_ms in index.last_seen:
            if silence >= least_ms:
                yield name


def _is_our_timer(held: Segments, entry: Entry | None) -> bool:
    """Tell whether the armed timer fired; another one of ours is a relic and changes nothing."""
    return isinstance(entry, TimerFired) and entry.kind == TIMER and entry.due == held.armed


def _stays(rules: SegmentRules, turn: Turn, names: Iterable[str]) -> bool:
    """Tell whether each of these segments is as it was: then so is every other, and nothing is copied or written.

    Points that every bet brings touch "close to gold" every time, and change it once.
    """
    held = turn.segments
    for name in names:
        condition = rules.conditions[name]
        if condition.holds(turn) is not (name in held.member):
            return False
        if condition.timed:
            due = held.due.get(name, 0)
            if _next_due(due, next_change(condition, turn), turn.at) != due:
                return False
    return True


def _judge(rules: SegmentRules, turn: Turn, entry: Entry | None, reasons: dict[str, str]) -> None:
    """Judge the segments that have a reason, in order, and arm the timer for what comes next."""
    held = turn.segments
    member, due = dict(held.member), dict(held.due)
    # Conditions ask the turn whether the player is in a segment: they see what was judged before them.
    turn.segments = Segments(member, due, held.armed, rules.version)
    if held.version != rules.version:
        _drop_removed(rules, turn, member, due)
    for name, condition in rules.conditions.items():
        by = reasons.get(name)
        if by is None:
            continue
        if condition.holds(turn) is not (name in member):
            _change(turn, name, by)
            for other in rules.touched.segments.get(name, ()):
                reasons.setdefault(other, by)
        if condition.timed:
            if following := _next_due(due.get(name, 0), next_change(condition, turn), turn.at):
                due[name] = following
            else:
                due.pop(name, None)
    armed = _armed(turn, 0 if _is_our_timer(held, entry) else held.armed, due)
    if (member, due, armed, rules.version) == (held.member, held.due, held.armed, held.version):
        turn.segments = held  # nothing to write
    else:
        turn.segments = Segments(
            held.member if member == held.member else member, held.due if due == held.due else due, armed, rules.version
        )


def _drop_removed(rules: SegmentRules, turn: Turn, member: dict[str, int], due: dict[str, int]) -> None:
    for name in [name for name in member if name not in rules.conditions]:
        _change(turn, name, "removed")
    for name in [name for name in due if name not in rules.conditions or not rules.conditions[name].timed]:
        del due[name]


def _change(turn: Turn, name: str, by: str) -> None:
    member = turn.segments.member
    if name in member:
        del member[name]
        turn.left.append(name)
        turn.effects.append(SegmentLeft(name, by))
        turn.groups.append(GroupOp(f"segments/{name}", add=False))
    else:
        member[name] = turn.at
        turn.entered.append(name)
        turn.effects.append(SegmentEntered(name, by))
        turn.groups.append(GroupOp(f"segments/{name}"))


def _next_due(held: int, following: int, now: int) -> int:
    """Return when to judge again, 0 for never; a moment that is still to come and early enough is kept."""
    following = min(following, now + DUE_MAX_MS)
    return held if held > now and (not following or held <= following) else following


def _armed(turn: Turn, armed: int, due: dict[str, int]) -> int:
    """Return what the timer is set for, after moving it when something is due before it.

    One whose time has come is left alone: it is on its way in the log, and re-arms.
    """
    soonest = min(due.values(), default=0)
    if not soonest or 0 < armed <= soonest:
        return armed
    if armed:
        turn.clear_timer(TIMER, "", armed)
    turn.set_timer(TIMER, "", soonest)
    return soonest
