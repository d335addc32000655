"""A room of the tests' own, in which players ask a keeper, pay tolls to it and race on a board that it ends.

Bets score on the board of the run that they fall into, some ask for a share of a stock, wins pay into a pot. The run's
keeper ends it: a timer, a barrier through all partitions, the board frozen, a prize for each of the first rows. What
must hold of all that, whatever fails on the way, is ``broken``.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING
from unittest.mock import patch
from zlib import crc32

from domain.effects import AskedKeeper, Posting, decode_record
from domain.entries import (
    Barrier,
    BarrierPassed,
    BoardFrozen,
    Contributed,
    Entry,
    KeeperAnswered,
    KeeperAsked,
    TimerFired,
    decode_entry,
)
from domain.ids import keeper_id
from domain.player import Ask, Snapshot
from domain.step import BoardScore, Freeze, Toll
from gamification import asking, rooms
from gamification.keeping import Keeper
from gamification.ledger import post
from gamification.working import Turn
from store.ports import BOARD, FREEZE, decode_freeze, decode_scores
from tests.simulation.stage import PARTITIONS, START
from tests.simulation.visitors import states_of

if TYPE_CHECKING:
    from tests.simulation.world import World

RUN_MS = 2_500
RUNS = 4
STOCK = 7  # of one run's keeper
SHARE = 2  # what an ask wants of it
PRIZES = 3
RESERVED, PRIZE = "race/reserved", "race/prize"


def open_room() -> AbstractContextManager[object]:
    """Enter the room among those of the game, until the context ends."""
    doors = ExitStack()
    doors.enter_context(patch.dict(rooms.KEEPERS, {"race": keep}))
    doors.enter_context(patch.dict(rooms.ANSWERS, {"race_reserved": _reserved}))
    doors.enter_context(patch.dict(rooms.TOLD, {"race_prize": _prized}))
    doors.enter_context(patch.object(rooms, "SETTLE", (*rooms.SETTLE, _settle)))
    return doors


def board_of(keeper: str) -> str:
    return keeper.removeprefix("keeper:")


def _is_of(board: str, keeper: str) -> bool:
    """Tell whether a board is one that the keeper ends."""
    return board == board_of(keeper) or board.partition("/")[0] == keeper.removeprefix("keeper:tournament:")


# the players' side


def _settle(turn: Turn) -> None:
    event = turn.event
    run = (turn.event_time - START) // RUN_MS
    if event is None or event.name not in ("bet_placed", "bet_won") or not 0 <= run < RUNS:
        return
    keeper, drawn = keeper_id("race", f"r{run}"), crc32(f"{event.id}{event.player}".encode())
    if event.name == "bet_won":
        turn.tolls.append(Toll(keeper, drawn % 7 + 1, event.id))
        return
    kept = turn.part("kept")
    count = kept.get(keeper, 0) + 1
    turn.set_part("kept", {**kept, keeper: count})
    score = None if drawn % 13 == 0 else float(count // 2)  # ties, and some are taken off
    turn.scores_out.append(BoardScore(board_of(keeper), turn.player, count, score, event.occurred_at))
    if drawn % 3 == 0:
        asking.ask(turn, keeper, "reserve", "race_reserved", {"amount": SHARE})


def _reserved(turn: Turn, _: Ask, answer: KeeperAnswered) -> None:
    if answer.code == "ok":
        assert post(turn, "points", answer.data["amount"], RESERVED, 0) == "ok"


def _prized(turn: Turn, told: KeeperAnswered) -> None:
    assert post(turn, "points", _prize(told.data["place"]), PRIZE, 0) == "ok"


def _prize(place: int) -> int:
    return 1_000 // place


# the keeper's side


def keep(keeper: Keeper, entry: Entry) -> None:
    """Take a keeper's turn."""
    kept = keeper.kept
    match entry:
        case KeeperAsked():
            kept = _opened(keeper)
            wanted = entry.args["amount"]
            is_there = kept["stock"] >= wanted
            keeper.kept = {**kept, "stock": kept["stock"] - wanted * is_there, "asks": kept["asks"] + 1}
            keeper.answer(entry, "ok" if is_there else "sold_out", amount=wanted)
        case Contributed():
            kept = _opened(keeper)
            keeper.kept = {**kept, "pot": kept["pot"] + sum(amount for _, amount, _ in entry.rows)}
        case TimerFired():
            keeper.barriers.append(Barrier(keeper.id, keeper.name))
        case BarrierPassed():
            passed = [*kept.get("passed", ()), entry.partition]
            keeper.kept = {**kept, "passed": passed}
            if len(passed) == entry.of:
                keeper.freezes.append(Freeze(board_of(keeper.id), keeper.id, PRIZES))
        case BoardFrozen():
            keeper.kept = {**kept, "frozen": kept.get("frozen", 0) + 1}
            for place, (player, _, _) in enumerate(entry.rows, 1):
                keeper.tell(player, "race_prize", f"{keeper.name}:{place}", place=place)
        case _:
            raise AssertionError(f"{entry} is not for a keeper")


