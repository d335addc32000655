"""``keeper:tickets:<raffle>@<run>/<part>``: one part of a run's list, who holds how many tickets.

A list is in parts so that none is too big to write with each commit. Nobody has numbers before the list is frozen:
then the tickets are numbered from 1 on, part by part, player by player, in the order in which they first came.
"""

from collections.abc import Iterable
from hashlib import sha256

from domain.entries import Barrier, BarrierPassed, Contributed, Entry, KeeperAsked
from domain.game_effects import TicketsListed
from domain.ids import keeper_id
from gamification.fairness.proof import draw_id
from gamification.keeping import Keeper

BYTES_MAX = 48_000  # of a part: some 1,800 players with ids of 20 bytes; who comes after is refused, and told
ROW_BYTES = 6
RAFFLE = "raffle"  # kind of the keeper of a run
BEGIN, FREEZE, HOLDERS = "begin", "freeze", "holders"
REFUSED = "tickets_refused"

Row = tuple[str, int]


def hash_of(rows: Iterable[Row]) -> str:
    """Return what a frozen part is known by: the SHA-256 of its lines ``<tickets> <player>``, each ended by LF."""
    return sha256("".join(f"{count} {player}\n" for player, count in rows).encode()).hexdigest()


def holder_of(rows: Iterable[Row], place: int) -> str:
    """Return who holds the ticket at a place of the part, from 0."""
    for player, count in rows:
        if place < count:
            return player
        place -= count
    raise ValueError("the part has no such ticket")


def take(keeper: Keeper, entry: Entry) -> None:
    """Take tickets, freeze when the run asks and nothing is on its way any more, and say who holds a ticket."""
    raffle, run, part = _named(keeper)
    if not part.isdecimal():  # no name of ours
        return
    if isinstance(entry, Contributed):
        if not keeper.kept:
            run_keeper = keeper_id(RAFFLE, f"{raffle}@{run}")
            keeper.relays.append(KeeperAsked(run_keeper, keeper.id, f"{BEGIN}/{part}", BEGIN, cause=entry.cause))
        for i in _add(keeper, entry):
            player, amount, _ = entry.rows[i]
            keeper.tell(player, REFUSED, f"{keeper.offset}/{i}", raffle=raffle, run=run, amount=amount)
    elif isinstance(entry, KeeperAsked) and entry.op == FREEZE and "asked" not in keeper.kept:
        keeper.kept = keeper.kept | {"asked": [entry.asker, entry.id], "passed": []}
        keeper.barriers.append(Barrier(keeper.id, FREEZE))
    elif isinstance(entry, BarrierPassed) and "passed" in keeper.kept:
        passed = sorted({*keeper.kept["passed"], entry.partition})
        keeper.kept = keeper.kept | {"passed": passed}
        if len(passed) == entry.of:
            _freeze(keeper, raffle, run, int(part))
    elif isinstance(entry, KeeperAsked) and entry.op == HOLDERS:
        rows = tuple(_held(keeper).items())
        players = [holder_of(rows, place) for place in entry.args["places"]]
        keeper.kept = {"frozen": True}
        keeper.answer(entry, part=int(part), players=players)


def _add(keeper: Keeper, entry: Contributed) -> list[int]:
    """Put tickets on the list; the places of the rows that it has no room for, all of them once it is frozen."""
    if "frozen" in keeper.kept:
        return list(range(len(entry.rows)))
    held, size, refused = dict(_held(keeper)), keeper.kept.get("bytes", 0), []
    for i, (player, amount, _) in enumerate(entry.rows):
        more = 0 if player in held else len(player.encode()) + ROW_BYTES
        if size + more > BYTES_MAX:
            refused.append(i)
        else:
            held[player] = held.get(player, 0) + amount
            size += more
    keeper.kept = keeper.kept | {"held": held, "bytes": size}
    return refused


def _freeze(keeper: Keeper, raffle: str, run: str, part: int) -> None:
    """Write the part down, and answer who asked with what it is."""
    rows = tuple(_held(keeper).items())
    listed = TicketsListed(raffle, run, part, hash_of(rows), rows)
    keeper.effects.append(listed)
    asker, ask_id = keeper.kept["asked"]
    keeper.kept = {"frozen": True, "held": dict(rows)}
    record = draw_id(keeper.offset, 0, keeper.id) if rows else ""
    total = sum(count for _, count in rows)
    asked = KeeperAsked(keeper.id, asker, ask_id, FREEZE)
    keeper.answer(asked, part=part, total=total, hash=listed.hash, record=record)


def _held(keeper: Keeper) -> dict[str, int]:
    held: dict[str, int] = keeper.kept.get("held", {})
    return held


def _named(keeper: Keeper) -> tuple[str, str, str]:
    """Return (raffle, run, part) of the keeper's name."""
    name, _, part = keeper.name.rpartition("/")
    raffle, _, run = name.rpartition("@")
    return raffle, run, part
