"""The keeper of a run: it counts seats, names boards, watches the time and ends the run.

One keeper for each run, ``keeper:tournament:<id>@<run>``. A run ends in steps, each begun when the one before is done
everywhere, so that no score and no seat is lost and none comes twice:

1. At the end and the time to settle, a first barrier: every ask of a turn in time is here before a partition's answer.
2. A second barrier: those who were let in last have their scores on the board.
3. The boards are frozen, a few at a time, and each one's first rows come back.
4. Prizes are told to each winner; first, if the tournament wants it, an operator approves.
5. A walk tells everybody else that it is over.
"""

from itertools import islice

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import Barrier, BarrierPassed, BoardFrozen, Command, Entry, KeeperAsked, TimerFired, WalkAsked
from domain.game_effects import TournamentCancelled, TournamentFinished
from domain.step import Freeze
from gamification.keeping import Keeper
from gamification.tournaments import records
from gamification.tournaments.config import COHORTS_MAX
from gamification.tournaments.kept import OPEN, OVER, Kept, board_of, boards, kept_from, stored, tier_of_board
from gamification.tournaments.leaving import OVER as OVER_VISIT
from gamification.tournaments.prizes import pay
from gamification.tournaments.rules import TournamentRule
from gamification.tournaments.windows import run_named

TIMER = "tournament"
START, END = "start", "end"
FREEZE_MAX = 32  # boards asked to freeze at once
TABLE_MAX = 10  # rows of the summary


def take(keeper: Keeper, entry: Entry) -> None:
    """Take one turn of a run's keeper; what comes twice, or too late, changes nothing."""
    kept = kept_from(keeper.kept)
    after = kept
    match entry:
        case KeeperAsked():
            after = _asked(keeper, kept, entry)
        case TimerFired(kind=kind) if kind == TIMER:
            after = _timer(keeper, kept, entry)
        case BarrierPassed():
            after = _passed(keeper, kept, entry)
        case BoardFrozen():
            after = _frozen(keeper, kept, entry)
        case Command():
            after = _command(keeper, kept, entry)
        case _:
            pass
    if after is not kept:
        keeper.kept = stored(after)


def rule_of(keeper: Keeper) -> TournamentRule | None:
    """Return the tournament as it is now; None when it is no longer configured."""
    return records.tournaments(keeper.rules).rules.get(records.split(keeper.name)[0])


def _asked(keeper: Keeper, kept: Kept, asked: KeeperAsked) -> Kept:
    match asked.op:
        case "join" | "apply":
            return _join(keeper, kept, asked)
        case "leave":
            if kept.status == "registering" and keeper.at < kept.starts:
                keeper.answer(asked)
                return replace(kept, entrants=max(0, kept.entrants - 1))
            keeper.answer(asked, "run_cancelled" if kept.status == "cancelled" else "already_started")
        case "free":
            keeper.answer(asked)
            return kept if kept.status in OVER else replace(kept, entrants=max(0, kept.entrants - 1))
        case "look":
            outcome = kept.status if kept.status in OVER else ""
            keeper.answer(asked, outcome=outcome, reason=kept.reason)
        case _:
            keeper.answer(asked, "unknown_op")
    return kept


def _join(keeper: Keeper, kept: Kept, asked: KeeperAsked) -> Kept:
    """Give a seat, or say why not: no such tournament, cancelled, closed, full."""
    rule = rule_of(keeper)
    args = asked.args
    if not kept.status and rule is not None:
        kept = _armed(keeper, rule, asked)
    if rule is None or kept.status == "cancelled":
        keeper.answer(asked, "tournament_not_found" if rule is None else "run_cancelled")
        return kept
    in_time = int(args["at"]) < kept.ends + kept.settle
    if not in_time or not (kept.status in OPEN or (kept.status == "closing" and kept.round == 1)):
        keeper.answer(asked, "closed")
        return kept
    if asked.op == "apply":
        keeper.answer(asked, pending=True)
        return kept
    tier = kept.tiers.index(args["tier"]) if args.get("tier") in kept.tiers else 0
    opened, seated = kept.cohorts.get(str(tier), [0, kept.size])
    is_new = bool(kept.size) and seated >= kept.size
    if (rule.max_players and kept.entrants >= rule.max_players) or (is_new and _cohorts(kept) >= COHORTS_MAX):
        keeper.answer(asked, "full")
        return kept
    opened, seated = (opened + 1, 1) if is_new else (opened, seated + 1)
    if kept.size:
        kept = replace(kept, cohorts={**kept.cohorts, str(tier): [opened, seated]})
    keeper.answer(
        asked,
        board=board_of(keeper.name, kept, tier, opened),
        starts=kept.starts,
        ends=kept.ends,
        settle=kept.settle,
        tier=kept.tiers[tier] if kept.tiers else "",
    )
    return replace(kept, entrants=kept.entrants + 1)


def _cohorts(kept: Kept) -> int:
    return sum(opened for opened, _ in kept.cohorts.values())


def _armed(keeper: Keeper, rule: TournamentRule, asked: KeeperAsked) -> Kept:
    """Return the run as whoever comes first finds it, its timers set.

    Where players register and a number of them is needed, a run that has started without anybody is off.
    """
    starts, ends, settle = (int(asked.args[name]) for name in ("starts", "ends", "settle"))
    registers = rule.registration != "auto"
    if registers and rule.min_players and keeper.at >= starts:
        return Kept("cancelled", starts, ends, settle, reason="too_few_players", over_at=keeper.at)
    if registers and keeper.at < starts:
        keeper.set_timer(TIMER, START, starts)
    keeper.set_timer(TIMER, END, ends + settle)
    cohorts = rule.cohorts
    return Kept(
        "registering" if keeper.at < starts else "running",
        starts,
        ends,
        settle,
        size=cohorts.size if cohorts else 0,
        tiers=list(cohorts.tiers) if cohorts else [],
    )


