"""What a player keeps of the store: purchases, and what was granted outside."""

from msgspec import Struct


class Purchase(Struct, frozen=True, gc=False, array_like=True):
    """One item bought, or given as a reward."""

    id: str
    item: str
    status: str  # asked granting granted failed refunded
    at: int  # ms
    currency: str = ""
    price: int = 0
    reason: str = ""


class Shop(Struct, frozen=True, gc=False, array_like=True):
    """The last purchases, and how many of each item count against its limits."""

    purchases: tuple[Purchase, ...] = ()
    bought: dict[str, int] = {}  # item -> how many ever, refunded ones taken off
