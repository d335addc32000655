"""How a text is read: its language, its mood, the middle in which nothing is said, and the file of weights."""

import hashlib
import sys
import time
from pathlib import Path
from subprocess import run

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml.tone import LANGUAGES, DamagedWeights, shipped, tone_of
from ml.tone.reading import BITS, CHARS_MAX, LETTER_BITS, buckets, letters, once, read, runs_of
from ml.tone.weights import SHIPPED, Weights, dump, load

ANY_TEXT = st.text(max_size=1000) | st.text(st.characters(codec=None), max_size=50)  # lone surrogates, too


@pytest.mark.parametrize(
    ("text", "language", "mood"),
    [
        ("Where is my money, you thieves? Worst casino ever", "en", "negative"),
        ("Thank you, great support!", "en", "positive"),
        ("How do I change my password?", "en", ""),
        ("Ви вкрали мої гроші, негайно поверніть!", "uk", "negative"),
        ("Щиро дякую, все чудово!", "uk", "positive"),
        ("Як змінити пароль?", "uk", ""),
        ("Вы украли мои деньги, немедленно верните!", "ru", "negative"),
        ("Большое спасибо, все отлично!", "ru", "positive"),
        ("Как изменить пароль?", "ru", ""),
    ],
)
def test_a_text_has_a_language_and_a_mood_or_none(text: str, language: str, mood: str) -> None:
    tone = tone_of(text)
    assert (tone.language, tone.mood) == (language, mood)
    assert 0.5 <= tone.confidence <= 1
    assert (tone.polarity > 0) is (tone.mood == "positive") or not tone.mood


@pytest.mark.parametrize(
    ("text", "locale", "language"),
    [
        pytest.param("", "uk-UA", "", id="nothing"),
        pytest.param(" \n\t ", "uk-UA", "", id="only spaces"),
        pytest.param("🎲🎲", "uk-UA", "uk", id="signs are of the player's language"),
        pytest.param("🎲🎲", "", "", id="signs of nobody's"),
        pytest.param("何だこれは", "en", "", id="another script"),
        pytest.param("Wo ist mein verdammtes Geld", "de-DE", "", id="another language in Latin letters"),
        pytest.param("where is the money that you owe me", "de-DE", "en", id="English, wherever the player is"),
        pytest.param("gdzie są moje pieniądze, czekam już trzy dni na wypłatę", "", "", id="long, and no English word"),
        pytest.param("привіт", "ru-RU", "uk", id="a letter decides against the locale"),
        pytest.param("где", "uk-UA", "ru", id="a word decides against the locale"),
    ],
)
def test_which_language_a_text_is_in(text: str, locale: str, language: str) -> None:
    assert tone_of(text, locale).language == language


def test_the_locale_decides_what_letters_leave_open() -> None:
    open_word = "бонус"
    assert tone_of(open_word, "uk-UA").language == "uk"
    assert tone_of(open_word, "ru-RU").language == "ru"


def test_of_another_language_nothing_is_said() -> None:
    for text in ("最悪のカジノ", "Das ist Betrug, ihr Diebe! Schämt euch, ich will mein Geld"):
        tone = tone_of(text, "de")
        assert (tone.mood, tone.confidence, tone.angry) == ("", 0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Де мої гроші?", "ДЕ МОЇ ГРОШІ?", id="small capitals are no shouting"),
        pytest.param("soooo bad", "sooooooooo bad", id="a letter held down"),
        pytest.param("waiting 3 days", "waiting 12 days", id="numbers"),
        pytest.param("п\u2019ять зірок", "п'ять зірок", id="apostrophes"),
        pytest.param("всё плохо", "все плохо", id="ё"),
        pytest.param("see https://example.com/a now", "see http://example.org/b?c now", id="addresses"),
        pytest.param("👎", "👎🏿", id="skins"),
    ],
)
def test_what_says_nothing_is_not_read(one: str, other: str) -> None:
    assert read(one).plain == read(other).plain


def test_shouting_is_heard() -> None:
    assert read("DE MOYI HROSHI").shouted
    assert not read("Where is it? WHERE").shouted
    assert not read("OK").shouted
    loud, calm = (read(text) for text in ("Я ЧЕКАЮ ТИЖДЕНЬ", "я чекаю тиждень"))
    assert loud.plain == calm.plain
    assert len(buckets(loud, runs_of(loud))) == len(buckets(calm, runs_of(calm))) + 1


def test_a_long_letter_is_read_at_both_ends() -> None:
    middle = "this is what happened then, and after that it went on. " * 40
    assert (
        tone_of("Terrible, you are thieves and I hate you! " + middle + " Disgusting service, awful!").mood
        == "negative"
    )
    assert len(read("x y " * 10_000).plain) <= CHARS_MAX + 3


