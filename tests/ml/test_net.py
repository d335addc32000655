"""The outcome net as it is served: what it tells, how sure it is and why, and which files it refuses."""

import math
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.errors import Invalid
from ml import lifetime
from ml.features import NAMES
from ml.lifetime import Lifetime
from ml.net import BYTES_MAX, EVIDENCE_DAYS, HEADS, Artefact, Head, Layer, Model, checksum, describe, dump, load

WIDTH = len(NAMES)
DAYS = NAMES.index("days_28")
PAYS = Lifetime(0.5, 20.0, 0.8, 2.5, 6.0, 3.5, 15.0)
VECTORS = st.lists(st.floats(-1e6, 1e6), min_size=WIDTH, max_size=WIDTH).map(tuple)


def drawn(seed: int = 1, hidden: tuple[int, ...] = (8, 6), **changed: Any) -> Artefact:
    """Return a net with all heads and drawn weights: it means nothing, and computes like any other."""
    rng = np.random.default_rng(seed)
    sizes = (WIDTH, *hidden, len(HEADS))
    layers = [
        Layer(rng.normal(0, 0.4, (outputs, inputs)).tolist(), rng.normal(0, 0.4, outputs).tolist())
        for inputs, outputs in pairwise(sizes)
    ]
    days = (7, 14, 28, 7, 7)
    heads = [
        Head(name, "count" if name == "engagement" else "logit", day, 1.0 + at / 10, -0.1 * at)
        for at, (name, day) in enumerate(zip(HEADS, days, strict=True))
    ]
    made = Artefact(
        format=1, name="churn", names=list(NAMES), mean=rng.normal(0, 1, WIDTH).tolist(),
        scale=rng.uniform(0.5, 2, WIDTH).tolist(), low=[-5.0] * WIDTH, high=[30.0] * WIDTH, layers=layers, heads=heads,
        evidence="days_28",
    )  # fmt: skip
    return structs.replace(made, **changed)


def linear(weights: dict[str, float], **changed: Any) -> Artefact:
    """Return a net without hidden layers, whose one head is a sum of named features."""
    row = [weights.get(name, 0.0) for name in NAMES]
    made = drawn(mean=[0.0] * WIDTH, scale=[1.0] * WIDTH, layers=[Layer([row], [0.0])])
    return structs.replace(made, **{"heads": [Head("churn_14d", "logit", 14)]} | changed)


def vector(**values: float) -> tuple[float, ...]:
    """Return a vector of zeros but for what is named."""
    return tuple(float(values.get(name, 0.0)) for name in NAMES)


def test_a_model_is_read_back_as_it_was_written() -> None:
    data = dump(drawn())
    model = load(data, version=3)
    assert model.version == 3
    assert dump(model.artefact) == data
    assert structs.replace(model.artefact, checksum="") == drawn()


@given(VECTORS)
def test_one_player_is_told_what_a_batch_is_told(row: tuple[float, ...]) -> None:
    model = Model(drawn())
    batch = np.array([[1e6] * WIDTH, row, [0.0] * WIDTH])
    told = dict(zip(model.heads, model.predict(batch)[1].tolist(), strict=True))
    values = model.score(row).values
    assert {name: values[name] for name in HEADS} == {name: pytest.approx(told[name], abs=0.000051) for name in HEADS}


@given(VECTORS)
def test_who_is_away_for_longer_was_away_for_less(row: tuple[float, ...]) -> None:
    values = Model(drawn(seed=4)).score(row).values
    assert 0 <= values["churn_28d"] <= values["churn_14d"] <= values["churn_7d"] <= 1
    assert 0 <= values["engagement"] <= 7


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, 0.0])
def test_no_vector_overflows(value: float) -> None:
    big = [Layer([[1e6] * layer_in for _ in range(layer_out)], [1e6] * layer_out) for layer_in, layer_out in
           ((WIDTH, 8), (8, 8), (8, 8), (8, 8), (8, len(HEADS)))]  # fmt: skip
    model = load(dump(drawn(layers=big, scale=[1e-9] * WIDTH, mean=[0.0] * WIDTH)))
    with np.errstate(over="ignore"):
        told = model.score((value,) * WIDTH)
    assert all(map(math.isfinite, (*told.values.values(), told.confidence, *(effect for _, effect in told.drivers))))


