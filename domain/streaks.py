"""What a player keeps of streaks and quests."""

from msgspec import Struct


class Walked(Struct, frozen=True, gc=False, array_like=True):
    """How a streak stands when its cycles have been walked through, in order."""

    count: int = 0  # cycles in a row
    freezes: int = 0  # held, not used
    seen: int = -1  # the last cycle judged, counted or missed; -1: none
    first: int = -1  # of the run that ``count`` counts; -1: none runs
    last: int = -1  # cycle counted last
    high: int = 0  # the highest count of this run


class Streak(Struct, frozen=True, gc=False, array_like=True):
    """One streak of the player.

    ``count``, ``cycle`` and ``freezes`` are what the walk from ``base`` over ``marks`` gives: kept to be read, not to
    be changed alone.
    """

    count: int = 0  # cycles in a row, the last counted one included
    best: int = 0
    cycle: int = -1  # local day or week number that was counted last; -1: none yet
    freezes: int = 0  # held, not used
    marks: tuple[tuple[int, int, int], ...] = ()  # the last cycles, ascending: (cycle, what it saw, freezes gained)
    base: Walked = Walked()  # how it stood before the first mark
    paid: tuple[tuple[int, int], ...] = ()  # (first cycle of a run, highest count paid in it), the present run last
    zone: str = ""  # in which the newest event was placed
    at: int = 0  # ms, event time of the newest that counted
    by: str = ""  # what the walk goes by, ``day/2/None``: every, most freezes, decay
    epoch: int = 0  # how often it began anew because ``every`` was changed


class QuestProgress(Struct, frozen=True, gc=False, array_like=True):
    """One quest of the player."""

    status: str = "available"  # available in_progress completed
    completed_count: int = 0
    completed_at: int = 0  # ms
    done: tuple[str, ...] = ()  # missions of it that are completed, in order
