"""What a player sees of tournaments, and what anybody sees of a run. Pure; times are in ms.

The rank during a run is the board's to say (``store.boards``).
"""

from typing import Any

from domain.player import Snapshot
from domain.runs import RunRecord
from gamification.rewards import described
from gamification.rules import Reward, Rules
from gamification.tournaments import records
from gamification.tournaments.kept import Kept, kept_from
from gamification.tournaments.rules import TournamentRule
from gamification.tournaments.windows import Run, next_run, run_at, run_named


def tournaments_view(rules: Rules, snapshot: Snapshot, now: int) -> dict[str, Any]:
    """Return the runs that are under way or open for registration, and those that the player was in, by tournament."""
    shown: list[dict[str, Any]] = []
    for rule in records.tournaments(rules).rules.values():
        runs = {run.id: run for run in live_runs(rule, now)}
        for key, record in records.open_runs(snapshot).items():
            tournament, run = records.split(key)
            if tournament == rule.id and record.ends_at:
                runs[run] = Run(run, record.starts_at, record.ends_at)
        tier = snapshot.runs.get(rule.id)
        shown += [
            _entry(rule, run, snapshot.runs.get(records.key_of(rule.id, run.id)), now, tier.tier if tier else "")
            for run in sorted(runs.values(), key=lambda run: run.starts)
        ]
    return {"tournaments": shown}


def live_runs(rule: TournamentRule, now: int) -> list[Run]:
    """Return the present run, and the next one where players register (or where there is none at present)."""
    present, following = run_at(rule.schedule, rule.zone, now), next_run(rule.schedule, rule.zone, now)
    wanted = [present, following if rule.registration != "auto" or present is None else None]
    return [run for run in wanted if run is not None]


def _entry(rule: TournamentRule, run: Run, record: RunRecord | None, now: int, tier: str) -> dict[str, Any]:
    return {
        "id": rule.id,
        "run": run.id,
        "name": dict(rule.name),
        "status": _phase(rule, run, record, now),
        "starts_at": run.starts,
        "ends_at": run.ends,
        "registration": rule.registration,
        "buy_in": {"currency": rule.currency, "amount": rule.price} if rule.price else None,
        "players": {"min": rule.min_players or None, "max": rule.max_players or None},
        "min_score": rule.min_score,
        "prizes": [
            {"from": places.first, "until": places.last, "tiers": list(places.tiers), "rewards": _said(places.rewards)}
            for places in rule.prizes
        ],
        "me": _me(record, tier),
    }


def _said(rewards: tuple[Reward, ...]) -> list[dict[str, Any]]:
    return [{"kind": reward.kind, **said} for reward, said in zip(rewards, described(rewards), strict=True)]


def _phase(rule: TournamentRule, run: Run, record: RunRecord | None, now: int) -> str:
    """Return where a run is, by time and by what the player was told."""
    if record is not None and record.status in ("cancelled", "finished"):
        return record.status
    if now < run.starts:
        return "published" if rule.registration == "auto" else "registering"
    return "running" if now < run.ends else "finishing"


def _me(record: RunRecord | None, tier: str) -> dict[str, Any]:
    held = record or RunRecord("")
    return {
        "status": held.status or None,
        "registered": held.status in ("registered", "scoring", "leaving", "finished"),
        "board": held.board or None,
        "score": held.score if held.reached_at else None,
        "reached_at": held.reached_at or None,
        "rank": held.rank or None,  # of the final table, where it was told
        "tier": held.tier or tier or None,
        "reason": held.reason or None,
    }


_PHASES = {
    "": "published",
    "closing": "finishing",
    "freezing": "finishing",
    "awaiting_approval": "finishing",
    "paying": "finishing",
}


def shown_run(rules: Rules, name: str, kept: dict[str, Any], now: int) -> dict[str, Any] | None:
    """Return a run as its keeper knows it; None: there is no such tournament, or it never has a run of this name.

    Args:
        name: ``<tournament>@<run>``, also the board's where there are no cohorts.
        kept: ``Snapshot.kept`` of ``keeper:tournament:<name>``; {}: nobody has joined.
    """
    tournament, run = records.split(name)
    if (rule := records.tournaments(rules).rules.get(tournament)) is None:
        return None
    held = kept_from(kept)
    if not held.status and run_named(rule.schedule, rule.zone, run) is None:
        return None
    return {
        "id": tournament,
        "run": run,
        "name": dict(rule.name),
        "status": _status(held, now),
        "step": held.status or None,
        "starts_at": held.starts or None,
        "ends_at": held.ends or None,
        "entrants": held.entrants,
        "players": {"min": rule.min_players or None, "max": rule.max_players or None},
        "board": None if held.size else name,
        "cohorts": {"size": held.size, "opened": sum(opened for opened, _ in held.cohorts.values())}
        if held.size
        else None,
        "ranked": held.ranked,
        "prizes_paid": held.paid,
        "table": [
            {"rank": rank, "player": player, "score": score, "reached_at": at}
            for rank, (player, score, at) in enumerate(held.table, 1)
        ],
        "reason": held.reason or None,
        "over_at": held.over_at or None,
    }


def _status(kept: Kept, now: int) -> str:
    if kept.status in ("registering", "running"):
        if now < kept.starts:
            return "registering"
        return "running" if now < kept.ends else "finishing"
    return _PHASES.get(kept.status, kept.status)
