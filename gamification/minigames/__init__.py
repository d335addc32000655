"""Mini-games: wheel, scratch card, gift box, calendar (docs/gamification/minigames.md)."""

from gamification.minigames.room import ROOM

__all__ = ["ROOM"]