def _timer(keeper: Keeper, kept: Kept, timer: TimerFired) -> Kept:
    if kept.status not in OPEN:
        return kept
    rule = rule_of(keeper)
    if timer.ref == START:
        if rule is None:
            return _cancelled(keeper, kept, "not_configured")
        if kept.entrants < rule.min_players:
            return _cancelled(keeper, kept, "too_few_players")
        return replace(kept, status="running")
    return _barrier(keeper, replace(kept, status="closing"), 1)


def _barrier(keeper: Keeper, kept: Kept, number: int) -> Kept:
    keeper.barriers.append(Barrier(keeper.id, str(number)))
    return replace(kept, round=number, passed=[])


def _passed(keeper: Keeper, kept: Kept, passed: BarrierPassed) -> Kept:
    if kept.status != "closing" or passed.id != str(kept.round) or passed.partition in kept.passed:
        return kept
    kept = replace(kept, passed=[*kept.passed, passed.partition])
    if len(kept.passed) < passed.of:
        return kept
    rule = rule_of(keeper)
    if rule is None:
        return _cancelled(keeper, kept, "not_configured")
    if kept.round == 1:
        if rule.registration == "auto" and kept.entrants < rule.min_players:
            return _cancelled(keeper, kept, "too_few_players")
        return _barrier(keeper, kept, 2)
    kept = replace(kept, status="freezing", passed=[], approval=rule.approval)
    return _freeze(keeper, kept, [])


def _freeze(keeper: Keeper, kept: Kept, waiting: list[str]) -> Kept:
    """Ask the next boards to freeze; when all are, go on."""
    room = FREEZE_MAX - len(waiting)
    following = list(islice(boards(keeper.name, kept), kept.frozen, kept.frozen + room))
    rule = rule_of(keeper)
    most = max(TABLE_MAX, rule.rows if rule else 0, kept.size if kept.tiers else 0)
    keeper.freezes += [Freeze(board, keeper.id, most) for board in following]
    kept = replace(kept, waiting=[*waiting, *following], frozen=kept.frozen + len(following))
    if kept.waiting:
        return kept
    if kept.status == "freezing" and kept.approval:
        return replace(kept, status="awaiting_approval")
    _tell_all(keeper, "finished")
    keeper.effects.append(TournamentFinished(*records.split(keeper.name), 0.0))
    return replace(kept, status="finished", over_at=keeper.at)


def _frozen(keeper: Keeper, kept: Kept, frozen: BoardFrozen) -> Kept:
    if kept.status not in ("freezing", "paying") or frozen.board not in kept.waiting:
        return kept
    if rule_of(keeper) is None and not kept.paid:
        return _cancelled(keeper, kept, "not_configured")
    if kept.status == "freezing":
        kept = replace(kept, ranked=kept.ranked + frozen.entrants)
        if not kept.size:
            kept = replace(kept, table=[list(row) for row in frozen.rows[:TABLE_MAX]])
    if kept.status == "paying" or not kept.approval:
        paid = pay(keeper, rule_of(keeper), kept.tiers, tier_of_board(frozen.board) if kept.size else 0, frozen)
        kept = replace(kept, paid=kept.paid + paid)
    return _freeze(keeper, kept, [board for board in kept.waiting if board != frozen.board])


def _tell_all(keeper: Keeper, outcome: str, reason: str = "") -> None:
    """Have every partition visit those of its players who are in the run."""
    args = {"outcome": outcome, "reason": reason}
    walk = f"{keeper.id}:{outcome}"
    keeper.walks.append(WalkAsked(walk, OVER_VISIT, keeper.name, records.group_of(keeper.name), args=args))


def _cancelled(keeper: Keeper, kept: Kept, reason: str) -> Kept:
    _tell_all(keeper, "cancelled", reason)
    keeper.effects.append(TournamentCancelled(*records.split(keeper.name), reason))
    return replace(kept, status="cancelled", reason=reason, over_at=keeper.at, waiting=[], passed=[])


def _command(keeper: Keeper, kept: Kept, command: Command) -> Kept:
    """Answer an operator: ``cancel_run``, until prizes are paid; ``approve_prizes``, once, when they wait for it."""
    shown = {"tournament": records.split(keeper.name)[0], "run": records.split(keeper.name)[1]}
    rule = rule_of(keeper)
    if rule is None and (command.name != "cancel_run" or not kept.status):  # a run of a deleted one can be cancelled
        keeper.effects.append(Answered("tournament_not_found"))
        return kept
    if rule is not None and not kept.status and run_named(rule.schedule, rule.zone, shown["run"]) is None:
        keeper.effects.append(Answered("run_not_found"))
        return kept
    if command.name == "cancel_run":
        if kept.status in ("finished", "cancelled", "paying") or (kept.status == "freezing" and not kept.approval):
            keeper.effects.append(Answered("run_cancelled" if kept.status == "cancelled" else "too_late"))
            return kept
        keeper.effects.append(Answered("ok", data={**shown, "status": "cancelled"}))
        return _cancelled(keeper, kept, "cancelled")
    if command.name == "approve_prizes":
        if kept.status != "awaiting_approval":
            keeper.effects.append(Answered("not_awaiting_approval"))
            return kept
        keeper.effects.append(Answered("ok", data={**shown, "status": "paying"}))
        return _freeze(keeper, replace(kept, status="paying", frozen=0), [])
    keeper.effects.append(Answered("unknown_command"))
    return kept
