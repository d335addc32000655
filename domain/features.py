"""What is kept of a player's behaviour for the models: one part of the snapshot, of bounded size.

``ml.features`` says how a signal changes it and what numbers it gives. Only sums that can be carried on are here,
no list of events: the part stays under ``BYTES_MAX`` whatever the player does.
"""

from msgspec import Struct

BYTES_MAX = 900  # of the stored form
RESPONSES_MAX = 4  # messages remembered as responded to: who clicks one has mostly opened it just before


class Faded(Struct, frozen=True, gc=False, array_like=True):
    """A sum that halves with time: what was added ``t`` days ago counts ``2 ** (-t / half-life)``.

    ``day``, ``week`` and ``month`` are the same sum with half-lives of 1, 7 and 28 days, as they stood at ``at``.
    """

    at: int = 0  # ms, when something was last added; 0: nothing ever was
    day: float = 0.0
    week: float = 0.0
    month: float = 0.0


class Spread(Struct, frozen=True, gc=False, array_like=True):
    """Mean and variance of a logarithm. Early values weigh alike, later each new one a tenth (West 1979)."""

    count: int = 0  # values seen
    mean: float = 0.0  # of log(1 + value)
    variance: float = 0.0


NOTHING = Faded()
NONE_SEEN = Spread()


class Buys(Struct, frozen=True, gc=False, array_like=True):
    """Deposits and purchases by day: two of one day are one decision to pay. What models of repeat buying ask for."""

    days: int = 0  # UTC days with one; 0: never, and the rest is empty
    first_at: int = 0  # ms, the first of all
    last_at: int = 0  # ms, the newest
    spent: float = 0.0  # all of them together


class Messages(Struct, frozen=True, gc=False, array_like=True):
    """Messages that went out to the player, and what the player did with them."""

    received: Faded = NOTHING
    responded: Faded = NOTHING  # opened or clicked; each message once
    last: tuple[int, ...] = ()  # 32 bits of the ids of those responded to last, the newest last


NEVER_BOUGHT = Buys()
NO_MESSAGES = Messages()


class Features(Struct, frozen=True, gc=False, array_like=True):
    """Of one player. Times are event time in ms, money is in major units of the programme's currency.

    A session is what lies between two silences longer than the session gap (``ml.features.SESSION_GAP_MS``).
    """

    events: int = 0  # signals taken in; 0: none yet, all else but messages is empty
    first_at: int = 0
    last_at: int = 0  # of the newest signal; an older one counts as if it were this old
    days: int = 0  # UTC days with a signal: bit 0 is the day of ``last_at``, bit 63 is 63 days before it
    days_all: int = 0  # how many such days there ever were
    sessions_all: int = 0
    began_at: int = 0  # when the newest session began
    session_net: float = 0.0  # won less staked, in the newest session
    previous_net: float = 0.0  # the same of the session before
    previous_length: float = 0.0  # log(1 + seconds) of the session before
    gaps: Spread = NONE_SEEN  # silences between sessions, in seconds
    gap_max: int = 0  # ms, the longest of them
    gap_last: int = 0  # ms, the one before the newest session; 0: there was only one session
    lengths: Spread = NONE_SEEN  # of sessions that are over, in seconds
    stakes: Spread = NONE_SEEN  # of bets
    signals: Faded = NOTHING  # how many of any kind
    sessions: Faded = NOTHING  # how many began
    seconds: Faded = NOTHING  # spent in sessions
    bets: Faded = NOTHING  # how many
    staked: Faded = NOTHING
    won: Faded = NOTHING
    deposits: Faded = NOTHING  # how many
    deposited: Faded = NOTHING
    withdrawn: Faded = NOTHING
    purchases: Faded = NOTHING  # how many
    purchased: Faded = NOTHING
    hour_cos: float = 0.0  # of the UTC hour as an angle, summed over signals and fading as ``signals.month`` does
    hour_sin: float = 0.0
    games: int = 0  # 64 bits; each game sets the one that its name hashes to
    buys: Buys = NEVER_BOUGHT
    messages: Messages = NO_MESSAGES
