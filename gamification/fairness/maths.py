"""The maths of a draw; docs/gamification/fairness.md says the same for people, ``playtower/verify.py`` does it again.

A seed of 32 bytes is committed to by its SHA-256 before anything is drawn with it, and shown after. What it draws is
``HMAC-SHA256(seed, "<client seed>:<nonce>:<counter>")``, read as one whole number ``v`` of 256 bits; of ``n`` equal
outcomes number ``v * n >> 256`` is drawn, from 0. No modulus, so nothing is favoured but by rounding: an outcome's
probability differs from 1/n by less than 2**-256, for any n.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256

Table = Sequence[tuple[str, int]]  # outcome and its weight, in order


def commitment_of(seed: bytes) -> str:
    """Return what is shown before: the SHA-256 of the seed, in hex."""
    return sha256(seed).hexdigest()


def number_below(n: int, seed: bytes, client_seed: str, nonce: int, counter: int = 0) -> int:
    """Return the drawn number, 0 <= number < n."""
    value = int.from_bytes(hmac.digest(seed, f"{client_seed}:{nonce}:{counter}".encode(), "sha256"), "big")
    return value * n >> 256


def outcome_at(table: Table, number: int) -> str:
    """Return whose part of the weights, laid end to end in the table's order, the number is in."""
    for outcome, weight in table:
        if number < weight:
            return outcome
        number -= weight
    raise ValueError("the number is not below the sum of the weights")


def drawn(table: Table, seed: bytes, client_seed: str, nonce: int, counter: int = 0) -> str:
    """Return an outcome, each with its weight's share of the sum."""
    return outcome_at(table, number_below(sum(w for _, w in table), seed, client_seed, nonce, counter))


def without(table: Table, out: Sequence[str]) -> Table:
    """Return the table without some outcomes; the others keep their weights."""
    return tuple((outcome, weight) for outcome, weight in table if outcome not in out)


def tickets_drawn(total: int, seed: bytes, client_seed: str, count: int, *, again: bool = False) -> list[int]:
    """Return winning ticket numbers, from 1, in order; each at most once unless ``again``, so there may be fewer.

    The k-th (from 0) is number ``nonce`` k of the tickets that have not won, in rising order.
    """
    won: list[int] = []
    for k in range(count):
        left = total if again else total - len(won)
        if left <= 0:
            break
        place = number_below(left, seed, client_seed, k)
        for taken in () if again else sorted(won):
            place += taken - 1 <= place
        won.append(place + 1)
    return won
