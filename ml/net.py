"""The outcome net as it is served: a few matrices, one player at a time (``ml.training`` makes them, with torch).

Relu layers and one head for each outcome. Two kinds of head:

- ``logit``: a probability, ``sigmoid(a * o + b)`` of the head's output ``o``; (a, b) is Platt's calibration
  (Platt 1999), fitted on weeks that the net was not fitted on;
- ``count``: an expected number of days, ``min(days, exp(a * o + b))``, fitted as a Poisson mean.

One row is scored in float64, and by itself: a matrix product over a batch may add in another order, and then a score
would depend on who else was in the batch. Values are rounded to four places, far above what is left of such noise.

**Confidence** (0..1) says how much the probability may be relied on, not how high it is. It is a product:

- ``trust`` of the model: 1 when it was trained on the platform's own players, less for one that came from elsewhere;
- evidence: ``n / (n + 3)`` of the player's ``n`` active days in the last four weeks: 0.25 on the first day, 0.5 after
  three, 0.7 after a week of days;
- familiarity: the share of the numbers that lie within what the training rows had (their 0.1 and 99.9 per cent
  quantiles). What never varied in training, like bets in a game without money, is unfamiliar when it does here.

**Drivers** are the three numbers with the most effect: how far this one is from the population's mean in standard
deviations, times the slope of churn's log-odds in it at this player (gradient times input, with the mean as baseline;
Shrikumar et al. 2017). A positive effect makes churn likelier. Numbers that say the same share their effect.

Where the training saw payments, a second model comes along (``ml.lifetime``): it tells of a player who paid what the
next 90 days bring, and when the next payment comes.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import exp
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType, structs

from domain.errors import Invalid
from ml import lifetime
from ml.features import NAMES
from ml.forward import Floats, Forward, Inputs, Passed
from ml.lifetime import Lifetime
from ml.watch import drift
from ml.watch.drift import Reference

Drivers = tuple[tuple[str, float], ...]

CHURN_DAYS = 14  # the head that ``churn`` is when nobody says otherwise
HEADS = ("churn_7d", "churn_14d", "churn_28d", "purchase_7d", "engagement")  # in this order; a model may lack some
DRIVERS = 3
EVIDENCE_DAYS = 3.0  # active days at which the evidence is one half
BYTES_MAX = 1_000_000
FORMAT = 1
_CLIP = 8.0  # standard deviations; what is further out tells no more
_NUMBER_MAX = 1e6  # of a weight: layers of these, fed with clipped inputs, stay far from overflow
_SCALE_MIN = 1e-9
_WIDTH_MAX = 256
_LAYERS_MAX = 4  # hidden ones


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """One outcome that is told."""

    name: str  # of ``HEADS``
    kind: Literal["logit", "count"]
    days: int  # the horizon; of a count its most
    slope: float = 1.0  # Platt's a, over 0
    shift: float = 0.0  # Platt's b


class Layer(Struct, frozen=True, forbid_unknown_fields=True):
    """``weight @ x + bias``."""

    weight: list[list[float]]  # (outputs, inputs)
    bias: list[float]  # (outputs,)


class Origin(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was made of; for people, and for the model card."""

    source: str = ""
    licence: str = ""
    fingerprint: str = ""  # SHA-256 of the log's rows
    first_at: int = 0  # ms
    last_at: int = 0  # ms
    split_at: int = 0  # ms; what came later was never seen in training
    rows: int = 0
    players: int = 0
    seed: int = 0
    metrics: dict[str, dict[str, float]] = {}  # by head, on what came after the split


class Artefact(Struct, frozen=True, forbid_unknown_fields=True):
    """A model as it is stored: JSON, with the SHA-256 of itself.

    ``low`` and ``high`` bound what the training rows had of each feature; ``mean`` and ``scale`` standardise it.
    """

    format: int
    name: str  # churn
    names: list[str]  # of the features it reads, in order: ``ml.features.NAMES``, or fewer
    mean: list[float]
    scale: list[float]  # over 0
    low: list[float]
    high: list[float]
    layers: list[Layer]  # hidden ones, then the heads' own
    heads: list[Head]
    evidence: str  # the feature that counts active days
    trust: float = 1.0
    origin: Origin = Origin()
    checksum: str = ""
    # What was added later is not written where it is not set, so that the checksum of an older file stays true.
    lifetime: Lifetime | UnsetType = UNSET
    known: Reference | UnsetType = UNSET  # what features and scores looked like when it was trained, to see them drift


