"""The circuit breaker of one connector: a provider that does not work is left alone, and asked again now and then.

========= ==================================================================================================
closed    everything passes. Opens after ``IN_A_ROW`` failures without a success between them, or when at least
          ``SHARE`` of the last ``WINDOW`` results were failures (of ``LEAST`` at the least)
open      nothing passes until ``until``; each opening after an unsuccessful probe lasts twice as long, up to 5 min
half open from then on one message at a time passes, the probe: its success closes, its failure opens again
========= ==================================================================================================

Failures are the provider's (no answer, 5xx, throttled); a message that it refuses shows that it works.
"""

from typing import Literal

from msgspec import Struct, structs

IN_A_ROW = 5
WINDOW = 32
LEAST = 20
SHARE = 0.5
OPEN_MS = 5_000
OPEN_MAX_MS = 300_000

State = Literal["closed", "open", "half_open"]
_MASK = (1 << WINDOW) - 1


class Breaker(Struct, frozen=True):
    """What is remembered of a provider's results."""

    failures: int = 0  # in a row
    results: int = 1  # the last ones as bits behind a leading 1, the newest lowest; 1: a failure
    until: int = 0  # ms, no message passes before; 0: closed
    openings: int = 0  # without a success since
    is_probing: bool = False

    def state(self, now: int) -> State:
        """Return the state as of now."""
        if not self.until:
            return "closed"
        return "open" if now < self.until else "half_open"

    def room(self, now: int, most: int) -> int:
        """Return how many messages may go now, of ``most``."""
        match self.state(now):
            case "closed":
                return most
            case "half_open":
                return 0 if self.is_probing else min(most, 1)
            case _:
                return 0


def begun(breaker: Breaker, now: int) -> Breaker:
    """Return the breaker after a message has gone out."""
    return structs.replace(breaker, is_probing=True) if breaker.state(now) == "half_open" else breaker


def succeeded(breaker: Breaker) -> Breaker:
    """Return the breaker after the provider answered as it should.

    An answer to what went out before it opened does not close it: only a probe's does.
    """
    if breaker.until and not breaker.is_probing:
        return breaker
    if breaker.until:
        return Breaker()
    return structs.replace(breaker, failures=0, results=_noted(breaker.results, 0))


def failed(breaker: Breaker, now: int, *, after_ms: int = 0) -> Breaker:
    """Return the breaker after the provider failed.

    Args:
        after_ms: The provider asked not to be asked for so long; an opening lasts at least that, up to 5 min.
    """
    if breaker.until:  # the probe failed; or one that went out before it opened, which says nothing new
        return _opened(breaker, now, after_ms) if breaker.is_probing else breaker
    failures, results = breaker.failures + 1, _noted(breaker.results, 1)
    breaker = structs.replace(breaker, failures=failures, results=results)
    seen = results.bit_length() - 1
    bad = (results ^ (1 << seen)).bit_count()
    if failures >= IN_A_ROW or (seen >= LEAST and bad >= SHARE * seen):
        return _opened(breaker, now, after_ms)
    return breaker


def given_up(breaker: Breaker) -> Breaker:
    """Return the breaker after a message was not sent after all: there may be another probe."""
    return structs.replace(breaker, is_probing=False)


def _opened(breaker: Breaker, now: int, after_ms: int) -> Breaker:
    lasts = min(OPEN_MAX_MS, max(OPEN_MS * 2 ** min(breaker.openings, 16), after_ms))
    return Breaker(until=now + lasts, openings=breaker.openings + 1)


def _noted(results: int, bit: int) -> int:
    results = results << 1 | bit
    return results if results.bit_length() <= WINDOW + 1 else results & _MASK | 1 << WINDOW
