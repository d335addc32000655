"""Rewards of a completed mission: at once, or when the player claims them. Claims expire by turn time."""

from msgspec.structs import replace

from domain.effects import CompletionClaimed, CompletionExpired
from domain.player import MissionProgress
from gamification.rewards import grant
from gamification.rules import MissionRule
from gamification.working import Turn

TIMER = "claim_expires"
UNCLAIMED_MAX = 100  # of one mission; beyond it the oldest is lost, and said to be expired
MERGED = "~"  # between a completion's id and the mark of the profile it came with

Unclaimed = tuple[str, int, int]  # completion id, programme version, claim until (ms, 0: no expiry)


def settle(turn: Turn, rule: MissionRule, completion_id: str, claim_until: int) -> None:
    """Grant the rewards of a completion just made, or keep them for its claim."""
    if rule.claim == "auto":
        grant(turn, rule.rewards, "missions/" + rule.id, rule.version, rule.budget)
        return
    keep(turn, rule.id, (completion_id, rule.version, claim_until))


def keep(turn: Turn, mission_id: str, waiting: Unclaimed) -> None:
    """Keep a completion for its claim; beyond ``UNCLAIMED_MAX`` the oldest is lost, and said to be expired."""
    progress = turn.missions[mission_id]
    if len(progress.unclaimed) >= UNCLAIMED_MAX:
        _drop(turn, mission_id, progress.unclaimed[0])
        progress = turn.missions[mission_id]
    turn.set_mission(mission_id, replace(progress, unclaimed=(*progress.unclaimed, waiting)))
    if waiting[2]:
        turn.set_timer(TIMER, waiting[0], waiting[2])


def find(missions: dict[str, MissionProgress], completion_id: str) -> tuple[str, Unclaimed] | None:
    """Return (mission id, what waits) of a completion, None when nothing waits under that id.

    One that came with a merged profile has the id it had there and ``~`` with a mark of that profile, so that it
    cannot be mistaken for one of this player's; the id it had there finds it too, where that is free.
    """
    mission_id = completion_id.rpartition(".")[0]
    unclaimed = missions.get(mission_id, MissionProgress()).unclaimed
    for waiting in unclaimed:
        if waiting[0] == completion_id:
            return mission_id, waiting
    for waiting in unclaimed:
        if waiting[0].startswith(f"{completion_id}{MERGED}"):
            return mission_id, waiting
    return None


def claim(turn: Turn, completion_id: str) -> str:
    """Grant what waits under the id; return ``ok``, or the code of why not.

    A completion whose time is over is dropped here too, so that a late timer changes nothing.
    """
    found = find(turn.missions, completion_id)
    if found is None:
        return "completion_not_found"
    mission_id, waiting = found
    completion_id, version, until = waiting
    if _is_over(waiting, turn.at):
        _drop(turn, mission_id, waiting)
        return "claim_expired"
    rule = turn.rules.mission_at(mission_id, version)
    if rule is None:
        return "mission_not_found"
    _remove(turn, mission_id, waiting)
    if until:
        turn.clear_timer(TIMER, completion_id, until)
    turn.effects.append(CompletionClaimed(mission_id, completion_id))
    grant(turn, rule.rewards, "missions/" + mission_id, version, rule.budget)
    return "ok"


def on_timer(turn: Turn, completion_id: str) -> None:
    """Drop a completion that was not claimed in time."""
    found = find(turn.missions, completion_id)
    if found and _is_over(found[1], turn.at):
        _drop(turn, *found)


def _is_over(waiting: Unclaimed, now: int) -> bool:
    return 0 < waiting[2] <= now


def _drop(turn: Turn, mission_id: str, waiting: Unclaimed) -> None:
    _remove(turn, mission_id, waiting)
    turn.effects.append(CompletionExpired(mission_id, waiting[0]))


def _remove(turn: Turn, mission_id: str, waiting: Unclaimed) -> None:
    progress = turn.missions[mission_id]
    kept = tuple(other for other in progress.unclaimed if other != waiting)
    turn.set_mission(mission_id, replace(progress, unclaimed=kept))
