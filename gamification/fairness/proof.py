"""What proves a draw: its record, and whether the seed that was shown gives what was recorded."""

import re
from functools import lru_cache
from typing import Any

from domain.game_effects import Drawn, SeedRevealed
from domain.step import Draws
from gamification.fairness.maths import commitment_of, drawn, number_below, tickets_drawn, without

CHANCE_OF = 10**12  # a chance is a whole number of these
POT_MAX = 10**12  # whole units: a pot grows no further
_DRAW_ID = re.compile(r"([0-9]{1,19}-[0-9]{1,19})\.([0-9]{1,9})@(.+)", re.DOTALL)  # an offset is 64 bits twice
THRESHOLD = "threshold"  # the client seed of what a pot must be hit by


def seed_of(draws: Draws, kind: str, ref: str, scope: str, n: int) -> bytes:
    """Return the seed of the ``n``-th epoch, run or pot.

    Args:
        scope: Whose it is: a player's id; "" for what is everybody's.
    """
    return draws.secret(kind, ref, scope, str(n))


def commitment(draws: Draws, kind: str, ref: str, scope: str, n: int) -> str:
    """Return what is shown of a seed before it is used."""
    return commitment_of(seed_of(draws, kind, ref, scope, n))


def revealed(draws: Draws, kind: str, ref: str, scope: str, n: int) -> SeedRevealed:
    """Return the effect that ends a seed: it is shown, and the next one is committed to."""
    seed = seed_of(draws, kind, ref, scope, n)
    return SeedRevealed(kind, ref, scope, n, seed.hex(), commitment_of(seed))


def draw_id(offset: str, number: int, actor: str) -> str:
    """Return the id of a turn's ``number``-th draw: where its record is."""
    return f"{offset}.{number}@{actor}"


def place_of(draw: str) -> tuple[str, int, str] | None:
    """Return (offset, number, actor) of a draw's id; None when it is none."""
    found = _DRAW_ID.fullmatch(draw)
    return (found[1], int(found[2]), found[3]) if found else None


def problems(record: Drawn, seed: bytes) -> list[str]:
    """Return what in a record is not what the seed gives; empty when all is."""
    found = [] if commitment_of(seed) == record.commitment else ["the seed is not the one that was committed to"]
    return found + _CHECKS[record.of](record, seed)


def _prize(record: Drawn, seed: bytes) -> list[str]:
    for counter, expected in enumerate((*record.out, record.result)):
        table = without(record.table, record.out[:counter])
        if not table or drawn(table, seed, record.client_seed, record.nonce, counter) != expected:
            return [f"draw {counter} does not give {expected!r}"]
    return []


def _tickets(record: Drawn, seed: bytes) -> list[str]:
    facts: dict[str, Any] = record.facts
    winners = [ticket for _, ticket in facts["winners"]]
    again = facts["multi"]
    told = tickets_drawn(facts["tickets"], seed, record.client_seed, len(winners), again=again)
    return [] if told == winners else ["the tickets drawn are others"]


def _pot(record: Drawn, seed: bytes) -> list[str]:
    facts: dict[str, Any] = record.facts
    if facts["hit"] == "chance":
        number = number_below(CHANCE_OF, seed, record.client_seed, record.nonce)
        return [] if number < facts["chance"] else [f"{number} is not below {facts['chance']}"]
    threshold = threshold_of(seed, facts["min"], facts["must_hit_by"])
    # A personal pot may have passed it when two profiles became one, and a full one may have been given bounds when its
    # chance was taken from it; either is hit by the next contribution.
    is_first = facts["before"] < threshold or bool(record.scope) or facts["before"] == POT_MAX
    return [] if is_first and threshold <= facts["after"] else [f"the pot did not pass {threshold} here"]


@lru_cache(maxsize=4096)  # every contribution to a pot asks for the same one
def threshold_of(seed: bytes, least: int, most: int) -> int:
    """Return the amount that a pot is hit at: each whole number from ``least`` to ``most`` is as likely."""
    return least + number_below(most - least + 1, seed, THRESHOLD, 0)


_CHECKS = {"minigames": _prize, "raffles": _tickets, "jackpots": _pot}
