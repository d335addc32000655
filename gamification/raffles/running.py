"""``keeper:raffle:<raffle>@<run>``: a run, from its first ticket to its winners.

Open, then closing (each part of the list is frozen once nothing given before the draw's time is on its way to it),
then drawn (the parts say who holds the winning tickets, and the winners are told), then done.
"""

from hashlib import sha256
from typing import Any

from domain.entries import Entry, KeeperAnswered, KeeperAsked, TimerFired
from domain.game_effects import Drawn
from gamification.fairness.maths import tickets_drawn
from gamification.fairness.proof import commitment, draw_id, revealed, seed_of
from gamification.keeping import Keeper
from gamification.raffles import runs
from gamification.raffles.listing import BEGIN, FREEZE, HOLDERS
from gamification.raffles.rules import RaffleRule
from gamification.raffles.tickets import PARTS, list_keeper
from gamification.rewards import listed

TIMER = "raffle_drawn"
WON = "raffle_won"

Part = tuple[int, str, str]  # tickets, hash, where the list is


def list_hash(parts: list[Part]) -> str:
    """Return what a whole frozen list is known by: the SHA-256 of its lines ``<tickets> <hash of the part>``."""
    return sha256("".join(f"{total} {part}\n" for total, part, _ in parts).encode()).hexdigest()


def take(keeper: Keeper, entry: Entry) -> None:
    """Take the run a step further."""
    status = keeper.kept.get("status", "")
    if isinstance(entry, KeeperAsked) and entry.op == BEGIN and not status:
        _begin(keeper)
    elif isinstance(entry, TimerFired) and entry.kind == TIMER and status == "open":
        _close(keeper)
    elif isinstance(entry, KeeperAnswered) and entry.op == FREEZE and status == "closing":
        data = entry.data
        parts = keeper.kept["parts"] | {str(data["part"]): [data["total"], data["hash"], data["record"]]}
        keeper.kept = keeper.kept | {"parts": parts}
        if len(parts) == PARTS:
            _draw(keeper, [(t, h, r) for t, h, r in (parts[str(part)] for part in range(PARTS))])
    elif isinstance(entry, KeeperAnswered) and entry.op == HOLDERS and status == "drawn":
        _tell(keeper, int(entry.data["part"]), list(entry.data["players"]))


def _rule(keeper: Keeper) -> RaffleRule | None:
    raffles: dict[str, RaffleRule] = keeper.rules.rooms.get("raffles") or {}
    return raffles.get(keeper.name.rpartition("@")[0])


def _named(keeper: Keeper) -> tuple[str, str, int]:
    """Return (raffle, run, the run's number)."""
    raffle, _, run = keeper.name.rpartition("@")
    return raffle, run, runs.number_of(run)


def _begin(keeper: Keeper) -> None:
    """Commit to the seed before the first ticket is on the list, and wait for the draw's time.

    The name alone tells that time: with its first ticket on the way the raffle may have been deleted (and be put back
    before the draw), or have come to be drawn by something else.
    """
    raffle, run, number = _named(keeper)
    due = runs.drawn_at(run, keeper.rules.timezone)
    if due is None:  # no name of ours
        return
    keeper.kept = {
        "status": "open",
        "draw_at": due,
        "commitment": commitment(keeper.draws, "raffles", raffle, "", number),
    }
    keeper.set_timer(TIMER, run, due)


def _close(keeper: Keeper) -> None:
    raffle, run, _ = _named(keeper)
    keeper.kept = keeper.kept | {"status": "closing", "parts": {}}
    for part in range(PARTS):
        asked = KeeperAsked(list_keeper(raffle, run, part), keeper.id, f"{FREEZE}/{part}", FREEZE)
        keeper.relays.append(asked)


def _draw(keeper: Keeper, parts: list[Part]) -> None:
    """Draw the tickets. The prizes are those of the programme in force now; a deleted raffle has none."""
    raffle, run, number = _named(keeper)
    rule = _rule(keeper)
    total, frozen = sum(part[0] for part in parts), list_hash(parts)
    seed = seed_of(keeper.draws, "raffles", raffle, "", number)
    prizes = [prize for prize in rule.prizes if total >= prize.min_tickets] if rule else []
    names = [prize.id for prize in prizes for _ in range(prize.count)]
    multi = rule is not None and rule.multi
    tickets = tickets_drawn(total, seed, frozen, len(names), again=multi)
    winners = [[prize, ticket] for prize, ticket in zip(names, tickets, strict=False)]
    draw = Drawn(
        draw_id(keeper.offset, 0, keeper.id),
        "raffles",
        raffle,
        "",
        number,
        keeper.kept["commitment"],
        frozen,
        0,
        f"{len(winners)} won",
        facts={"tickets": total, "multi": multi, "winners": winners, "parts": [list(part) for part in parts]},
    )
    keeper.effects += [draw, revealed(keeper.draws, "raffles", raffle, "", number)]
    keeper.kept = {
        "status": "drawn",
        "draw_at": keeper.kept["draw_at"],
        "commitment": keeper.kept["commitment"],
        "draw": draw.id,
        "tickets": total,
        "winners": [[prize, ticket, ""] for prize, ticket in winners],
        "rewards": {prize.id: [list(row) for row in listed(prize.rewards)] for prize in prizes},
        "claim_ms": rule.claim_ms if rule else 0,
        "version": rule.version if rule else 0,
        "totals": [part[0] for part in parts],
        "waits": PARTS,
    }
    for part in range(PARTS):
        places = [place for _, place in _places(keeper.kept, part)]
        to, name = list_keeper(raffle, run, part), f"{HOLDERS}/{part}"
        keeper.relays.append(KeeperAsked(to, keeper.id, name, HOLDERS, {"places": places}))


def _places(kept: dict[str, Any], part: int) -> list[tuple[int, int]]:
    """Return (which winner, place in the part) of the winning tickets of a part."""
    first = sum(kept["totals"][:part])
    last = first + kept["totals"][part]
    return [(i, ticket - 1 - first) for i, (_, ticket, _) in enumerate(kept["winners"]) if first < ticket <= last]


def _tell(keeper: Keeper, part: int, players: list[str]) -> None:
    """Tell the winners of a part, once each; after the last part the run is done."""
    kept, winners = keeper.kept, list(keeper.kept["winners"])
    raffle, run, _ = _named(keeper)
    for (i, _), player in zip(_places(kept, part), players, strict=True):
        prize, ticket, _ = winners[i]
        winners[i] = [prize, ticket, player]
        keeper.tell(
            player,
            WON,
            f"{keeper.name}.{i}",
            raffle=raffle,
            run=run,
            prize=prize,
            ticket=ticket,
            rewards=kept["rewards"][prize],
            claim_ms=kept["claim_ms"],
            version=kept["version"],
            draw=kept["draw"],
        )
    keeper.kept = kept | {"winners": winners, "waits": kept["waits"] - 1}
    if not keeper.kept["waits"]:
        over = ("rewards", "totals", "waits")
        keeper.kept = {name: value for name, value in keeper.kept.items() if name not in over} | {"status": "done"}
