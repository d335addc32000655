"""Events, freezes and rewards of a streak: what changes one, and what that is worth.

Which cycle an event counts in goes by its own time and by the zone that the player has when it is taken. Freezes are
bought and earned at turn time. A count is rewarded once in a run, however late the events that make it are.
"""

from msgspec.structs import replace

from domain.entries import Event
from domain.game_effects import StreakCounted, StreakFreezes, StreakMissed
from domain.step import UniqueKey
from domain.streaks import Streak, Walked
from gamification.rewards import ask_for_message, described, grant, local_text
from gamification.rules import Reward
from gamification.streaks.rules import StreakRule
from gamification.streaks.walking import EARLY, EXCUSED, PLAYED, RECENT, Mark, fitted, has, marked, walk
from gamification.working import Turn

NEW = Streak()
Streaks = dict[str, Streak]
Marks = tuple[Mark, ...]


def count(turn: Turn, rule: StreakRule, event: Event) -> None:
    """Count the event. Most change nothing, because their cycle has been counted: that is asked first."""
    at, zone = event.occurred_at, turn.zone
    cycle = rule.cycle_at(at, zone)
    saw = EARLY if rule.grace_ms and rule.cycle_at(at - rule.grace_ms, zone) < cycle else PLAYED
    streaks: Streaks = turn.part("streaks")
    held = streaks.get(rule.id, NEW)
    is_known = held.marks and held.marks[-1][0] == cycle and has(held.marks[-1], saw) and held.by == rule.by
    if is_known and (held.zone == zone or at < held.at):
        return  # in another zone it counts nothing either, but says from where the player flies next
    if rule.where is not None and not rule.where(turn):
        return
    was, held = held, fitted(rule, held)
    if cycle <= held.base.seen:
        return  # too long ago
    marks = held.marks
    if cycle < held.cycle and at >= held.at:  # a day that began again when the player flew west: it counts once
        turn.set_part("streaks", {**streaks, rule.id: replace(held, zone=zone, at=at)})
        return
    if at >= held.at:
        marks = _excused(rule, held, marks, at, zone)
        held = replace(held, zone=zone, at=at)
    elif any(mark[0] == cycle and has(mark, saw) for mark in marks):
        return
    keep(turn, rule, was, held, marked(marks, cycle, saw))


def _excused(rule: StreakRule, held: Streak, marks: Marks, at: int, zone: str) -> Marks:
    """Excuse the cycles that a flight east has cut short, so that nobody loses by it."""
    if not held.zone or held.zone == zone or not held.count:
        return marks
    here, there = rule.cycle_at(at, zone), rule.cycle_at(at, held.zone)
    for cycle in range(held.cycle + 1, min(held.cycle + 1 + here - there, here)):
        marks = marked(marks, cycle, EXCUSED)
    return marks


def gain(turn: Turn, rule: StreakRule, amount: int) -> int:
    """Add freezes, as many as may be held; return how many are held then."""
    streaks: Streaks = turn.part("streaks")
    was = streaks.get(rule.id, NEW)
    held = fitted(rule, was)
    cycle = max(rule.cycle_at(turn.at - rule.grace_ms, turn.zone), held.base.seen + 1)
    return keep(turn, rule, was, held, marked(held.marks, cycle, 0, amount)).freezes


def keep(turn: Turn, rule: StreakRule, was: Streak, held: Streak, marks: Marks) -> Streak:
    """Walk again, store, tell what changed since ``was`` and reward the counts that are new."""
    base = held.base
    while len(marks) > RECENT:
        base, marks = walk(rule, base, marks[:1]), marks[1:]
    stands = walk(rule, base, marks)
    paid, counts = _unpaid(held, base, stands)
    now = replace(
        held,
        count=stands.count,
        best=max(held.best, stands.high),
        cycle=stands.last,
        freezes=stands.freezes,
        marks=marks,
        base=base,
        paid=paid,
    )
    streaks: Streaks = turn.part("streaks")
    turn.set_part("streaks", {**streaks, rule.id: now})
    _tell(turn, rule, was, now)
    for number in counts:
        _pay(turn, rule, held, stands.first, number)
    return now


def _unpaid(held: Streak, base: Walked, stands: Walked) -> tuple[tuple[tuple[int, int], ...], range]:
    """Return what is paid from now on, and the counts still to pay in the present run.

    A run that has grown backwards, or has been joined with one before it by a late event, took over what was paid in
    the runs it is made of.
    """
    oldest = base.first if base.count else base.seen
    others = tuple(run for run in held.paid if oldest <= run[0] and (run[0] < stands.first or not stands.count))
    if not stands.count:
        return others, range(0)
    done = max((high for first, high in held.paid if first >= stands.first), default=0)
    return (*others, (stands.first, max(done, stands.high))), range(done + 1, stands.high + 1)


def _tell(turn: Turn, rule: StreakRule, was: Streak, now: Streak) -> None:
    forward = now.cycle > was.cycle
    if was.count and now.count < was.count + forward:
        turn.effects.append(StreakMissed(rule.id, was.count, now.count - 1 if forward and now.count else now.count))
    if now.freezes != was.freezes:
        turn.effects.append(StreakFreezes(rule.id, now.freezes - was.freezes, now.freezes))
    if forward or now.count > was.count:
        turn.effects.append(StreakCounted(rule.id, now.count, now.best, now.cycle, now.at == was.at))


def _pay(turn: Turn, rule: StreakRule, held: Streak, first: int, number: int) -> None:
    tiers = [tier for tier in rule.tiers if tier.pays(number) and not (tier.once and number <= held.best)]
    rewards: tuple[Reward, ...] = tuple(reward for tier in tiers for reward in tier.rewards)
    if not rewards:
        return
    paid = f"{rule.every}{held.epoch or ''}.{first}.{number}"
    turn.keys.append(UniqueKey(f"{turn.player}|streaks/{rule.id}|{paid}", turn.cause))
    grant(turn, rewards, "streaks/" + rule.id, rule.version, rule.budget)
    if rule.message:
        name = local_text(rule.name, turn.profile.locale, rule.id)
        content = {"streak": {"id": rule.id, "name": name, "count": number, "rewards": described(rewards)}}
        ask_for_message(turn, rule.message, f"streaks/{rule.id}/{paid}", content)
