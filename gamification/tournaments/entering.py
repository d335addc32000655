"""A player's way into a run: the first score that counts (``auto``), or a registration; the run's keeper has the word.

Who is in is the player's own record and a group; how many are in, the keeper alone counts. A price is held while the
keeper is asked, and comes back when it refuses. What is scored meanwhile is kept, and sent when the board is known.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from domain.effects import Answered
from domain.entries import Event, KeeperAnswered
from domain.game_effects import TournamentJoined, TournamentRefused
from domain.ids import keeper_id
from domain.player import Ask
from domain.runs import RunRecord
from domain.step import GroupOp
from gamification import asking, ledger
from gamification.terms import Terms
from gamification.tournaments import records
from gamification.tournaments.rules import KEEPER, KIND, TournamentRule
from gamification.tournaments.scoring import counts, scored, with_tally
from gamification.tournaments.windows import Present, Run, next_run, run_at
from gamification.working import Turn

JOINED = "tournament_joined"  # which rule goes on with the keeper's answer
Move = Callable[[Turn, Event], None]
NOT_FOUND = "tournament_not_found"
SEATED = frozenset({"registered", "scoring"})


def mover(rule: TournamentRule) -> Move:
    """Return what an event does in a tournament: it scores in the run that its own time belongs to."""
    present = Present(rule.schedule, rule.zone)

    def move(turn: Turn, event: Event) -> None:
        run = present(event.occurred_at)
        if run is not None:
            advance(turn, rule, run, event)

    return move


def advance(turn: Turn, rule: TournamentRule, run: Run, event: Event) -> None:
    """Score the event in a run, and send what is new of the score when the player is in."""
    key = records.key_of(rule.id, run.id)
    before = records.record_of(turn, key)
    if before is None:
        _first(turn, rule, run, event)
        return
    if not counts(before, event, turn.at):
        return
    tally = scored(rule, before, turn, event)
    if tally is None:
        return
    if before.status == "again" and asking.may_ask(turn):
        ask_to_join(turn, rule, run.id, with_tally(before, tally, "asked", before.version))
    elif before.status in SEATED and before.board and tally[:2] != (before.score, before.reached_at):
        after = with_tally(before, tally, "scoring", before.version + 1)
        records.keep(turn, key, records.put_on_board(turn, key, after))
    else:
        records.keep(turn, key, with_tally(before, tally, before.status, before.version))


def _first(turn: Turn, rule: TournamentRule, run: Run, event: Event) -> None:
    """Join by the first event that counts, where nobody has to register."""
    if rule.registration != "auto" or turn.at >= run.ends + rule.settle_ms or not asking.may_ask(turn):
        return
    if rule.audience is not None and not rule.audience(turn):
        return
    fresh = record_for(rule, run, joined_at=0)
    if (tally := scored(rule, fresh, turn, event)) is not None:
        ask_to_join(turn, rule, run.id, with_tally(fresh, tally, fresh.status, fresh.version))


def record_for(rule: TournamentRule, run: Run, joined_at: int) -> RunRecord:
    """Return the record of a player who asks to be in a run."""
    return RunRecord(
        "asked", starts_at=run.starts, ends_at=run.ends, settle_ms=rule.settle_ms, joined_at=joined_at,
    )  # fmt: skip


def ask_to_join(turn: Turn, rule: TournamentRule, run: str, record: RunRecord, op: str = "join", **data: Any) -> None:
    """Ask the run's keeper for a seat; from now on the player is told of the run's end."""
    key = records.key_of(rule.id, run)
    tier = records.tier_of(turn, rule.id)
    args = {
        "at": turn.at,
        "starts": record.starts_at,
        "ends": record.ends_at,
        "settle": record.settle_ms,
        "tier": tier,
    }
    records.keep(turn, key, record)
    records.enter(turn, key)
    asking.ask(turn, keeper_id(KEEPER, key), op, JOINED, args, {"key": key, **data}, is_one=True)


def register(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Ask to be in a run: the one named, else ``run_asked_for``.

    Refused in order of finality: what is asked for, the run, the player, the price. Registering again is ``ok`` and
    changes nothing.
    """
    rule = records.tournaments(turn.rules).rules.get(str(args.get("tournament")))
    if rule is None:
        return Answered(NOT_FOUND)
    run = run_asked_for(rule, turn.at, args.get("run"))
    if run is None:
        return Answered("run_not_found")
    if rule.registration == "auto":
        return Answered("registration_not_needed")
    held = records.record_of(turn, records.key_of(rule.id, run.id))
    if held is not None and held.status not in ("refused", "withdrawn"):
        return _again(rule.id, run.id, held)
    if refused := _refused(turn, rule):
        return Answered(refused)
    version = rule.version
    paid: Terms = ()
    if rule.price:
        why, paid = ledger.hold(turn, rule.currency, rule.price, f"{KIND}/{rule.id}", version)
        if why != "ok":
            return Answered(why)
    record = replace(record_for(rule, run, turn.at), currency=rule.currency, price=rule.price, paid=paid)
    if held is not None:
        record = replace(record, version=held.version)
    op = "apply" if rule.registration == "approval" else "join"
    ask_to_join(turn, rule, run.id, record, op, command=True)
    return None