def _opened(keeper: Keeper) -> dict[str, int]:
    if not keeper.kept:
        keeper.kept = {"stock": STOCK, "asks": 0, "pot": 0}
        keeper.set_timer("race_over", "", keeper.at + 1_500)
    return keeper.kept


# the laws


def broken(world: "World") -> Iterator[str]:
    """Yield what breaks the laws of boards and barriers, whoever has them, and those of this room, where it is open."""
    states = states_of(world)
    yield from _boards(world)
    yield from _before_barriers(world)
    yield from _ends(world)
    if world.races:
        yield from _runs(states)
        yield from _asks(world, states)
        yield from _money(world, states)


def _committed(world: "World") -> Iterator[tuple[int, int, bytes]]:
    """Yield all that commits left for elsewhere: source, destination, body; of a source in order."""
    for source, rows in world.seen.relays.items():
        for to, body in rows:
            yield source, to, body


def _logged(world: "World") -> Iterator[Entry]:
    for shared in world.store.partitions.values():
        for _, f in shared.lanes["players"].log.all():
            yield decode_entry(f["e"])


def _boards(world: "World") -> Iterator[str]:
    """A board shows of each player the newest score that was committed; a frozen one has noted what came after."""
    scored = {
        (row.board, row.player, row.version): row
        for _, to, body in _committed(world)
        if to == BOARD
        for row in decode_scores(body)
    }
    newest: dict[tuple[str, str], int] = {}
    for name, player, version in scored:
        newest[name, player] = max(version, newest.get((name, player), 0))
    for (name, player), version in newest.items():
        board = world.store.boards.board(name)
        held = board.rows.get(player)
        if held is not None and held != scored[name, player, held.version]:
            yield f"{held} is on the board, and was never committed"
        known = board.late.get(player, 0) if board.is_frozen else 0
        if max(held.version if held else 0, known) != version:
            yield f"{name} has {held} of {player}, late {known}; {version} was committed"
        if known and held and known <= held.version:
            yield f"{name} says that {known} of {player} came late, and has {held}"


def _before_barriers(world: "World") -> Iterator[str]:
    """What a partition's turns scored before it let a barrier pass is on the board when that is frozen."""
    for source, rows in world.seen.relays.items():
        newest: dict[tuple[str, str], int] = {}
        for to, body in rows:
            if to == BOARD:
                newest |= {(row.board, row.player): row.version for row in decode_scores(body)}
            elif to >= 0 and isinstance(passed := decode_entry(body), BarrierPassed):
                for (name, player), version in newest.items():
                    held = world.store.boards.board(name).rows.get(player)
                    if _is_of(name, passed.player) and (held is None or held.version < version):
                        yield f"{source} let {name} pass after version {version} of {player}; it is frozen with {held}"


