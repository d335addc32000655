"""Whether scores came true: what the model said of sampled players, and what they did in the days after.

Once a day some players are drawn and scored: these are calls. When the horizon of a head is over, the player's
features tell whether it happened: a session began, or money came in. Said and happened are means over the players, so
this is calibration in the large (Van Calster et al. 2019): right on average. It says nothing of whether the right
players were named.
"""

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.features import Features
from ml.net import Head

PLAYERS_MAX = 500  # called a day
DAYS = 7  # matured days that are told together
GAP_LEAST = 0.05  # between said and happened, or nobody is warned
Z_LEAST = 3.0


class Call(Struct, frozen=True, array_like=True):
    """What was said of one player."""

    player: str
    sessions: int  # that there had been
    paid_at: int  # ms, the newest deposit or purchase; 0: none
    said: dict[str, float]  # probability by head


class Outcome(Struct, frozen=True):
    """What became of the calls of one day, or of several together."""

    head: str
    calls: int
    said: float  # mean probability
    happened: float  # share
    error: float  # standard error of the share, if the scores were right

    @property
    def gap(self) -> float:
        """Return what happened less what was said."""
        return self.happened - self.said

    @property
    def warns(self) -> bool:
        return abs(self.gap) > GAP_LEAST and abs(self.gap) > Z_LEAST * self.error


def call_of(player: str, state: Features, said: dict[str, float], heads: Sequence[Head]) -> Call:
    """Return what is kept of a score: the heads that are probabilities."""
    known = {head.name: said[head.name] for head in heads if head.kind == "logit" and head.name in said}
    return Call(player, state.sessions_all, paid_at(state), known)


def outcome(head: str, calls: Iterable[tuple[Call, Features]]) -> Outcome | None:
    """Return what became of a day's calls.

    Args:
        calls: With the features as they are at the end of the horizon; who is no player any more (joined another)
            does not count.
    """
    said = [(call.said[head], _happened(head, call, state)) for call, state in calls if _counts(head, call, state)]
    if not said:
        return None
    n = len(said)
    variance = sum(p * (1 - p) for p, _ in said)
    return Outcome(head, n, sum(p for p, _ in said) / n, sum(y for _, y in said) / n, math.sqrt(variance) / n)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of several days as one. Days share players, so the error is that of the largest day.

    Not the smallest error: three calls that are nearly sure have a tiny one, and would make a week of others sure.
    """
    n = sum(one.calls for one in outcomes)
    said = sum(one.said * one.calls for one in outcomes) / n
    happened = sum(one.happened * one.calls for one in outcomes) / n
    return Outcome(outcomes[0].head, n, said, happened, max(outcomes, key=lambda one: (one.calls, one.error)).error)


def paid_at(state: Features) -> int:
    """Return when money last came in, ms; 0: never."""
    return max(state.deposits.at, state.purchases.at)


def _counts(head: str, call: Call, state: Features) -> bool:
    return head in call.said and state.events > 0 and state.sessions_all >= call.sessions


def _happened(head: str, call: Call, state: Features) -> bool:
    if head.startswith("churn_"):
        return state.sessions_all == call.sessions
    return paid_at(state) > call.paid_at
