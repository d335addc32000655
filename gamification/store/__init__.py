"""The store: items bought with a currency or given as a reward, their stock, and what the platform grants outside."""

from gamification.store.room import ROOM

__all__ = ["ROOM"]
