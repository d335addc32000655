"""A player's way out of a run: withdrawing before it starts, and hearing of its end or that it does not take place."""

from typing import Any

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import KeeperAnswered, Visited
from domain.game_effects import PrizeWon, TournamentCancelled, TournamentFinished, TournamentRefused
from domain.ids import keeper_id
from domain.player import Ask
from domain.runs import RunRecord
from domain.step import BoardScore, GroupOp, UniqueKey
from gamification import asking
from gamification.rewards import ask_for_message, described, grant, local_text, rewards_from
from gamification.tournaments import records
from gamification.tournaments.rules import KEEPER, KIND
from gamification.working import Turn

LEFT = "tournament_left"  # which rule goes on with the keeper's answer
RESULT = "tournament_result"  # what the keeper tells of a place: its prize, and the tier of the next run
OVER = "tournament_over"  # kind of the visit that tells everybody of the end


def withdraw(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Leave a run that has not started: the one named, else the next one that the player is in."""
    tournament = str(args.get("tournament"))
    wanted = args.get("run")
    mine = [
        (key, record)
        for key, record in turn.part("runs").items()
        if records.split(key)[0] == tournament
        and wanted in (None, records.split(key)[1])
        and record.status in ("registered", "pending", "scoring")
    ]
    if not mine:
        return Answered("not_registered")
    key, record = max(mine, key=lambda pair: int(pair[1].starts_at))
    if turn.at >= record.starts_at:
        return Answered("already_started")
    if record.status == "pending":
        turn.groups.append(GroupOp(records.pending_of(key), add=False))
        _out(turn, key, record)
        return Answered("ok", data=_shown(key))
    if not asking.may_ask(turn):
        return Answered("too_many_asks")
    records.keep(turn, key, replace(record, status="leaving"))
    asking.ask(turn, keeper_id(KEEPER, key), "leave", LEFT, {"at": turn.at}, {"key": key})
    return None


def on_left(turn: Turn, ask: Ask, answer: KeeperAnswered) -> Answered:
    """Be out, with the price paid back; or still in, when the run has started meanwhile."""
    key = str(ask.data["key"])
    record = records.record_of(turn, key)
    if record is None or record.status != "leaving":  # cancelled meanwhile, or merged
        return Answered("run_cancelled" if record is None or record.status == "cancelled" else "not_registered")
    if answer.code != "ok":
        records.keep(turn, key, records.send(turn, key, replace(record, status="registered")))
        return Answered(answer.code)
    _out(turn, key, records.pay_back(turn, key, record, "withdrawn"))
    return Answered("ok", data=_shown(key))


def _out(turn: Turn, key: str, record: RunRecord) -> None:
    turn.effects.append(TournamentRefused(*records.split(key), "withdrawn"))
    records.leave(turn, key)
    version = record.version
    if version:  # a score of before the start is on the board
        version += 1
        turn.scores_out.append(BoardScore(record.board, turn.player, version, None))
    fresh = RunRecord("withdrawn", version=version, starts_at=record.starts_at, ends_at=record.ends_at)
    records.keep(turn, key, fresh)


def _shown(key: str) -> dict[str, Any]:
    tournament, run = records.split(key)
    return {"tournament": tournament, "run": run, "status": "withdrawn"}


def on_result(turn: Turn, told: KeeperAnswered) -> None:
    """Take a place of the final table: its prize, once, and the tier of the next run."""
    data = told.data
    key, board, rank, score = str(data["run"]), str(data["board"]), int(data["rank"]), float(data["score"])
    record = records.record_of(turn, key)
    is_own = record is not None and record.board == board  # else that of a profile which was merged into this one
    if record is not None and is_own and record.rank == rank:
        return
    tournament, run = records.split(key)
    if tier := str(data.get("tier", "")):
        records.keep(turn, tournament, RunRecord(records.TIER, tier=tier))
    if record is not None:
        finish(turn, key, replace(record, rank=rank, score=score) if is_own else record, tier)
    rewards = rewards_from(data.get("rewards", ()))
    if not rewards:
        return
    turn.keys.append(UniqueKey(f"{KIND}/{board}|{rank}", turn.cause))
    turn.effects.append(PrizeWon(tournament, run, rank, score))
    grant(turn, rewards, f"{KIND}/{tournament}", int(data.get("version", 0)), str(data.get("budget", "")))
    rule = records.tournaments(turn.rules).rules.get(tournament)
    if rule is not None and rule.message is not None:
        content = {
            "tournament": {
                "id": tournament,
                "run": run,
                "name": local_text(rule.name, turn.profile.locale, tournament),
                "rank": rank,
                "score": score,
                "rewards": described(rewards),
            }
        }
        ask_for_message(turn, rule.message, f"{KIND}/{key}/{rank}", content)


def on_over(turn: Turn, visit: Visited) -> None:
    """Hear of a run's end; of one that does not take place the price comes back."""
    record = records.record_of(turn, visit.ref)
    if record is None or record.status in records.OVER:
        records.leave(turn, visit.ref)
        return
    if visit.args.get("outcome") == "cancelled":
        cancel(turn, visit.ref, record, str(visit.args.get("reason", "")))
    else:
        finish(turn, visit.ref, record)


def cancel(turn: Turn, key: str, record: RunRecord, reason: str) -> None:
    """End the player's part in a run that does not take place."""
    cleared = records.pay_back(turn, key, record, reason)
    _end(turn, key, replace(cleared, status="cancelled", reason=reason))
    turn.effects.append(TournamentCancelled(*records.split(key), reason))


def finish(turn: Turn, key: str, record: RunRecord, tier: str = "") -> None:
    """End the player's part in a run. Who still waits to be let in is refused; a price that is held comes back."""
    if record.status in records.OVER:
        records.keep(turn, key, record)
        return
    if record.status in ("asked", "again", "pending"):
        cleared = records.pay_back(turn, key, record, "closed")
        _end(turn, key, replace(cleared, status="refused", reason="closed"))
        turn.effects.append(TournamentRefused(*records.split(key), "closed"))
        return
    _end(turn, key, replace(record, status="finished"))
    turn.effects.append(TournamentFinished(*records.split(key), record.score, tier))


def _end(turn: Turn, key: str, record: RunRecord) -> None:
    records.leave(turn, key)
    turn.groups.append(GroupOp(records.pending_of(key), add=False))
    records.keep(turn, key, record)
