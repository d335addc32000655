"""Raffles: tickets, a draw, winners (docs/gamification/raffles.md)."""

from gamification.raffles.room import ROOM

__all__ = ["ROOM"]
