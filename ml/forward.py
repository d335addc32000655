"""The net's arithmetic for one player at a time: what a turn pays for (``ml.net`` says what the numbers mean).

Of arrays of 40 numbers a call costs 1 us and its work next to nothing; a function that was not called for a while costs
3 more. So calls are few and mostly the same ones: biases are columns of the weights (an input that is always 1), the
scale is in the first layer, and a tuple becomes an array by way of its bytes. Arrays are changed in place only where
the call itself has made them, since a model may be asked from several threads.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Layers = Sequence[tuple[Floats, Floats]]  # weights (outputs, inputs) and biases (outputs,)

_array, _maximum, _minimum, _sign, _abs = np.frombuffer, np.maximum, np.minimum, np.sign, np.abs


class Passed:
    """One player's way through the net: what it tells, and what is needed to say why."""

    __slots__ = ("hidden", "inputs", "outputs", "vector")

    def __init__(self, vector: Floats, inputs: Floats, hidden: list[Floats], outputs: list[float]) -> None:
        self.vector = vector  # (W + 1,) as it came; the last is 0
        self.inputs = inputs  # (W + 1,) distances from the mean, clipped; the last is 1
        self.hidden = hidden  # of each hidden layer, after relu; the last of each is 1
        self.outputs = outputs  # (H,) of the last layer


class Inputs(NamedTuple):
    """What the first layer reads of a vector of ``width`` numbers, F of them."""

    width: int
    places: Sequence[int]  # (F,) where in a vector each stands, like all below
    mean: Sequence[float]
    scale: Sequence[float]  # over 0
    clip: float  # of each, how far from the mean it may lie, in ``scale``
    low: Sequence[float]  # what is usual lies between these two
    high: Sequence[float]


class Forward:
    """Relu layers over inputs that are standardised and clipped; the last layer is not cut off at 0."""

    def __init__(self, layers: Layers, inputs: Inputs) -> None:
        scale = np.array(inputs.scale)
        self._pack = struct.Struct(f"{inputs.width + 1}d").pack
        self._mean = _spread(inputs, inputs.mean, 0.0, 0.0)  # (W + 1,)
        self._below = _spread(inputs, -inputs.clip * scale, 0.0, 1.0)  # what is not read is held at 0, the last at 1
        self._above = _spread(inputs, inputs.clip * scale, 0.0, 1.0)
        self._low = _spread(inputs, inputs.low, -np.inf, -np.inf)
        self._high = _spread(inputs, inputs.high, np.inf, np.inf)
        self._read = len(inputs.places)
        self._unread = inputs.width + 1 - self._read
        (first, bias), *rest = layers
        spread = np.zeros((len(first), inputs.width))
        spread[:, list(inputs.places)] = first / scale
        joined = [_joined(spread, bias), *(_joined(*layer) for layer in rest)]  # (outputs, inputs + 1) each
        self._hidden = [_with_one(weights) for weights in joined[:-1]]  # (outputs + 1, inputs + 1) each
        self._zeros = [np.zeros(len(weights)) for weights in self._hidden]
        self._last = joined[-1]
        # Of each output: how the inputs of the last hidden layer move it, by which of its outputs are on.
        self._slopes = [row[:, None] * self._hidden[-1] for row in self._last] if self._hidden else []

    def run(self, vector: Sequence[float]) -> Passed:
        """Take one vector (W,) through all layers."""
        x = _array(self._pack(*vector, 0.0))
        inputs = x - self._mean
        _minimum(_maximum(inputs, self._below, out=inputs), self._above, out=inputs)
        told, hidden = inputs, []
        for weights, zeros in zip(self._hidden, self._zeros, strict=True):
            told = weights.dot(told)  # ``dot`` of so little costs half of what ``@`` does
            _maximum(told, zeros, out=told)
            hidden.append(told)
        return Passed(x, inputs, hidden, self._last.dot(told).tolist())

    def familiar(self, passed: Passed) -> float:
        """Return the share of the inputs that lie between ``low`` and ``high``."""
        within: NDArray[np.bool_] = _minimum(_maximum(passed.vector, self._low), self._high) == passed.vector
        return (within.tobytes().count(1) - self._unread) / self._read

    def drivers(self, passed: Passed, output: int, count: int) -> list[tuple[int, float]]:
        """Return the inputs with the most effect on one output: place in a vector, and slope times distance.

        The strongest first; of those alike the one that comes first.
        """
        if not self._hidden:
            slope = self._last[output]
        else:
            slope = _sign(passed.hidden[-1]).dot(self._slopes[output])  # relu's slope is 1 where something is left
            for weights, told in zip(self._hidden[-2::-1], passed.hidden[-2::-1], strict=True):
                slope = (slope * _sign(told)).dot(weights)
        effects = slope * passed.inputs
        sizes = _abs(effects)
        sizes[-1] = -1.0  # that of the constant
        found = []
        for _ in range(count):  # a sort of all costs more
            at = int(sizes.argmax())
            sizes[at] = -1.0
            found.append((at, effects.item(at)))
        return found


def _spread(inputs: Inputs, values: Sequence[float] | Floats, unread: float, last: float) -> Floats:
    """Return numbers of the inputs at their places in a vector, and one more, (W + 1,)."""
    told = np.full(inputs.width + 1, unread)
    told[list(inputs.places)] = values
    told[-1] = last
    return told


def _joined(weights: Floats, bias: Floats) -> Floats:
    """Return weights and biases as one matrix, for inputs whose last is 1."""
    return np.concatenate((weights, bias[:, None]), axis=1)


def _with_one(weights: Floats) -> Floats:
    """Return the matrix with one output more, which is 1."""
    last = np.zeros((1, weights.shape[1]))
    last[0, -1] = 1.0
    return np.concatenate((weights, last))
