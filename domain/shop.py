"""What a player keeps of the store: purchases, and what was granted outside."""

from msgspec import Struct


class Purchase(Struct, frozen=True, gc=False, array_like=True):
    """One item bought, or given as a reward."""

    id: str
    item: str
    status: str  # asked granting granted failed refunded
    at: int  # ms
    currency: str = ""
    price: int = 0  # of all of ``amount``
    reason: str = ""  # why it failed, or was refunded
    amount: int = 1
    rule: str = ""  # what gave it, missions/<id>; "": it was bought
    version: int = 0  # of the programme it was asked under
    reserved: bool = False  # the stock's keeper counts it
    until: int = 0  # ms: of one that is granting, when it fails unless it is confirmed; 0: no limit
    granted_at: int = 0  # ms
    gave: tuple[tuple[str, int], ...] = ()  # (currency, amount) posted when it was granted; a refund takes these
    paid: tuple[tuple[int, int], ...] = ()  # terms of the price, of a currency that expires (``gamification.terms``)
    lots: tuple[tuple[str, int], ...] = ()  # (currency, ms when it expires) of the lots that ``gave`` made


class Bought(Struct, frozen=True, gc=False, array_like=True):
    """How many of one item were bought, by every period that a limit may go by; refunded ones are taken off."""

    ever: int = 0
    day: tuple[int, int] = (0, 0)  # local day number, how many in it
    week: tuple[int, int] = (0, 0)
    month: tuple[int, int] = (0, 0)


class Shop(Struct, frozen=True, gc=False, array_like=True):
    """The last purchases, and how many of each item count against its limits."""

    purchases: tuple[Purchase, ...] = ()
    bought: dict[str, Bought] = {}  # by item
