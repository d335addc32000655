"""How many messages a connector may take now: places in flight, and tokens of its provider's shared rate.

Tokens are taken before messages are claimed, so that what is claimed is sent at once. Few are taken while little is
waiting: one at first, twice as many whenever all were used, half as many when none was. So an idle courier holds one
token, and no more than that can go out above ``burst + rate * t`` (one a courier); what a busy one did not use within
a second it forgets.
"""

from msgspec import Struct, structs

HELD_MS = 1_000  # tokens in hand, beyond one
URGENT_SHARE = 4  # a quarter of the places is kept free of bulk


class Pace(Struct, frozen=True):
    """Tokens in hand, and how many are asked for at once."""

    hand: int = 0
    reach: int = 1
    taken_at: int = 0  # ms
    not_before: int = 0  # ms, no token before


def places(in_flight: int, most: int, *, urgent: bool) -> int:
    """Return how many more may be in flight; some places are for urgent ones only, where there are several."""
    kept = 0 if urgent or most == 1 else max(1, most // URGENT_SHARE)
    return max(0, most - kept - in_flight)


def wanted(pace: Pace, now: int, free: int) -> int:
    """Return how many tokens to take, given so many free places."""
    if pace.not_before > now:
        return 0
    return max(0, min(pace.reach, free) - pace.hand)


def aged(pace: Pace, now: int) -> Pace:
    """Forget tokens that were not used in time."""
    if pace.hand > 1 and not 0 <= now - pace.taken_at < HELD_MS:
        return structs.replace(pace, hand=1)
    return pace


def taken(pace: Pace, now: int, granted: int, asked: int, wait_ms: int) -> Pace:
    """Return the pace after the bucket answered."""
    not_before = now + wait_ms if granted < asked else 0
    taken_at = now if granted else pace.taken_at
    return structs.replace(pace, hand=pace.hand + granted, taken_at=taken_at, not_before=not_before)


def used(pace: Pace, count: int, free: int) -> Pace:
    """Return the pace after ``count`` of the tokens in hand were used; ``free`` places had been offered."""
    if count and count >= pace.hand:
        # A pass that had room for few (an urgent message) must not slow down the next one, which may have much.
        reach = max(pace.reach, min(free, pace.reach * 2))
        return structs.replace(pace, hand=max(0, pace.hand - count), reach=reach)
    if not count:
        return structs.replace(pace, reach=max(1, pace.reach // 2))
    return structs.replace(pace, hand=pace.hand - count)


def throttled(pace: Pace, now: int, after_ms: int) -> Pace:
    """Return the pace after the provider asked for silence."""
    return structs.replace(pace, not_before=max(pace.not_before, now + after_ms))
