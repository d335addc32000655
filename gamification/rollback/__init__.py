"""Rollback: an event that did not stand is unwound, as if it had not come (docs/gamification/rollback.md)."""

from gamification.rollback.room import ROOM as ROOM