@given(text=ANY_TEXT, locale=st.sampled_from(("", "uk-UA", "ru", "en-GB", "pt-BR", "??")))
@example("\ufdfa" * 500, "")  # one sign that becomes eighteen
@example("\ud800", "uk")
@example("a\x00b", "")
@example("é" * 600, "")
def test_any_text_is_read_the_same_each_time(text: str, locale: str) -> None:
    tone = tone_of(text, locale)
    assert tone == tone_of(text, locale)
    assert tone.language in ("", *LANGUAGES)
    assert all(0 <= value <= 1 for value in (tone.confidence, tone.angry, tone.pleased))
    assert -1 <= tone.polarity <= 1
    assert not tone.mood or tone.language


@given(text=ANY_TEXT)
def test_buckets_are_in_order_once_and_within_the_table(text: str) -> None:
    what = read(text)
    runs = runs_of(what)
    for found, bits in ((buckets(what, runs), BITS), (letters(runs), LETTER_BITS)):
        assert found.dtype == np.int64
        assert (np.diff(found) > 0).all()
        assert not len(found) or (found[0] >= 0 and found[-1] < 1 << bits)


@given(numbers=st.lists(st.integers(0, 50)))
def test_once_is_numpy_s_unique(numbers: list[int]) -> None:
    assert np.array_equal(once(np.array(numbers, np.int64)), np.unique(np.array(numbers, np.int64)))


def test_reading_is_what_the_weights_were_trained_on() -> None:
    """Bytes kept from format 1: if they differ, weights read another text than they learnt."""
    text = read("Де мої гроші?! I'm waiting 3 days… ЖАХ 👎🏻 https://example.com")
    found = buckets(text, runs_of(text))
    assert text.plain == " де мої гроші?! i'm waiting 0 days.. жах 👎 "
    assert hashlib.sha256(found.astype("<i8").tobytes()).hexdigest()[:16] == "18aa00e718c95907"


def test_the_shipped_file_is_whole_small_and_says_what_it_is_made_of() -> None:
    data = (SHIPPED / "tone.weights").read_bytes()
    assert len(data) < 1 << 20
    assert dump(load(data)) == data
    head = shipped().head
    card = (SHIPPED / "SOURCE.md").read_text(encoding="utf-8")
    for name, source in head.trained_on.items():
        assert name in card
        assert source["terms"] in card
        assert source["sha256"] in card
    assert 0.5 <= head.positive_min < 1
    assert 0.5 <= head.negative_min < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: b"", "expected a file of tone weights", id="nothing"),
        pytest.param(lambda data: data[:-20], "tone weights|checksum", id="cut off"),
        pytest.param(
            lambda data: data.replace(b'"bias":', b'"bias";', 1), "expected a file of tone weights", id="a bad head"
        ),
        pytest.param(
            lambda data: data.replace(b'"format":1', b'"format":9'), "format 1, got 9", id="read in another way"
        ),
        pytest.param(
            lambda data: data.replace(load(data).head.checksum[:8].encode(), b"00000000"), "checksum", id="other bytes"
        ),
    ],
)
def test_a_damaged_file_is_refused(change: object, message: str) -> None:
    data = (SHIPPED / "tone.weights").read_bytes()
    with pytest.raises(DamagedWeights, match=message):
        load(change(data))  # type: ignore[operator]


def test_a_table_of_another_size_is_refused() -> None:
    with pytest.raises(DamagedWeights, match="expected 540672 weights"):
        Weights(shipped().head, np.zeros(7, np.int8))


def test_thresholds_open_the_middle() -> None:
    text = "Ви вкрали мої гроші, негайно поверніть!"
    weights = shipped()
    deaf = Weights(msgspec.structs.replace(weights.head, negative_min=1.0), weights.tables)
    assert tone_of(text).mood == "negative"
    assert tone_of(text, weights=deaf).mood == ""
    assert tone_of(text, weights=deaf).angry == tone_of(text).angry


def test_a_comment_is_read_in_time() -> None:
    """300 us is the bound on a machine that does nothing else; ten times that is a mistake, not a slow machine."""
    text = "Де мої гроші?! Третій день не можу вивести виграш, підтримка мовчить. Бонус згорів. Поверніть, шахраї!"
    tone_of(text)
    spent = []
    for _ in range(50):
        begun = time.perf_counter()
        tone_of(text, "uk-UA")
        spent.append(time.perf_counter() - begun)
    assert min(spent) < 0.003


def test_reading_needs_nothing_that_training_needs() -> None:
    code = "import sys, ml.tone; ml.tone.tone_of('дякую'); print(*({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert done.stdout.strip() == ""
