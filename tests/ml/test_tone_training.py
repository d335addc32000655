"""How tone is trained and judged: nothing it is judged on is trained on, and the same texts make the same bytes."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra train is not installed")

from ml.evaluation.tone import as_json, as_text, judge, judge_folder, macro_f1
from ml.tone import shipped, tone_of
from ml.tone.weights import dump, load
from ml.training.tone import card, sources_of, train
from ml.training.tone_sets import SOURCES, Line, fingerprint, path_of, read_sets

NOWHERE = Path("/nowhere")


@pytest.fixture(scope="module")
def own() -> list[Line]:
    """Return the lines that are part of the package: those that are trained on, and those that are not."""
    return read_sets(NOWHERE)


def test_what_is_judged_on_is_never_trained_on(own: list[Line]) -> None:
    texts = [" ".join(line.text.casefold().split()) for line in own]
    assert len(set(texts)) == len(texts)
    assert {line.source for line in own if line.held_out} == {"support lines"}
    assert {line.language for line in own if line.held_out} == {"en", "uk", "ru"}
    with pytest.raises(AssertionError, match="trained on"):
        judge([line for line in own if not line.held_out])


def test_sets_are_read_whatever_their_columns(tmp_path: Path) -> None:
    files = {
        "sentiment_en_uci/sentences.csv": 'source,label,text\namazon,1,Works well\nimdb,0,"Bad, \u2028and\nlong"\n',
        "sentiment_uk_gurbich/manual.csv": ",text,labels\n0,Чудовий ранок,1\n1,works WELL,0\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    packed = tmp_path / "sentiment_en_uci/sentences.csv.gz"
    packed.write_bytes(gzip.compress(files["sentiment_en_uci/sentences.csv"].encode()))
    found = {line.text: line for line in read_sets(tmp_path) if line.source in ("en reviews", "uk by hand")}
    assert set(found) == {"Bad, \u2028and\nlong", "Чудовий ранок", "works WELL"}, "of two alike the external one stays"
    assert (found["Чудовий ранок"].mood, found["Чудовий ранок"].held_out) == (1, True)
    assert (found["Bad, \u2028and\nlong"].mood, found["Bad, \u2028and\nlong"].language) == (-1, "en")


def test_training_on_lines_of_our_own_reads_those_and_makes_the_same_bytes(own: list[Line]) -> None:
    first = train(own, sources_of(own, NOWHERE))
    assert dump(train(own, sources_of(own, NOWHERE))) == dump(first)
    weights = load(dump(first))
    trained = [line for line in own if not line.held_out and line.mood]
    right = [(tone_of(line.text, weights=weights).polarity > 0) is (line.mood > 0) for line in trained]
    assert np.mean(right) > 0.97
    assert "own lines" in card(weights)
    assert "OpenSentimentCorpus" not in "".join(str(one) for one in weights.head.trained_on)


def test_labels_turned_round_turn_the_mood_round(own: list[Line]) -> None:
    """What is learnt is the label, not that a text is long or shouted."""
    turned = [Line(line.text, -line.mood, line.language, line.source, line.held_out) for line in own]
    weights = train(turned, {})
    assert tone_of("Ви шахраї, поверніть гроші", weights=weights).pleased > 0.5
    assert tone_of("Ви шахраї, поверніть гроші").angry > 0.5


def test_the_shipped_weights_read_the_support_lines() -> None:
    """The floor is well below what was measured (docs/tone.md): it catches weights that learnt nothing."""
    rows = [row for row in judge_folder(None) if row.name == "support lines"]
    assert [row.language for row in rows] == ["en", "uk", "ru"]
    for row in rows:
        assert row.polar_majority == pytest.approx(0.6)
        assert row.polar_accuracy >= 0.78
        assert row.accuracy - row.majority >= 0.15
        assert row.angry_right >= 0.85, "what holds promotions is rarely wrong"
        assert row.angry_found >= 0.3
        assert row.language_right >= 0.97


def test_the_card_names_every_set_that_was_trained_on() -> None:
    trained = shipped().head.trained_on
    assert {source.name for source in SOURCES if not source.external} == set(trained)
    own_lines = next(source for source in SOURCES if source.name == "own lines")
    assert trained["own lines"]["sha256"] == fingerprint(path_of(own_lines, NOWHERE)), "train again: the lines changed"


def test_macro_f1_is_the_mean_over_the_classes_that_are_there() -> None:
    truth, told = np.array([-1, -1, 1, 1]), np.array([-1, 0, 1, 1])
    assert macro_f1(truth, told) == pytest.approx((2 / 3 + 1) / 2)
    assert macro_f1(truth, truth) == 1


def test_the_table_has_a_line_a_row_and_accuracy_its_constant() -> None:
    rows = judge_folder(None, 20)
    head, *lines = as_text(rows)
    assert len(rows) == 6
    for row, line in zip(rows, lines, strict=False):
        assert line.startswith(row.name)
        assert "(.600)" in line
        assert "(.429)" in line
        assert len(line) <= len(head)
    assert "support lines* en" in lines[0]
    assert "nan" not in "".join(lines)


def test_rows_are_plain_values_and_what_was_not_counted_is_none(own: list[Line]) -> None:
    rows = judge([line for line in own if line.held_out], 20)
    first = as_json(rows)[0]
    assert (first["texts"], first["polar_texts"], first["external"]) == (35, 25, True)
    assert first["f1_interval"]["low"] <= first["f1"] <= first["f1_interval"]["high"]
    silent = judge([Line("ok", -1, "en", "support lines", True)], 20)
    assert as_json(silent)[0]["angry_right"] is None
    json.dumps(as_json(rows + silent), allow_nan=False)