@pytest.mark.parametrize(
    ("asked", "head"),
    [(14, "churn_14d"), (7, "churn_7d"), (1, "churn_7d"), (9, "churn_7d"), (25, "churn_28d"), (365, "churn_28d")],
)
def test_churn_is_the_head_whose_horizon_is_nearest(asked: int, head: str) -> None:
    values = Model(drawn(2)).score(vector(recency=2.0), asked).values
    assert len({values[name] for name in HEADS if name.startswith("churn")}) == 3, "a test that cannot fail"
    assert values["churn"] == values[head]


def test_confidence_grows_with_the_days_a_player_was_there() -> None:
    model = Model(drawn())
    assert model.score(vector(days_28=0)).confidence == 0
    assert model.score(vector(days_28=1)).confidence == 0.25
    assert model.score(vector(days_28=EVIDENCE_DAYS)).confidence == 0.5
    assert model.score(vector(days_28=28)).confidence > 0.9


def test_confidence_is_bounded_by_the_trust_in_the_model() -> None:
    assert Model(drawn(trust=0.4)).score(vector(days_28=28)).confidence == pytest.approx(0.4 * 28 / 31, abs=1e-4)


def test_a_player_unlike_those_of_the_training_is_scored_with_less_confidence() -> None:
    model = Model(drawn(low=[0.0] * WIDTH, high=[28.0 if at == DAYS else 0.0 for at in range(WIDTH)]))
    usual = model.score(vector(days_28=10)).confidence
    better = model.score(vector(days_28=10, staked_28=5, bets_28=3)).confidence
    assert better == pytest.approx(usual * (WIDTH - 2) / WIDTH, abs=1e-4)


def test_drivers_are_the_three_features_that_move_the_score_most() -> None:
    model = Model(linear({"recency": 1.0, "days_7": -0.5, "signals_7": 0.01, "tenure": 0.2}))
    told = model.score(vector(recency=2.0, days_7=6.0, signals_7=1.0, tenure=1.0, games=9.0))
    assert told.drivers == (("days_7", -3.0), ("recency", 2.0), ("tenure", 0.2))


def test_what_is_as_in_the_population_drives_nothing() -> None:
    model = Model(linear({"recency": 1.0, "days_7": -0.5}, mean=list(vector(recency=2.0))))
    assert model.score(vector(recency=2.0, days_7=2.0)).drivers == (("days_7", -1.0),)


def test_a_driver_is_the_slope_of_the_log_odds_times_the_distance_from_the_mean() -> None:
    model, row, step = Model(drawn(seed=7)), np.random.default_rng(2).normal(0, 1, WIDTH), 1e-6
    head = model.heads.index("churn_14d")

    def log_odds(at: int, by: float) -> float:
        moved = row.copy()
        moved[at] += by
        return float(model.outputs(moved[None])[0, head]) * model.artefact.heads[head].slope

    drivers = model.score(tuple(row.tolist())).drivers
    assert len(drivers) == 3
    for name, effect in drivers:
        at = NAMES.index(name)
        slope = (log_odds(at, step) - log_odds(at, -step)) / (2 * step)
        assert effect == pytest.approx(slope * (row[at] - model.artefact.mean[at]), abs=1e-3)


def test_a_model_of_an_earlier_release_goes_on_with_the_features_it_has() -> None:
    """Features are only ever added at the end of ``NAMES``."""
    known = NAMES[:40]
    old = linear({"recency": 1.0, "games": -0.5}, mean=[0.5] * 40, scale=[2.0] * 40, low=[0.0] * 40, high=[9.0] * 40)
    old = structs.replace(old, names=list(known), layers=[Layer([old.layers[0].weight[0][:40]], [0.25])])
    model = load(dump(old))
    row = vector(recency=3.0, games=1.0, days_28=6.0, messages_28=1e9)
    log_odds = (3.0 - 0.5) / 2 - 0.5 * (1.0 - 0.5) / 2 + 0.25
    told = model.score(row)
    assert told.values["churn"] == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=0.0001)
    assert model.predict(np.array([row]))[0].tolist() == [pytest.approx(told.values["churn"], abs=0.0001)]
    assert told.confidence == model.confidence(np.array(row)) == pytest.approx(6 / 9, abs=0.0001), "all is familiar"
    assert {name for name, _ in told.drivers} <= set(known)


