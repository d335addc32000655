"""Jackpots: a pot that grows with each event until it is hit (docs/gamification/jackpots.md)."""

from gamification.jackpots.room import ROOM

__all__ = ["ROOM"]