def _ends(world: "World") -> Iterator[str]:
    """Each barrier is answered by each partition once; each freeze is told once, and it is what the board shows."""
    passed: Counter[tuple[str, str, int]] = Counter()
    told: dict[tuple[str, str], list[BoardFrozen]] = {}
    for entry in _logged(world):
        if isinstance(entry, BarrierPassed):
            passed[entry.player, entry.id, entry.partition] += 1
        elif isinstance(entry, BoardFrozen):
            told.setdefault((entry.player, entry.board), []).append(entry)
    yield from (f"{what} passed {times} times" for what, times in passed.items() if times > 1)
    for barrier in {what[:2] for what in passed}:
        if {what[2] for what in passed if what[:2] == barrier} != set(range(PARTITIONS)):
            yield f"{barrier} was not passed by all: {passed}"
    freezes = [decode_freeze(body) for _, to, body in _committed(world) if to == FREEZE]
    if Counter(told.keys()) != Counter((freeze.keeper, freeze.board) for freeze in freezes):
        yield f"{freezes} were asked for, {told} was told"
    for freeze in freezes:
        shown = world.store.boards.freeze(freeze)
        if told.get((freeze.keeper, freeze.board)) != [shown]:
            yield f"{freeze.keeper} was told {told}, {freeze.board} shows {shown}"


def _runs(states: dict[str, Snapshot]) -> Iterator[str]:
    """A run that began to end has ended, once."""
    for player, state in states.items():
        if player.startswith("keeper:race:") and state.kept.get("passed") and state.kept.get("frozen") != 1:
            yield f"{player} did not end once: {state.kept}"


def _asks(world: "World", states: dict[str, Snapshot]) -> Iterator[str]:
    """Every ask reaches its keeper once and is answered once; nobody waits."""
    asked = {effect.id for _, effect in _effects(world) if isinstance(effect, AskedKeeper)}
    heard = Counter(entry.id for entry in _logged(world) if isinstance(entry, KeeperAsked))
    if heard != Counter(asked):
        yield f"asks heard: {heard - Counter(asked)} too many, {Counter(asked) - heard} missing"
    yield from (f"{player} waits for {state.asks.open}" for player, state in states.items() if state.asks.open)


def _money(world: "World", states: dict[str, Snapshot]) -> Iterator[str]:
    """What keepers gave, players have, once; what wins paid is in the pots, once."""
    posted: Counter[tuple[str, str]] = Counter()
    for player, effect in _effects(world):
        if isinstance(effect, Posting) and effect.rule in (RESERVED, PRIZE):
            posted[_owner(states, player), effect.rule] += effect.amount
    prizes: Counter[tuple[str, str]] = Counter()
    asks, given, pots = 0, 0, Counter[str]()
    for player, state in states.items():
        if player.startswith("keeper:race:"):
            asks += state.kept["asks"]
            given += STOCK - state.kept["stock"]
            pots[player] = state.kept["pot"]
            if state.kept["stock"] < 0:
                yield f"{player} gave more than it had: {state.kept}"
    for entry in _logged(world):
        if isinstance(entry, BoardFrozen):
            for place, (player, _, _) in enumerate(entry.rows, 1):
                prizes[_owner(states, player), PRIZE] += _prize(place)
    reserved = sum(amount for (_, rule), amount in posted.items() if rule == RESERVED)
    if reserved != given:
        yield f"keepers gave {given}, players have {reserved}"
    if prizes != (had := Counter({who: amount for who, amount in posted.items() if who[1] == PRIZE})):
        yield f"the boards say {prizes}, players have {had}"
    paid: Counter[str] = Counter()
    for _, to, body in _committed(world):
        if to >= 0 and isinstance(toll := decode_entry(body), Contributed):
            paid[toll.player] += sum(amount for _, amount, _ in toll.rows)
    if +paid != +pots:
        yield f"wins paid {paid}, the pots have {pots}"
    if asks != sum(isinstance(effect, AskedKeeper) for _, effect in _effects(world)):
        yield f"keepers counted {asks} asks"


def _owner(states: dict[str, Snapshot], player: str) -> str:
    while into := states[player].identity.merged_into if player in states else "":
        player = into
    return player


def _effects(world: "World") -> Iterator[tuple[str, object]]:
    for shared in world.store.partitions.values():
        for player, rows in shared.lanes["players"].history.items():
            for _, f in rows.all():
                for effect in decode_record(f["d"]).effects:
                    yield player, effect