class Scores(Struct, frozen=True, gc=False):
    """What a model tells of one player at one time."""

    values: dict[
        str, float
    ]  # by head, ``churn`` (that of the horizon asked for), and of who paid those of ``lifetime``
    confidence: float  # 0..1
    why: Drivers | Callable[[], Drivers]

    @property
    def drivers(self) -> Drivers:
        """Features, and their effect on the log-odds of churn. Worked out when asked for: a third of the work."""
        return self.why() if callable(self.why) else self.why


class Model:
    """A model, ready to score.

    Args:
        artefact: A checked one (``load``).
        version: Its number in the store; 0 is the one that ships with the package.
    """

    def __init__(self, artefact: Artefact, version: int = 0) -> None:
        self.artefact = artefact
        self.version = version
        self.heads = tuple(head.name for head in artefact.heads)
        self._mean = np.array(artefact.mean)  # (F,)
        self._inverse = 1.0 / np.array(artefact.scale)  # (F,)
        self._weights = [np.array(layer.weight) for layer in artefact.layers]  # (outputs, inputs) each
        self._biases = [np.array(layer.bias) for layer in artefact.layers]
        self._slopes = np.array([head.slope for head in artefact.heads])  # (H,)
        self._shifts = np.array([head.shift for head in artefact.heads])  # (H,)
        self._sloped = self._slopes[:, None] * self._weights[-1]  # (H, inputs), calibrated
        self._levels = self._slopes * self._biases[-1] + self._shifts  # (H,)
        self._evidence = NAMES.index(artefact.evidence)
        # A model of an earlier release reads fewer numbers than there are now; None: all of them, as they come.
        places = [NAMES.index(name) for name in artefact.names]
        self._places = None if places == list(range(len(NAMES))) else np.array(places)
        layers = [*zip(self._weights[:-1], self._biases[:-1], strict=True), (self._sloped, self._levels)]
        inputs = Inputs(len(NAMES), places, artefact.mean, artefact.scale, _CLIP, artefact.low, artefact.high)
        self._forward = Forward(layers, inputs)
        self._churns = sorted(
            (head.days, at) for at, head in enumerate(artefact.heads) if head.name.startswith("churn_")
        )
        self._longer = [(self.heads[near], self.heads[far]) for (_, near), (_, far) in pairwise(self._churns)]
        self._kinds = [(head.name, head.days if head.kind == "count" else 0) for head in artefact.heads]
        self._nearest: dict[int, int] = {}  # by the horizon asked for
        self._lifetime = artefact.lifetime or None

    def score(self, vector: Sequence[float], horizon_days: int = CHURN_DAYS) -> Scores:
        """Score one player.

        Args:
            vector: As ``ml.features.vector`` makes it.
            horizon_days: Of ``churn``. A model without that head takes the one with the nearest, as a ratio.
        """
        passed = self._forward.run(vector)
        values: dict[str, float] = {}
        for (name, days), o in zip(self._kinds, passed.outputs, strict=True):
            told = min(days, exp(min(o, 50.0))) if days else 1.0 / (1.0 + exp(-o)) if o > -50.0 else 0.0
            values[name] = _rounded(told)
        for near, far in self._longer:  # who is away for 28 days was away for 7
            if values[near] < values[far]:
                values[far] = values[near]
        churn = self.churn_head(horizon_days)
        values["churn"] = values[self.heads[churn]]
        if self._lifetime is not None:
            values |= lifetime.told(self._lifetime, vector)
        return Scores(values, self._sure(passed), partial(self._drivers, passed, churn))

    def predict(self, rows: Floats) -> Floats:
        """Return what the heads tell of many rows at once, for judging a model; not rounded.

        Args:
            rows: (N, all features) feature vectors.

        Returns:
            (N, H) probabilities, and days of a count.
        """
        outputs = self.outputs(rows) * self._slopes + self._shifts  # (N, H)
        told: Floats = np.empty_like(outputs)
        for at, head in enumerate(self.artefact.heads):
            o = outputs[:, at]
            if head.kind == "logit":
                told[:, at] = 1.0 / (1.0 + np.exp(-np.clip(o, -50.0, 50.0)))
            else:
                told[:, at] = np.minimum(np.exp(np.minimum(o, 50.0)), head.days)
        for (_, shorter), (_, longer) in pairwise(self._churns):
            told[:, longer] = np.minimum(told[:, shorter], told[:, longer])
        return told

    def outputs(self, rows: Floats) -> Floats:
        """Return the heads' outputs (N, H) before calibration, of (N, all features) feature vectors."""
        told: Floats = np.clip((self._read(rows) - self._mean) * self._inverse, -_CLIP, _CLIP)
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            told = np.maximum(told @ weight.T + bias, 0.0)
        outputs: Floats = told @ self._weights[-1].T + self._biases[-1]
        return outputs

    def churn_head(self, horizon_days: int = CHURN_DAYS) -> int:
        """Return the place of the churn head whose horizon is nearest, as a ratio; the shorter of two as near."""
        found = self._nearest.get(horizon_days)
        if found is None:
            found = min(self._churns, key=lambda churn: (abs(math.log(churn[0] / max(horizon_days, 1))), churn))[1]
            self._nearest[horizon_days] = found
        return found

    def confidence(self, vector: Sequence[float]) -> float:
        """Return how much a score may be relied on, 0..1, of one feature vector."""
        return self._sure(self._forward.run(vector))

    def _read(self, of: Floats) -> Floats:
        """Return the columns that the model reads, (F,) or (N, F), of all features."""
        return of if self._places is None else of[..., self._places]

    def _sure(self, passed: Passed) -> float:
        days = max(0.0, passed.vector.item(self._evidence))
        return _rounded(self.artefact.trust * days / (days + EVIDENCE_DAYS) * self._forward.familiar(passed))

    def _drivers(self, passed: Passed, head: int) -> Drivers:
        found = self._forward.drivers(passed, head, DRIVERS)
        return tuple([(NAMES[at], _rounded(effect)) for at, effect in found if abs(effect) >= 0.00005])


