"""A pot, shared or personal: it grows, is hit, and the next begins.

Nothing is lost: seeds and contributions = what was paid + what is in the pot, to the millionth. A pot is paid in whole
units; what is left of a unit begins the next pot.
"""

from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from domain.game_effects import Drawn
from domain.games import Pot
from gamification.fairness.maths import commitment_of, number_below
from gamification.fairness.proof import CHANCE_OF, THRESHOLD, threshold_of
from gamification.jackpots.config import MICROS, UNITS_MAX
from gamification.jackpots.rules import JackpotRule

MICROS_MAX = UNITS_MAX * MICROS  # a pot grows no further


class Paid(Struct, frozen=True):
    """A pot that was hit."""

    pot: Pot  # as it was before the contribution that hit it
    amount: int  # whole units
    client_seed: str
    facts: dict[str, Any]  # that prove it


def first(rule: JackpotRule) -> Pot:
    """Return the first pot."""
    return _begun(rule, 0, 0, 0)


def client_seed_of(player: str, cause: str) -> str:
    """Return the client seed of a contribution: who and what made it, so nobody could know the draw before."""
    return sha256(f"{player}\n{cause}".encode(errors="replace")).hexdigest()


def contributed(
    rule: JackpotRule, pot: Pot, seed: bytes, micros: int, player: str, cause: str
) -> tuple[Pot, Paid | None]:
    """Return the pot after a contribution, and what was paid if that hit it.

    A pot keeps the bounds and the currency that it began with; a chance is that of the programme in force. One that
    began with a chance and has none any more takes on bounds, above what is in it; a full one is hit at what it holds.
    """
    if not pot.most and not rule.chance:
        least = min(max(rule.least, pot.micros // MICROS + 1), UNITS_MAX)
        pot = replace(pot, least=least, most=max(rule.most, least))
    now = min(pot.micros + micros, MICROS_MAX)
    client_seed = THRESHOLD if pot.most else client_seed_of(player, cause)
    if pot.most:
        is_hit = now // MICROS >= threshold_of(seed, pot.least, pot.most)
    else:
        is_hit = number_below(CHANCE_OF, seed, client_seed, pot.contributions) < rule.chance
    if not is_hit:  # nearly every one
        grown = Pot(pot.number, now, pot.seeded, pot.contributions + 1, pot.currency, pot.least, pot.most, pot.paid)
        return grown, None
    rest: dict[str, Any] = (
        {"hit": "must_hit_by", "min": pot.least, "must_hit_by": pot.most}
        if pot.most
        else {"hit": "chance", "chance": rule.chance}
    )
    facts = {"before": pot.micros // MICROS, "after": now // MICROS, **rest}
    amount, left = divmod(now, MICROS)
    return _begun(rule, pot.number + 1, left, pot.paid + amount), Paid(pot, amount, client_seed, facts)


def joined(mine: Pot, theirs: Pot) -> Pot:
    """Return the pot of two profiles that become one: what the other's events added joins, its seed does not.

    Pots of two currencies are not added: the one with more units stays, with its bounds. The number is always mine: a
    number that goes back would reveal its seed twice. It may stand above the amount that it is hit at: then the next
    contribution hits it.
    """
    paid = mine.paid + theirs.paid
    if mine.currency != theirs.currency:
        fuller = theirs if theirs.micros > mine.micros else mine
        return replace(fuller, number=mine.number, contributions=mine.contributions, paid=paid)
    return replace(mine, micros=min(mine.micros + theirs.micros - theirs.seeded, MICROS_MAX), paid=paid)


def proved(rule: JackpotRule, paid: Paid, draw: str, scope: str, seed: bytes) -> Drawn:
    """Return the record of a hit."""
    return Drawn(
        draw,
        "jackpots",
        rule.id,
        scope,
        paid.pot.number,
        commitment_of(seed),
        paid.client_seed,
        0 if paid.client_seed == THRESHOLD else paid.pot.contributions,
        f"{paid.amount} {paid.pot.currency}",
        facts=paid.facts,
    )


def _begun(rule: JackpotRule, number: int, left: int, paid: int) -> Pot:
    micros = rule.seed * MICROS + left
    least = max(rule.least, rule.seed + 1) if rule.most else 0  # above what the pot begins with
    return Pot(number, micros, micros, 0, rule.currency, least, rule.most, paid)
