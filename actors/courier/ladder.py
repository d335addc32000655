"""When a message that could not be sent is tried again.

``due = now + max(step * (0.8 + 0.4 r), after * (1 + 0.1 r))`` with ``r`` drawn from [0, 1): the step of the ladder with
a fifth of jitter to both sides, or what the provider asked for and up to a tenth more, whichever is later; so those who
failed together do not come back together. After the last step it has failed; a try that would begin when the message
has expired is not waited for (Standard Webhooks' schedule, cut at the step that fits a message's life).
"""

from enum import StrEnum
from random import Random

LADDER_S = (5, 30, 300, 1_800, 7_200, 18_000)
AFTER_MAX_S = 86_400  # a provider's wish for more is cut to this


class End(StrEnum):
    """Why there is no other try."""

    EXPIRED = "expired"
    FAILED = "failed"


def next_try(tries: int, now: int, rng: Random, *, expires_at: int, after_s: float = 0) -> int | End:
    """Return when to try again, in ms, or why not to.

    Args:
        tries: Before the one that just failed.
        now: ms, when it failed.
        rng: Drawn from once.
        after_s: The provider asked for so long; 0: it said nothing.
    """
    drawn = rng.random()
    if tries >= len(LADDER_S):
        return End.FAILED
    step_ms = LADDER_S[max(0, tries)] * 1_000 * (0.8 + 0.4 * drawn)
    after_ms = min(max(after_s, 0), AFTER_MAX_S) * 1_000 * (1 + 0.1 * drawn)
    due = now + int(max(step_ms, after_ms))
    return due if due < expires_at else End.EXPIRED
