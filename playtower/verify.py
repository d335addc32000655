"""The maths of a draw once more, from docs/gamification/fairness.md and nothing else of the engine.

It knows the records that ``GET /v1/draws/{id}`` answers, ``hashlib`` and ``hmac``. That it agrees with the engine is
what tests hold it to; that it says no when anything is changed, too.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

Record = Mapping[str, Any]
CHANCE_OF = 10**12
POT_MAX = 10**12  # units: a pot grows no further


def number(n: int, seed: bytes, client_seed: str, nonce: int, counter: int = 0) -> int:
    """Return the drawn number, from 0 to n - 1."""
    message = f"{client_seed}:{nonce}:{counter}".encode()
    return int(hmac.new(seed, message, hashlib.sha256).hexdigest(), 16) * n // 2**256


def verify(record: Record, lists: Sequence[Record] | None = None) -> list[str]:
    """Return what is wrong with a draw, in sentences; nothing: it is as it was committed to.

    Args:
        lists: Of a raffle: the frozen parts of its list, by ``part``; None: their hashes are taken as they are told.
    """
    if not record.get("seed"):
        return ["the seed is not revealed yet"]
    seed = bytes.fromhex(record["seed"])
    wrong = []
    if hashlib.sha256(seed).hexdigest() != record["commitment"]:
        wrong.append("the seed's SHA-256 is not the commitment")
    checks = {"minigames": _prize, "raffles": _tickets, "jackpots": _jackpot}
    wrong += checks[record["of"]](record, seed)
    if lists is not None and record["of"] == "raffles":
        wrong += _lists(record, lists)
    return wrong


def _prize(record: Record, seed: bytes) -> list[str]:
    left = [(str(prize), int(weight)) for prize, weight in record["table"]]
    drawn = [*record["out"], record["result"]]
    for counter, expected in enumerate(drawn):
        at = number(sum(weight for _, weight in left), seed, record["client_seed"], record["nonce"], counter)
        sums = accumulate(weight for _, weight in left)
        prize = next((prize for (prize, _), end in zip(left, sums, strict=True) if at < end), None)
        if prize != expected:
            return [f"draw {counter} gives {prize!r}, not {expected!r}"]
        left = [row for row in left if row[0] != prize]
    return []


def _tickets(record: Record, seed: bytes) -> list[str]:
    facts = record["facts"]
    wrong = []
    lines = "".join(f"{tickets} {part}\n" for tickets, part, *_ in facts["parts"])
    if hashlib.sha256(lines.encode()).hexdigest() != record["client_seed"]:
        wrong.append("the list's hash is not the client seed")
    if sum(part[0] for part in facts["parts"]) != facts["tickets"]:
        wrong.append("the parts of the list do not add up to the tickets")
    left = list(range(1, facts["tickets"] + 1)) if facts["tickets"] <= 1_000_000 else None
    won: list[int] = []
    for k, (prize, ticket) in enumerate(facts["winners"]):
        if facts["multi"]:
            drawn = number(facts["tickets"], seed, record["client_seed"], k) + 1
        elif left is not None:
            drawn = left.pop(number(len(left), seed, record["client_seed"], k)) if left else 0
        else:
            drawn = number(facts["tickets"] - len(won), seed, record["client_seed"], k) + 1
            for taken in sorted(won):
                drawn += drawn >= taken
        won.append(drawn)
        if drawn != ticket:
            wrong.append(f"winner {k} ({prize}) is ticket {drawn}, not {ticket}")
    return wrong


def _jackpot(record: Record, seed: bytes) -> list[str]:
    facts = record["facts"]
    if facts["hit"] == "chance":
        at = number(CHANCE_OF, seed, record["client_seed"], record["nonce"])
        return [] if at < facts["chance"] else [f"{at} is not below {facts['chance']}: this contribution hits nothing"]
    least, most = facts["min"], facts["must_hit_by"]
    threshold = least + number(most - least + 1, seed, "threshold", 0)
    if facts["after"] < threshold:
        return [f"the pot is hit at {threshold}, and was at {facts['after']}"]
    if facts["before"] >= threshold and not record["scope"] and facts["before"] != POT_MAX:
        return [f"the pot was past {threshold} before"]
    return []


def _lists(record: Record, lists: Sequence[Record]) -> list[str]:
    found = {part["part"]: part for part in lists}
    wrong = []
    for i, (tickets, told, *_) in enumerate(record["facts"]["parts"]):
        rows = found[i]["rows"] if i in found else []
        text = "".join(f"{count} {player}\n" for player, count in rows)
        if hashlib.sha256(text.encode()).hexdigest() != told or sum(count for _, count in rows) != tickets:
            wrong.append(f"part {i} of the list is another")
    return wrong
