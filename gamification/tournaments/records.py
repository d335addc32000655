"""The player's records of runs, and what leaves with them: scores for boards, groups, refunds."""

from msgspec.structs import replace

from domain.game_effects import LeaderboardMoved
from domain.player import Snapshot
from domain.runs import RunRecord
from domain.step import BoardScore, GroupOp
from gamification import ledger
from gamification.rules import Rules
from gamification.tournaments.rules import KIND, NONE, ROOM, Tournaments
from gamification.working import Turn

RUNS_MAX = 20  # of a player, beside those that are under way
OVER = frozenset({"refused", "withdrawn", "cancelled", "finished"})
TIER = "tier"
STALE_MS = 60 * 86_400_000  # after its end; approval of prizes may take long


def tournaments(rules: Rules) -> Tournaments:
    """Return the tournaments in force."""
    found: Tournaments = rules.rooms.get(ROOM, NONE)
    return found


def key_of(tournament: str, run: str) -> str:
    """Return the name of a run, also of its keeper, its group and its board."""
    return f"{tournament}@{run}"


def split(key: str) -> tuple[str, str]:
    """Return (tournament, run)."""
    tournament, _, run = key.rpartition("@")
    return tournament, run


def group_of(key: str) -> str:
    """Return the group of those who asked to be in a run; a walk over it tells them of its end."""
    return f"{KIND}/{key}"


def pending_of(key: str) -> str:
    """Return the group of those who wait for an operator."""
    return f"{KIND}/{key}/pending"


def record_of(turn: Turn, key: str) -> RunRecord | None:
    """Return the player's record of a run."""
    runs: dict[str, RunRecord] = turn.part("runs")
    return runs.get(key)


def keep(turn: Turn, key: str, record: RunRecord) -> None:
    """Keep a record, newest last; beyond ``RUNS_MAX`` those that are over go, the oldest first."""
    runs: dict[str, RunRecord] = turn.part("runs")
    if key in runs:
        turn.set_part("runs", {**runs, key: record})
        return
    over = [name for name, held in runs.items() if held.status in OVER or _is_stale(held, turn.at)]
    kept = sum(held.status != TIER for held in runs.values())
    gone = set(over[: max(0, kept - RUNS_MAX + 1)])
    known = tournaments(turn.rules).rules
    gone |= {name for name, held in runs.items() if held.status == TIER and name not in known and name != key}
    turn.set_part("runs", {**{name: held for name, held in runs.items() if name not in gone}, key: record})


def _is_stale(record: RunRecord, now: int) -> bool:
    """Tell whether a run's end must have been missed; what was paid for is kept whatever happens."""
    return record.status != TIER and not record.price and now > record.ends_at + STALE_MS


def tier_of(turn: Turn, tournament: str) -> str:
    """Return the tier that the player's next run is played in; "": none was reached yet."""
    held = record_of(turn, tournament)
    return held.tier if held is not None else ""


def enter(turn: Turn, key: str) -> None:
    """Be one of those whom the run's end is told."""
    turn.groups.append(GroupOp(group_of(key)))


def leave(turn: Turn, key: str) -> None:
    """Be none of them any more."""
    turn.groups.append(GroupOp(group_of(key), add=False))


def send(turn: Turn, key: str, record: RunRecord) -> RunRecord:
    """Send a score that is not on the board yet, under a version that rises; return the record."""
    if not record.board or not record.reached_at:
        return record
    return put_on_board(turn, key, replace(record, status="scoring", version=record.version + 1))


def put_on_board(turn: Turn, key: str, record: RunRecord) -> RunRecord:
    """Send the score under the record's own version, which must be a new one; return the record."""
    turn.scores_out.append(BoardScore(record.board, turn.player, record.version, record.score, record.reached_at))
    turn.effects.append(LeaderboardMoved(record.board, record.score, record.version, *split(key)))
    return record


def pay_back(turn: Turn, key: str, record: RunRecord, reason: str) -> RunRecord:
    """Give back what was paid: from ``held`` while it was asked for, else from ``redeemed``; return the record."""
    if not record.price:
        return record
    source = ledger.HELD if record.status == "asked" else ledger.REDEEMED
    rule = f"{KIND}/{split(key)[0]}"
    ledger.give_back(turn, record.currency, record.price, rule, turn.rules.version, reason, source, record.paid)
    return replace(record, price=0, paid=())


def open_runs(snapshot: Snapshot) -> dict[str, RunRecord]:
    """Return the records of runs, without those that only keep a tier."""
    return {key: record for key, record in snapshot.runs.items() if record.status != TIER}
