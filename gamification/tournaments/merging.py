"""Two profiles become one in the middle of a run: one seat, both scores, and the second price comes back."""

from msgspec.structs import replace

from domain.entries import KeeperAnswered
from domain.ids import keeper_id
from domain.player import Ask, Snapshot
from domain.runs import RunRecord
from domain.step import BoardScore, GroupOp
from gamification import asking
from gamification.rules import AMOUNT_MAX
from gamification.tournaments import records
from gamification.tournaments.entering import SEATED, give_seat_back
from gamification.tournaments.leaving import cancel, finish
from gamification.tournaments.rules import KEEPER, TournamentRule
from gamification.tournaments.scoring import best, ratio_of
from gamification.working import Turn

LOOKED = "tournament_looked"


def hand_over(turn: Turn, into: str) -> None:  # noqa: ARG001
    """Leave boards and groups: the player goes on under another id, which takes the records with the profile."""
    for key, record in turn.part("runs").items():
        if record.status in records.OVER or record.status == records.TIER:
            continue
        records.leave(turn, key)
        turn.groups.append(GroupOp(records.pending_of(key), add=False))
        if record.version:
            turn.scores_out.append(BoardScore(record.board, turn.player, record.version + 1, None))
    turn.set_part("runs", {})


def join(turn: Turn, source: Snapshot) -> None:
    """Take the other's records. Whether a run has ended meanwhile is asked: its walk may have passed by."""
    for key, theirs in source.runs.items():
        mine = records.record_of(turn, key)
        if theirs.status == records.TIER:
            _join_tier(turn, key, mine, theirs)
        elif mine is None or (mine.status in records.OVER and not mine.rank):
            _take(turn, key, mine, theirs)
        elif theirs.status not in records.OVER and mine.status not in records.OVER:
            _join_open(turn, key, mine, theirs)
        if theirs.status not in records.OVER and theirs.status != records.TIER:
            asking.ask(turn, keeper_id(KEEPER, key), "look", LOOKED, {}, {"key": key})


def _join_tier(turn: Turn, key: str, mine: RunRecord | None, theirs: RunRecord) -> None:
    """Play on in the higher tier of the two."""
    rule = records.tournaments(turn.rules).rules.get(key)
    tiers = rule.cohorts.tiers if rule and rule.cohorts else ()
    if theirs.tier in tiers and (
        mine is None or mine.tier not in tiers or tiers.index(mine.tier) < tiers.index(theirs.tier)
    ):
        records.keep(turn, key, theirs)


def _take(turn: Turn, key: str, mine: RunRecord | None, theirs: RunRecord) -> None:
    """Go on with the other's seat and score; of two that are over the first stays."""
    if theirs.status in records.OVER:
        if mine is None:
            records.keep(turn, key, theirs)
        return
    _enter(turn, key, theirs)
    taken = replace(theirs, version=mine.version if mine is not None else 0)
    records.keep(turn, key, records.send(turn, key, taken) if taken.status in SEATED else taken)


def _enter(turn: Turn, key: str, record: RunRecord) -> None:
    records.enter(turn, key)
    if record.status == "pending":
        turn.groups.append(GroupOp(records.pending_of(key)))


def _join_open(turn: Turn, key: str, mine: RunRecord, theirs: RunRecord) -> None:
    """Keep the better seat of two, the first of equal ones, with both scores; the other and its price go back."""
    keeps, gives = (theirs, mine) if _standing(theirs) > _standing(mine) else (mine, theirs)
    records.pay_back(turn, key, gives, "merged")
    if gives.status in SEATED:
        give_seat_back(turn, key)
    if gives.status == "pending" and keeps is theirs:
        turn.groups.append(GroupOp(records.pending_of(key), add=False))
    version = mine.version if keeps.board == mine.board else 0
    both = replace(
        _both(records.tournaments(turn.rules).rules.get(records.split(key)[0]), keeps, gives), version=version
    )
    records.enter(turn, key)
    records.keep(turn, key, records.send(turn, key, both) if both.status in SEATED else both)
    if keeps is theirs and mine.version and mine.board != theirs.board:
        turn.scores_out.append(BoardScore(mine.board, turn.player, mine.version + 1, None))


def _standing(record: RunRecord) -> int:
    """Return how far in the player is."""
    return 4 if record.status in SEATED else {"asked": 3, "again": 2, "pending": 1}.get(record.status, 0)


def _both(rule: TournamentRule | None, keeps: RunRecord, gives: RunRecord) -> RunRecord:
    """Return the record with the scores of both: sums add up, the best stands, ratios are of both sums."""
    joined = min(keeps.joined_at, gives.joined_at)
    if not gives.events or rule is None:
        return replace(keeps, joined_at=joined)
    summed = replace(keeps, joined_at=joined, events=keeps.events + gives.events)
    at = max(keeps.reached_at, gives.reached_at)
    if rule.way == "ratio":
        of, to = keeps.of + gives.of, keeps.to + gives.to
        ratio = ratio_of(rule, summed.events, of, to)
        score = keeps.score if ratio is None else ratio
        return replace(summed, of=of, to=to, score=score, reached_at=at if ratio is None else max(1, at))
    if rule.way == "best":
        score, reached = best((keeps.score, keeps.reached_at), (gives.score, gives.reached_at))
        return replace(summed, score=score, reached_at=reached)
    score = max(-AMOUNT_MAX, min(AMOUNT_MAX, keeps.score + gives.score))
    return replace(summed, score=score, reached_at=at)


def on_looked(turn: Turn, ask: Ask, answer: KeeperAnswered) -> None:
    """Hear of an end that the walk has not told."""
    key = str(ask.data["key"])
    record = records.record_of(turn, key)
    if record is None or record.status in records.OVER:
        return
    if answer.data.get("outcome") == "cancelled":
        cancel(turn, key, record, str(answer.data.get("reason", "")))
    elif answer.data.get("outcome") == "finished":
        finish(turn, key, record)
