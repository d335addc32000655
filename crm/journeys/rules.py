"""Compiled journeys: what a turn reads. Values only; ``walking`` holds the behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class JourneyRules:
    """The journeys and campaigns of one programme version. ``older`` holds those that players in flight began with."""

    version: int = 0
    journeys: Mapping[str, Any] = field(default_factory=dict)
    older: "Mapping[int, JourneyRules]" = field(default_factory=dict)
