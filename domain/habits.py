"""How a player usually plays: the part ``habits`` of a snapshot. Some 250 bytes; fields are only added at the end.

Courses are kept on a log scale: from 20 minutes to 40 is the same step as from 2 hours to 4. The rules are in
``ml.patterns`` and ``ml.intent``.
"""

from msgspec import Struct

# What a player did last, as it is stored in ``Habits.recent``. Numbers are never reused.
OTHER, PLAY, LOOK, PAY, PAID, TROUBLE, HELP, LEAVE = range(8)


class Course(Struct, frozen=True, gc=False, array_like=True):
    """One number of each session of a player: what is usual, and whether it has risen.

    What is seen while ``cusum`` is above 0 is held apart. It joins what is usual when the sum is back at 0, and becomes
    what is usual when the sum has raised its alarm; otherwise a slow rise would teach the course to expect it.
    """

    count: float = 0.0  # sessions behind ``mean`` and ``m2``, at most ``PatternPlan.memory``
    mean: float = 0.0  # of the log
    m2: float = 0.0  # sum of squared deviations from ``mean``
    cusum: float = 0.0  # in standard deviations
    held: float = 0.0  # sessions held apart, and theirs:
    held_mean: float = 0.0
    held_m2: float = 0.0
    level: float = 0.0  # of the log, of the last two or three sessions


class Session(Struct, frozen=True, gc=False, array_like=True):
    """The session under way, or the last one. Times are event time, in ms."""

    started_at: int = 0
    last_at: int = 0  # 0: no session yet
    events: int = 0
    stakes: int = 0
    stake_logs: float = 0.0  # sum of log stakes, major units
    told: int = 0  # bits of ``ml.patterns``: what was told of this session
    long_ms: int = 0  # longer than this the player's own sessions are not; 0: cannot tell
    stake_limit: float | None = None  # a mean log stake above it is not usual; None: cannot tell


class Hours(Struct, frozen=True, gc=False, array_like=True):
    """At which hours of the player's zone sessions begin."""

    starts: tuple[int, ...] = ()  # 24 weights, halved together when their sum is large: old habits fade
    cusum: float = 0.0  # log likelihood ratio of "begins at strange hours now"
    held: tuple[int, ...] = ()  # hours since it left 0, at most 16: they are not yet among ``starts``


class Habits(Struct, frozen=True, gc=False, array_like=True):
    """All of it."""

    session: Session = Session()
    length: Course = Course()  # log minutes of a session
    stake: Course = Course()  # mean log stake of a session
    hours: Hours = Hours()
    recent: tuple[int, ...] = ()  # last 8 gestures of the session, flat: seconds into it, kind (above), place (16 bits)