def load(data: bytes, version: int = 0) -> Model:
    """Read a model.

    Raises:
        Invalid: it is no model, it was changed or cut since it was written, or it wants other features than this
            version of the engine computes.
    """
    if len(data) > BYTES_MAX:
        raise Invalid(f"a model has at most {BYTES_MAX:,} bytes, this one has {len(data):,}")
    try:
        artefact = msgspec.json.decode(data, type=Artefact)
    except msgspec.DecodeError as error:  # a ValidationError is one too
        raise Invalid(f"this is no model: {error}") from error
    if artefact.format != FORMAT:
        raise Invalid(f"the model has format {artefact.format}, this engine reads format {FORMAT}")
    if artefact.checksum != checksum(artefact):
        raise Invalid("the model's checksum does not fit its content: it was changed or cut since it was written")
    if difference := _difference(artefact.names):
        raise Invalid(f"the model was made for other features: {difference}; train it again")
    if problem := _problem(artefact):
        raise Invalid(f"the model cannot be used: {problem}")
    return Model(artefact, version)


def dump(artefact: Artefact) -> bytes:
    """Return a model as it is stored, its checksum set. The same model, the same bytes."""
    # As it will be read: a whole number where a float is meant would be written otherwise once it was read.
    artefact = msgspec.json.decode(msgspec.json.encode(artefact), type=Artefact)
    return msgspec.json.encode(structs.replace(artefact, checksum=checksum(artefact))) + b"\n"


