"""Streaks: days or weeks in a row in which something was done (docs/gamification/streaks.md)."""

from gamification.streaks.room import ROOM

__all__ = ["ROOM"]
