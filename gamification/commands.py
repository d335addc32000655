"""What callers ask of a player: adjust a balance, opt in to a mission, claim a completion.

Each answers with one ``Answered``; a refusal is an answer with a stable code, and changes nothing else (but a claim
that comes too late drops its completion). Commands have no event time: they go by turn time.
"""

from collections.abc import Callable
from typing import Any

from domain.effects import Answered
from domain.player import MissionProgress
from gamification import claims, cycles
from gamification.ledger import post
from gamification.missions import is_unlocked, start
from gamification.rules import AMOUNT_MAX, MissionRule
from gamification.working import Turn

REASON_CHARS_MAX = 500


def adjust(turn: Turn, args: dict[str, Any]) -> Answered:
    """Post ``amount`` (not 0) against the account ``adjusted``."""
    currency, amount, reason = args.get("currency"), args.get("amount"), args.get("reason") or ""
    if not isinstance(currency, str) or type(amount) is not int or not isinstance(reason, str):
        return Answered("invalid_arguments", "expected currency (string), amount (integer), reason (string)")
    if currency not in turn.rules.currencies:
        return Answered("unknown_currency", f"no currency {currency!r} in programme version {turn.rules.version}")
    if amount == 0 or abs(amount) > AMOUNT_MAX or len(reason) > REASON_CHARS_MAX:
        return Answered("amount_out_of_range" if len(reason) <= REASON_CHARS_MAX else "invalid_arguments")
    outcome = post(turn, currency, amount, "adjustment", turn.rules.version, "adjusted", reason)
    balance = turn.wallet[currency].balance if currency in turn.wallet else 0
    if outcome == "insufficient_balance":
        return Answered(outcome, f"the balance is {balance}, the adjustment {amount}")
    return Answered(outcome, data={"currency": currency, "amount": amount, "balance": balance})


def opt_in(turn: Turn, args: dict[str, Any]) -> Answered:
    """Begin a mission's cycle now. Opting in again while it is in progress is ``ok`` and changes nothing."""
    mission = turn.rules.missions.get(str(args.get("mission")))
    if mission is None:
        return Answered("mission_not_found")
    held = turn.missions.get(mission.id, MissionProgress())
    rule = turn.rules.mission_of(mission, held)
    held = cycles.expire_overdue(turn, rule, held)
    cycle = cycles.cycle_at(rule, held, turn.at, turn.zone)
    stays = cycle == held.cycle or cycles.is_past(cycle, held.cycle)
    if held.status == "in_progress" and stays:
        return _opted(rule, held)
    progress = held if stays else cycles.next_cycle(held, cycle)
    refused = _refused(turn, mission, progress)
    if refused:
        return Answered(refused)
    if progress is not held:
        cycles.unwatch(turn, rule, held)
    started = start(turn, mission, progress, turn.at)
    turn.set_mission(mission.id, started)
    return _opted(mission, started)


def claim(turn: Turn, args: dict[str, Any]) -> Answered:
    """Take the rewards of a completion; the rewards are those of the version it was completed under."""
    completion_id = args.get("completion_id")
    if not isinstance(completion_id, str):
        return Answered("invalid_arguments", "expected completion_id (string)")
    return Answered(claims.claim(turn, completion_id), data={"completion_id": completion_id})


COMMANDS: dict[str, Callable[[Turn, dict[str, Any]], Answered]] = {"adjust": adjust, "opt_in": opt_in, "claim": claim}


def _refused(turn: Turn, mission: MissionRule, progress: MissionProgress) -> str:
    """Return why a mission cannot be begun, in order of finality, or nothing."""
    if not mission.opt_in:
        return "opt_in_not_needed"
    if progress.status != "available":
        return f"mission_{progress.status}"
    if not mission.starts_at <= turn.at < mission.until:
        return "mission_not_active"
    if not is_unlocked(mission, turn.missions):
        return "mission_locked"
    if mission.audience is not None and not mission.audience(turn):
        return "not_in_audience"
    return ""


def _opted(rule: MissionRule, progress: MissionProgress) -> Answered:
    data: dict[str, Any] = {"mission": rule.id, "status": progress.status, "cycle": progress.cycle}
    if rule.time_limit_ms:
        data["until"] = cycles.deadline_of(rule, progress)
    return Answered("ok", data=data)