def checksum(artefact: Artefact) -> str:
    """Return the SHA-256 of all of a model but its checksum."""
    return hashlib.sha256(msgspec.json.encode(structs.replace(artefact, checksum=""))).hexdigest()


def _rounded(value: float) -> float:
    """Return the value rounded to four places. ``round(value, 4)`` says the same by writing digits and reading them."""
    return round(value * 10_000) / 10_000


def _difference(names: list[str]) -> str:
    """Return in what the features that a model reads are not those there are; "" when it can read them.

    It may lack some: features are added at the end, and a model of an earlier release goes on with those it has.
    """
    if unknown := [name for name in names if name not in NAMES]:
        return f"it wants {', '.join(unknown[:3])}"
    places = [NAMES.index(name) for name in names]
    return "" if places == sorted(set(places)) else "they are in another order"


def _problem(artefact: Artefact) -> str:
    """Return why a well-formed model cannot be computed with, "" when it can."""
    width = len(artefact.names)
    columns: dict[str, list[float]] = {
        "mean": artefact.mean, "scale": artefact.scale, "low": artefact.low, "high": artefact.high
    }  # fmt: skip
    for name, column in columns.items():
        if len(column) != width:
            return f"{name} has {len(column)} numbers for {width} features"
        if not all(map(math.isfinite, column)):
            return f"{name} has a number that is not finite"
    if not all(scale >= _SCALE_MIN for scale in artefact.scale):
        return f"a scale is below {_SCALE_MIN}"
    if artefact.evidence not in artefact.names:
        return f"there is no feature {artefact.evidence!r} to tell the evidence by"
    if not 0 < artefact.trust <= 1:
        return f"trust is over 0 and at most 1, this is {artefact.trust}"
    if artefact.lifetime and (fault := lifetime.problem(artefact.lifetime)):
        return fault
    if artefact.known and (fault := drift.problem(artefact.known)):
        return fault
    return _problem_of_heads(artefact.heads) or _problem_of_layers(artefact.layers, width, len(artefact.heads))


def _problem_of_heads(heads: list[Head]) -> str:
    names = [head.name for head in heads]
    if len(set(names)) != len(names) or not set(names) <= set(HEADS):
        return f"heads are some of {', '.join(HEADS)}, once each; it has {', '.join(names)}"
    if not any(name.startswith("churn_") for name in names):
        return "it has no head for churn"
    for head in heads:
        if head.days < 1 or not 0 < head.slope <= _NUMBER_MAX or not abs(head.shift) <= _NUMBER_MAX:
            return f"{head.name} must have a horizon of a day or more, a slope over 0, and both numbers below a million"
    return ""


def _problem_of_layers(layers: list[Layer], width: int, heads: int) -> str:
    if not 1 <= len(layers) <= _LAYERS_MAX + 1:
        return f"it has {len(layers)} layers, 1 to {_LAYERS_MAX + 1} were expected"
    for at, layer in enumerate(layers):
        outputs = heads if layer is layers[-1] else len(layer.bias)
        if outputs > _WIDTH_MAX or len(layer.bias) != outputs or len(layer.weight) != outputs:
            return f"layer {at} has {len(layer.weight)} rows of weights and {len(layer.bias)} biases"
        if any(len(row) != width for row in layer.weight):
            return f"layer {at} takes other than {width} inputs"
        if not all(abs(number) <= _NUMBER_MAX for row in (*layer.weight, layer.bias) for number in row):
            return f"layer {at} has a number beyond {_NUMBER_MAX:,.0f}"
        width = outputs
    return ""


def describe(model: Model) -> dict[str, Any]:
    """Return what the API shows of a model: all but its numbers."""
    artefact = model.artefact
    return {
        "name": artefact.name,
        "version": model.version,
        "checksum": artefact.checksum,
        "heads": [{"name": head.name, "kind": head.kind, "days": head.days} for head in artefact.heads],
        "features": artefact.names,
        "trust": artefact.trust,
        "lifetime": list(lifetime.NAMES_TOLD) if artefact.lifetime else [],
        "origin": msgspec.to_builtins(artefact.origin),
    }
