"""Segments: who. Judged in the turn of whatever changes them; the parts that time changes, by one timer a player."""

from crm.segments.judging import DUE_MAX_MS, TIMER, advance, shown
from crm.segments.rules import SEGMENTS_MAX, SegmentRules, compile_segments

__all__ = ["DUE_MAX_MS", "SEGMENTS_MAX", "TIMER", "SegmentRules", "advance", "compile_segments", "shown"]
