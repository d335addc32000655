"""The keeper of an item's stock: how many are taken never passes how many there are.

============ ===========================================================
reserve      ``ok``, ``sold_out``, or ``item_not_found``
confirm      what was reserved is granted; not answered
release      what was reserved is not granted: it is there again
put_back     what was granted is refunded: it is there again
============ ===========================================================

It keeps how many are taken, so ``left = stock - taken`` by whatever stock the version in force has: raised, so many
more are there; lowered below what is taken, nothing is left and nothing is called back.
"""

from typing import Any

import msgspec
from msgspec import Struct, structs
from msgspec.structs import replace

from domain.entries import Entry, KeeperAsked
from domain.ids import keeper_id
from gamification.keeping import Keeper
from gamification.rules import Rules
from gamification.store.rules import ItemRule

KIND = "stock"


class Kept(Struct, frozen=True):
    """What the keeper keeps."""

    taken: int = 0  # reserved ones count
    reserved: int = 0


def read(kept: dict[str, Any]) -> Kept:
    """Read what the keeper's snapshot holds."""
    return msgspec.convert(kept, Kept)


def keeper_for(item: str) -> str:
    """Return the id of the keeper of an item's stock."""
    return keeper_id(KIND, f"rewards/{item}")


def item_of(rules: Rules, item: str) -> ItemRule | None:
    """Return an item of a version."""
    store = rules.rooms.get("store")
    return store.items.get(item) if store is not None else None


def left_of(rule: ItemRule, kept: dict[str, Any]) -> int | None:
    """Return how many are left, by what the keeper keeps; None: without end."""
    return None if rule.stock is None else max(0, rule.stock - read(kept).taken)


def take(keeper: Keeper, entry: Entry) -> None:
    """Take a keeper's turn."""
    if not isinstance(entry, KeeperAsked):
        return
    before = kept = read(keeper.kept)
    amount = int(entry.args["amount"])
    if entry.op == "reserve":
        kept = _reserved(keeper, kept, entry, amount)
    elif entry.op == "put_back":
        kept = replace(kept, taken=kept.taken - amount)
    else:
        taken = kept.taken - amount if entry.op == "release" else kept.taken
        kept = replace(kept, taken=taken, reserved=kept.reserved - amount)
    if kept != before:
        keeper.kept = structs.asdict(kept)


def _reserved(keeper: Keeper, kept: Kept, asked: KeeperAsked, amount: int) -> Kept:
    rule = item_of(keeper.rules, keeper.name.partition("/")[2])
    if rule is None:
        keeper.answer(asked, "item_not_found")
        return kept
    left = left_of(rule, structs.asdict(kept))
    if left is not None and left < amount:
        keeper.answer(asked, "sold_out", left=left)
        return kept
    keeper.answer(asked)
    return replace(kept, taken=kept.taken + amount, reserved=kept.reserved + amount)