def test_of_who_paid_it_tells_when_and_how_much_they_pay_next() -> None:
    model = load(dump(drawn(lifetime=PAYS)))
    paid = vector(buy_days=math.log1p(5), buy_span=math.log1p(28), buy_age=math.log1p(30), buy_mean=math.log1p(20))
    told = model.score(paid).values
    assert told == Model(drawn()).score(paid).values | lifetime.told(PAYS, paid)
    assert told.keys() == {*HEADS, "churn", "ltv_90d", "next_purchase_days"}
    assert model.score(vector()).values.keys() == {*HEADS, "churn"}
    assert describe(model)["lifetime"] == ["next_purchase_days", "ltv_90d"]
    assert describe(Model(drawn()))["lifetime"] == []


def test_a_file_without_what_was_added_later_keeps_its_bytes() -> None:
    """Its checksum was made when there was no such field."""
    assert b"lifetime" not in dump(drawn())
    assert b'"lifetime":{"r":' in dump(drawn(lifetime=PAYS))
    assert load(dump(drawn(lifetime=PAYS))).artefact.lifetime == PAYS


def test_a_changed_file_is_refused() -> None:
    data = dump(drawn())
    at = data.index(b'"mean":[') + len(b'"mean":[') + 3
    digit = b"1" if data[at : at + 1] != b"1" else b"2"
    with pytest.raises(Invalid, match="changed or cut"):
        load(data[:at] + digit + data[at + 1 :])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "no model", id="empty"),
        pytest.param(b"\x80\x04\x95.", "no model", id="a pickle"),
        pytest.param(dump(drawn())[:-40], "no model", id="cut"),
        pytest.param(b'{"format":1}', "no model", id="another document"),
        pytest.param(b" " * (BYTES_MAX + 1), "at most", id="too large"),
        pytest.param(dump(drawn(format=2)), "format 2", id="a later format"),
        pytest.param(dump(drawn(names=[*NAMES[1:], "luck"])), "it wants luck", id="features"),
        pytest.param(dump(drawn(names=[*NAMES[1:], NAMES[0]])), "another order", id="order"),
        pytest.param(dump(drawn(scale=[0.0] * WIDTH)), "scale", id="scale"),
        pytest.param(dump(drawn(low=[0.0])), "low has 1", id="length"),
        pytest.param(dump(drawn(evidence="luck")), "'luck'", id="evidence"),
        pytest.param(dump(drawn(trust=1.5)), "trust", id="trust"),
        pytest.param(dump(drawn(heads=[Head("churn_7d", "logit", 7)])), "rows of weights", id="heads and layer differ"),
        pytest.param(dump(drawn(heads=[Head("luck", "logit", 7)])), "heads are some of", id="head"),
        pytest.param(dump(linear({}, heads=[Head("engagement", "count", 7)])), "no head for churn", id="no churn"),
        pytest.param(dump(linear({}, heads=[Head("churn_7d", "logit", 7, -1.0)])), "slope over 0", id="slope"),
        pytest.param(dump(linear({"recency": 1e7})), "beyond 1,000,000", id="weight"),
        pytest.param(dump(drawn(layers=[])), "0 layers", id="no layers"),
        pytest.param(dump(drawn(lifetime=structs.replace(PAYS, q=0.5))), "q of the lifetime", id="lifetime"),
    ],
)
def test_what_is_no_model_for_this_engine_is_refused_with_the_reason(data: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        load(data)


def test_a_number_beyond_all_floats_is_refused() -> None:
    text = msgspec.json.encode(structs.replace(linear({}), checksum="x")).replace(b'"scale":[1.0', b'"scale":[1e999', 1)
    with pytest.raises(Invalid):
        load(text)


def test_the_checksum_is_of_everything_but_itself() -> None:
    one = drawn()
    assert checksum(one) == checksum(structs.replace(one, checksum="abc"))
    assert checksum(one) != checksum(structs.replace(one, trust=0.9))
