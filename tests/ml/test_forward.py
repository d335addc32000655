"""The net's arithmetic says what the textbook's does: layer by layer, and slopes by trying."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.forward import Floats, Forward, Inputs, Layers

WIDTH, CLIP = 7, 8.0
VECTORS = st.lists(st.floats(-1e6, 1e6), min_size=WIDTH, max_size=WIDTH).map(tuple)
SIZES = st.lists(st.integers(1, 9), max_size=3)
SEEDS = st.integers(0, 10_000)


def made(seed: int, hidden: list[int], places: tuple[int, ...] = tuple(range(WIDTH))) -> tuple[Layers, Inputs]:
    """Return drawn layers with 3 outputs, and drawn inputs."""
    rng = np.random.default_rng(seed)
    sizes, count = [len(places), *hidden, 3], len(places)
    layers = [
        (rng.normal(0, 0.5, (outputs, inputs)), rng.normal(0, 0.5, outputs)) for inputs, outputs in pairwise(sizes)
    ]
    mean, scale = rng.normal(0, 2, count).tolist(), rng.uniform(1, 3, count).tolist()
    return layers, Inputs(WIDTH, places, mean, scale, CLIP, [-1.0] * count, [1.0] * count)


def plain(layers: Layers, inputs: Inputs, vector: tuple[float, ...]) -> Floats:
    """Return the outputs as they are written down."""
    told = (np.array(vector)[list(inputs.places)] - inputs.mean) / inputs.scale
    told = np.clip(told, -CLIP, CLIP)
    for weights, bias in layers[:-1]:
        told = np.maximum(weights @ told + bias, 0.0)
    outputs: Floats = layers[-1][0] @ told + layers[-1][1]
    return outputs


@given(SEEDS, SIZES, VECTORS)
def test_it_computes_what_is_written_down(seed: int, hidden: list[int], vector: tuple[float, ...]) -> None:
    layers, inputs = made(seed, hidden)
    assert Forward(layers, inputs).run(vector).outputs == pytest.approx(plain(layers, inputs, vector), abs=1e-9)


@given(SEEDS, SIZES, VECTORS)
def test_what_is_not_read_changes_nothing(seed: int, hidden: list[int], vector: tuple[float, ...]) -> None:
    layers, inputs = made(seed, hidden, (0, 2, 5))
    forward = Forward(layers, inputs)
    other = tuple(value if at in inputs.places else 3.5 for at, value in enumerate(vector))
    told, same = forward.run(vector), forward.run(other)
    assert told.outputs == same.outputs
    assert forward.familiar(told) == forward.familiar(same)
    assert {at for at, effect in forward.drivers(told, 0, 3) if effect} <= set(inputs.places)


@given(SEEDS, SIZES, st.lists(st.floats(-1, 1), min_size=WIDTH, max_size=WIDTH).map(tuple))
def test_a_driver_is_slope_times_distance(seed: int, hidden: list[int], vector: tuple[float, ...]) -> None:
    layers, inputs = made(seed, hidden)
    forward, step = Forward(layers, inputs), 1e-7
    for at, effect in forward.drivers(forward.run(vector), 1, 3):
        moved = [tuple(v + by * (n == at) for n, v in enumerate(vector)) for by in (step, -step)]
        more, less = (plain(layers, inputs, one)[1] for one in moved)
        here = plain(layers, inputs, vector)[1]
        if (more - here) / step == pytest.approx((here - less) / step, abs=1e-4):  # not at a bend
            slope = (more - less) / (2 * step)
            assert effect == pytest.approx(slope * (vector[at] - inputs.mean[at]), abs=1e-3)


@given(SEEDS, SIZES, VECTORS)
def test_the_drivers_are_those_with_the_most_effect(seed: int, hidden: list[int], vector: tuple[float, ...]) -> None:
    layers, inputs = made(seed, hidden)
    forward = Forward(layers, inputs)
    told = forward.run(vector)
    every = forward.drivers(told, 2, WIDTH)
    assert sorted(at for at, effect in every if effect) == sorted({at for at, effect in every if effect})
    assert [abs(effect) for _, effect in every] == sorted((abs(effect) for _, effect in every), reverse=True)
    assert forward.drivers(told, 2, 3) == every[:3]
    assert forward.run(vector).outputs == told.outputs, "asking why changes nothing"


def test_of_effects_alike_the_first_comes_first() -> None:
    inputs = Inputs(4, (0, 1, 2, 3), [0.0] * 4, [1.0] * 4, CLIP, [0.0] * 4, [1.0] * 4)
    forward = Forward([(np.array([[1.0, 2.0, 2.0, -0.5]]), np.zeros(1))], inputs)
    assert forward.drivers(forward.run((1.0, 1.0, 1.0, 1.0)), 0, 3) == [(1, 2.0), (2, 2.0), (0, 1.0)]


def test_familiar_is_the_share_within_the_bounds_with_the_bounds_themselves() -> None:
    inputs = Inputs(5, (0, 1, 3, 4), [0.0] * 4, [1.0] * 4, CLIP, [0.0, -1.0, 0.0, 2.0], [0.0, 1.0, 5.0, 3.0])
    forward = Forward([(np.ones((1, 4)), np.zeros(1))], inputs)
    assert forward.familiar(forward.run((0.0, 1.0, 99.0, 0.0, 2.5))) == 1.0
    assert forward.familiar(forward.run((0.1, -1.0, 0.0, -0.1, 3.1))) == 0.25
