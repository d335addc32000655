"""What a player keeps of streaks and quests."""

from msgspec import Struct


class Streak(Struct, frozen=True, gc=False, array_like=True):
    """One streak of the player."""

    count: int = 0  # cycles in a row, the last counted one included
    best: int = 0
    cycle: int = -1  # local day or week number that was counted last; -1: none yet
    freezes: int = 0  # held, not used


class QuestProgress(Struct, frozen=True, gc=False, array_like=True):
    """One quest of the player."""

    status: str = "available"  # available in_progress completed
    completed_count: int = 0
    completed_at: int = 0  # ms
