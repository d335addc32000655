"""Segments: who. Judged in the turn of whatever changes them; the parts that time changes, by one timer a player."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crm.working import Turn
from domain.conditions import Condition
from domain.entries import Entry

TIMER = "segments"


@dataclass(frozen=True, slots=True)
class SegmentRules:
    """The segments of one programme version, indexed by what may change them."""

    version: int = 0
    conditions: Mapping[str, Condition] = field(
        default_factory=dict
    )  # in an order in which each follows those it names


def compile_segments(
    version: int, documents: Mapping[str, Mapping[str, Mapping[str, Any]]], errors: list[str]
) -> SegmentRules:
    """Compile the kind ``segments``; what is wrong is added to ``errors`` as ``kind/id: path: problem``."""
    del documents, errors
    return SegmentRules(version)


def advance(rules: SegmentRules, turn: Turn, entry: Entry | None) -> None:
    """Judge the segments that this turn may have changed; all of them under a new programme version.

    Args:
        entry: None in a follow-up, when only what ``turn.before`` and ``turn.start`` differ in is new.
    """