def run_asked_for(rule: TournamentRule, now: int, wanted: object = None) -> Run | None:
    """Return the run that is open for registration under a name: the present one or the next.

    Without a name the present one if there is one; but where a least number of players must be in before the start,
    the next.
    """
    present, following = run_at(rule.schedule, rule.zone, now), next_run(rule.schedule, rule.zone, now)
    order = (following, present) if rule.min_players else (present, following)
    return next((run for run in order if run and wanted in (None, run.id)), None)


def _again(tournament: str, run: str, held: RunRecord) -> Answered:
    data = {"tournament": tournament, "run": run, "status": held.status, "board": held.board}
    if held.status in SEATED or held.status == "pending":
        return Answered("ok", data=data)
    return Answered("registration_under_way" if held.status in ("asked", "leaving") else f"run_{held.status}")


def _refused(turn: Turn, rule: TournamentRule) -> str:
    if rule.audience is not None and not rule.audience(turn):
        return "not_in_audience"
    if rule.qualification is not None and not rule.qualification(turn):
        return "not_qualified"
    return "" if asking.may_ask(turn) else "too_many_asks"


def approve(turn: Turn, args: dict[str, Any]) -> Answered | None:
    """Let in a player who waits for it (an operator's command), or with ``approve: false`` refuse."""
    tournament, run = str(args.get("tournament")), str(args.get("run"))
    key = records.key_of(tournament, run)
    record = records.record_of(turn, key)
    rule = records.tournaments(turn.rules).rules.get(tournament)
    if record is None or record.status != "pending" or rule is None:
        return Answered("not_pending")
    if args.get("approve") is False:
        _refuse(turn, key, record, "rejected")
        return Answered("ok", data={"tournament": tournament, "run": run, "status": "refused"})
    if not asking.may_ask(turn):
        return Answered("too_many_asks")
    ask_to_join(turn, rule, run, replace(record, status="asked"), command=True, was="pending")
    return None


def on_joined(turn: Turn, ask: Ask, answer: KeeperAnswered) -> Answered | None:
    """Go on with what the keeper says; a command that asked is answered."""
    key = str(ask.data["key"])
    record = records.record_of(turn, key)
    if record is None or record.status != "asked":  # cancelled meanwhile, or merged with one that is in
        if answer.code == "ok" and not answer.data.get("pending"):
            give_seat_back(turn, key)
        said = Answered("run_cancelled" if record is None or record.status == "cancelled" else "ok")
    elif answer.code != "ok":
        said = _not_in(turn, key, record, answer.code, str(ask.data.get("was", "")))
    elif answer.data.get("pending"):
        said = _pending(turn, key, record)
    else:
        said = _in(turn, key, record, answer.data)
    return said if ask.data.get("command") else None


def _in(turn: Turn, key: str, record: RunRecord, data: dict[str, Any]) -> Answered:
    if record.price:
        rule = f"{KIND}/{records.split(key)[0]}"
        ledger.redeem(turn, record.currency, record.price, rule, turn.rules.version)
    tier = str(data.get("tier", ""))
    accepted = replace(
        record,
        status="registered",
        board=str(data["board"]),
        starts_at=int(data["starts"]),
        ends_at=int(data["ends"]),
        settle_ms=int(data["settle"]),
        tier=tier,
    )
    tournament, run = records.split(key)
    turn.groups.append(GroupOp(records.pending_of(key), add=False))
    turn.effects.append(TournamentJoined(tournament, run, "registered", accepted.board, tier))
    records.keep(turn, key, records.send(turn, key, accepted))
    shown = {"tournament": tournament, "run": run, "status": "registered", "board": accepted.board, "tier": tier}
    return Answered("ok", data=shown)


def _pending(turn: Turn, key: str, record: RunRecord) -> Answered:
    tournament, run = records.split(key)
    turn.groups.append(GroupOp(records.pending_of(key)))
    turn.effects.append(TournamentJoined(tournament, run, "pending"))
    records.keep(turn, key, replace(record, status="pending"))
    return Answered("ok", data={"tournament": tournament, "run": run, "status": "pending"})


def _not_in(turn: Turn, key: str, record: RunRecord, code: str, was: str) -> Answered:
    """Refuse; whoever waits for an operator goes on waiting when there is no room.

    A keeper that does not know the tournament runs an older programme: it is asked again with the next score.
    """
    if code == NOT_FOUND and not record.joined_at:
        records.keep(turn, key, replace(record, status="again"))
        return Answered(code)
    if was == "pending" and code == "full":
        records.keep(turn, key, replace(record, status="pending"))
    else:
        _refuse(turn, key, records.pay_back(turn, key, record, code), code)
    return Answered(code)


def _refuse(turn: Turn, key: str, record: RunRecord, reason: str) -> None:
    turn.effects.append(TournamentRefused(*records.split(key), reason))
    records.leave(turn, key)
    turn.groups.append(GroupOp(records.pending_of(key), add=False))
    records.keep(turn, key, replace(record, status="refused", reason=reason))


def give_seat_back(turn: Turn, key: str) -> None:
    """Tell the keeper of a seat that nobody sits on: a cancelled one, or one of two of a merged player."""
    asking.ask(turn, keeper_id(KEEPER, key), "free", FREED, {}, {"key": key})


FREED = "tournament_freed"


def on_freed(turn: Turn, ask: Ask, answer: KeeperAnswered) -> None:
    """Nothing is left to do: the keeper counts one less."""
