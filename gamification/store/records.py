"""A player's purchases: the last ones, and how many of each item count against its limits."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from itertools import count as count_up

from msgspec.structs import replace

from domain.game_effects import PurchaseChanged
from domain.shop import Bought, Purchase, Shop
from gamification.periods import Period, number_of
from gamification.store.rules import ItemRule
from gamification.working import Turn

PURCHASES_MAX = 100  # kept; the oldest of those that are over go first
OPEN_MAX = 50  # under way at once: asked for, or waiting for the platform
ITEMS_MAX = 500  # items with a count; beyond it the first counted is forgotten
_OPEN = frozenset({"asked", "granting"})
_PERIODS: tuple[Period, ...] = ("day", "week", "month")


def new_id(turn: Turn, item: str, rule: str = "") -> str:
    """Return the id of a purchase: it says whose it is, so that the platform can name it alone (``player_of``).

    It is made of what is bought and by what, not of how much happened before: folded again without another event
    (``gamification.rollback``) it is the same, and what the platform says of it finds it.
    """
    known = {purchase.id for purchase in turn.part("shop").purchases}
    head = f"pur_{urlsafe_b64encode(turn.player.encode(errors='replace')).decode().rstrip('=')}"
    name = f"{turn.player}|{turn.offset}|{turn.at}|{turn.cause}|{item}|{rule}"
    marks = (blake2b(f"{name}|{n}".encode(errors="replace"), digest_size=9).hexdigest() for n in count_up())
    return next(purchase for mark in marks if (purchase := f"{head}_{mark}") not in known)


def player_of(purchase: str) -> str:
    """Return whose purchase an id names, "" when it names none."""
    head, _, rest = purchase.partition("_")
    coded, _, mark = rest.rpartition("_")
    if head != "pur" or not mark:
        return ""
    try:
        return urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except ValueError:
        return ""


def may_open(turn: Turn) -> bool:
    """Tell whether one more may be under way."""
    return sum(purchase.status in _OPEN for purchase in turn.part("shop").purchases) < OPEN_MAX


def add(turn: Turn, purchase: Purchase) -> None:
    """Add a purchase."""
    shop: Shop = turn.part("shop")
    turn.set_part("shop", replace(shop, purchases=bounded((*shop.purchases, purchase))))
    _tell(turn, purchase)


def bounded(purchases: tuple[Purchase, ...]) -> tuple[Purchase, ...]:
    """Let the oldest go that are over."""
    over = len(purchases) - PURCHASES_MAX
    if over <= 0:
        return purchases
    gone = [purchase.id for purchase in purchases if purchase.status not in _OPEN][:over]
    return tuple(purchase for purchase in purchases if purchase.id not in gone)


def find(turn: Turn, purchase_id: str) -> Purchase | None:
    """Return a purchase that is kept."""
    return next((purchase for purchase in turn.part("shop").purchases if purchase.id == purchase_id), None)


def change(turn: Turn, purchase: Purchase) -> None:
    """Replace a purchase by what it has become, and tell."""
    keep(turn, purchase)
    _tell(turn, purchase)


def keep(turn: Turn, purchase: Purchase) -> None:
    """Replace a purchase; nothing to tell."""
    shop: Shop = turn.part("shop")
    changed = tuple(purchase if other.id == purchase.id else other for other in shop.purchases)
    turn.set_part("shop", replace(shop, purchases=changed))


def _tell(turn: Turn, purchase: Purchase) -> None:
    turn.effects.append(
        PurchaseChanged(
            purchase.id,
            purchase.item,
            purchase.status,
            purchase.reason,
            purchase.amount,
            purchase.currency,
            purchase.price,
        )
    )


def is_limited(rule: ItemRule, bought: Bought, amount: int, now: int, zone: str) -> bool:
    """Tell whether so many more would pass the item's limit; the period is that of the player's zone, turn time."""
    return bool(rule.limit) and counted(rule, bought, now, zone) + amount > rule.limit


def counted(rule: ItemRule, bought: Bought, now: int, zone: str) -> int:
    """Return how many were bought in the present period of the item's limit, or in the newest one there was.

    A player's zone is what their events say. So a period before the newest is charged to the newest, as it is for
    the limits of currencies: who flies west, or says so, gains no second day.
    """
    if rule.limit_per == "ever":
        return bought.ever
    number, count = getattr(bought, rule.limit_per)
    return count if number_of(now, zone, rule.limit_per) <= number else 0  # type: ignore[arg-type]


def count(turn: Turn, item: str, amount: int, at: int) -> None:
    """Count a purchase made at a time; below 0: it was refunded, and what it counted in its own periods is undone."""
    shop: Shop = turn.part("shop")
    held = shop.bought.get(item, Bought())
    periods = {per: _moved(getattr(held, per), number_of(at, turn.zone, per), amount) for per in _PERIODS}
    bought = {**shop.bought, item: Bought(max(0, held.ever + amount), **periods)}
    while len(bought) > ITEMS_MAX:
        del bought[next(iter(bought))]
    turn.set_part("shop", replace(shop, bought=bought))


def _moved(held: tuple[int, int], number: int, amount: int) -> tuple[int, int]:
    if number == held[0] or (amount > 0 and number < held[0]):
        return held[0], max(0, held[1] + amount)
    return (number, amount) if amount > 0 else held


def join(turn: Turn, theirs: Shop) -> None:
    """Take in another profile's purchases; what both bought counts together, of two periods the later."""
    mine: Shop = turn.part("shop")
    bought = dict(mine.bought)
    for item, their in theirs.bought.items():
        my = bought.get(item, Bought())
        periods = {per: _together(getattr(my, per), getattr(their, per)) for per in _PERIODS}
        bought[item] = Bought(my.ever + their.ever, **periods)
    known = {purchase.id for purchase in mine.purchases}
    fresh = [purchase for purchase in theirs.purchases if purchase.id not in known]
    purchases = sorted((*mine.purchases, *fresh), key=lambda purchase: purchase.at)
    turn.set_part("shop", Shop(bounded(tuple(purchases)), bought))


def _together(mine: tuple[int, int], theirs: tuple[int, int]) -> tuple[int, int]:
    if mine[0] == theirs[0]:
        return mine[0], mine[1] + theirs[1]
    return max(mine, theirs)
