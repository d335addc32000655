"""``keeper:jackpot:<id>``: the pot that all players share."""

from typing import Any

from msgspec.structs import asdict

from domain.entries import Contributed, Entry
from domain.games import Pot
from gamification.fairness.proof import commitment, draw_id, revealed, seed_of
from gamification.jackpots import pots
from gamification.jackpots.config import MICROS
from gamification.jackpots.rules import JackpotRule
from gamification.keeping import Keeper

KIND = "jackpot"
WON = "jackpot_won"
WINNERS_MAX = 10  # kept, the newest


def take(keeper: Keeper, entry: Entry) -> None:
    """Add contributions in their order; each hit is told to its winner once. Of a deleted jackpot they are lost."""
    rules: dict[str, JackpotRule] = keeper.rules.rooms.get("jackpots") or {}
    rule = rules.get(keeper.name)
    if rule is None or not isinstance(entry, Contributed):
        return
    pot = _pot_of(keeper.kept) or pots.first(rule)
    winners: list[list[Any]] = list(keeper.kept.get("winners", []))
    seed = seed_of(keeper.draws, "jackpots", rule.id, "", pot.number)
    hits = 0
    for player, micros, cause in entry.rows:
        pot, paid = pots.contributed(rule, pot, seed, micros, player, cause)
        if paid is None:
            continue
        draw = pots.proved(rule, paid, draw_id(keeper.offset, hits, keeper.id), "", seed)
        keeper.effects += [draw, revealed(keeper.draws, "jackpots", rule.id, "", paid.pot.number)]
        keeper.tell(
            player,
            WON,
            f"{rule.id}/{paid.pot.number}",
            jackpot=rule.id,
            pot=paid.pot.number,
            currency=paid.pot.currency,
            amount=paid.amount,
            version=rule.version,
            draw=draw.id,
        )
        winners = [*winners, [paid.amount, keeper.at, draw.id]][-WINNERS_MAX:]
        hits += 1
        seed = seed_of(keeper.draws, "jackpots", rule.id, "", pot.number)
    shown = commitment(keeper.draws, "jackpots", rule.id, "", pot.number)
    keeper.kept = asdict(pot) | {"commitment": shown, "winners": winners}


def shown_pot(kept: dict[str, Any]) -> dict[str, Any]:
    """Return what anybody may know of a pot; what it will be hit at nobody can read from it.

    ``amount`` is what the operator owes whoever hits it: the liability.
    """
    pot = _pot_of(kept)
    if pot is None:
        return {"pot": 0, "amount": None, "paid": 0, "contributions": 0, "commitment": None, "winners": []}
    return {
        "pot": pot.number,
        "amount": pot.micros // MICROS,
        "currency": pot.currency,
        "must_hit_by": pot.most or None,
        "paid": pot.paid,
        "contributions": pot.contributions,
        "commitment": kept["commitment"],
        "winners": [{"amount": amount, "at": at, "draw": draw} for amount, at, draw in reversed(kept["winners"])],
    }


def _pot_of(kept: dict[str, Any]) -> Pot | None:
    return Pot(**{name: kept[name] for name in Pot.__struct_fields__}) if kept else None
