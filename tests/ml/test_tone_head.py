"""The head that reads tone by sentence embeddings: what it is trained on, what it says, and how it is judged."""

import numpy as np
import pytest

from ml.evaluation import tone
from ml.tone import Tone
from ml.tone.embedded import SIZE
from ml.training.tone_head import chosen, train
from ml.training.tone_sets import Line

RNG = np.random.default_rng(5)
MOODS = RNG.integers(-1, 2, 300)
LINES = [Line(f"text {n}", int(mood), "en", "en reviews", n % 4 == 0) for n, mood in enumerate(MOODS)]


def vectors(lines: list[Line]) -> np.ndarray:
    """Return made-up embeddings in which the mood is the first number, with some noise in all of them."""
    found = RNG.normal(0, 0.05, (len(lines), SIZE))
    found[:, 0] += [line.mood for line in lines]
    return found


def test_what_the_numbers_show_is_learnt_and_the_middle_says_nothing() -> None:
    head = train(LINES, vectors(LINES), {"made up": {}}, "none 0")
    for mood, word in ((-1.0, "negative"), (1.0, "positive")):
        said = head.judged([mood, *[0.0] * (SIZE - 1)])
        assert (said["mood"], said["model"]) == (word, "none 0")
        assert said["confidence"] > 0.8
    assert head.judged([0.0] * SIZE) == {}
    assert 0.5 <= head.negative_min <= 0.95


def test_the_same_texts_give_the_same_head() -> None:
    numbers = vectors(LINES)
    assert train(LINES, numbers, {}, "none 0") == train(LINES, numbers, {}, "none 0")


def test_of_a_public_set_a_few_are_trained_on_of_ours_all_and_none_that_is_held_out() -> None:
    own = [Line(f"own {n}", -1, "uk", "own lines", False) for n in range(30)]
    press = [Line(f"press {n}", 0, "ru", "ru press", True) for n in range(30)]
    kept = chosen([*LINES, *press, *own], 20)
    assert [line.source for line in kept] == ["en reviews"] * 20 + ["own lines"] * 30
    assert not any(line.held_out for line in kept)
    again = chosen([*own, *LINES[::-1], *press], 20)
    assert again == kept, "whatever their order"


@pytest.mark.parametrize(("mood", "f1"), [("negative", 0.5), ("", 0.0)])
def test_another_reader_is_judged_by_the_same_rows(mood: str, f1: float) -> None:
    held = [line for line in LINES if line.held_out and line.mood == -1]
    held += [Line(f"pleased {n}", 1, "en", "en reviews", True) for n in range(len(held))]

    def read(_: str) -> Tone:
        return Tone("en", mood, 0.9, 0.9, 0.1, 1)

    row = tone.judge(held, 20, read=read)[0]
    assert row.said == (1.0 if mood else 0.0)
    assert row.angry_found == (1.0 if mood else 0.0)
    assert row.f1 == pytest.approx(f1 * 2 / 3 if mood else 0.0)
