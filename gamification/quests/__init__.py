"""Quests: several missions with a reward of their own (docs/gamification/quests.md)."""

from gamification.quests.room import ROOM

__all__ = ["ROOM"]
