"""What a player writes sets their mood, when it is clear and the platform has said none itself."""

from typing import Any

import pytest

from crm.tower.airspace import Airspace, with_fact
from domain.entries import Fact

from .ears import DAY, HOUR, MINUTE, NOON, Ears, rules

HOLD: dict[str, Any] = {"when": "negative_mood", "purposes": ["promo"], "for_s": 3600}
MOODY = rules(holds=[HOLD])
ANGRY = {
    "en": "You stole my winnings, thieves! This is disgusting, nobody answers me",
    "uk": "Де мої гроші?! Третій день не можу вивести, ви шахраї!",
    "ru": "Где мои деньги?! Третий день не могу вывести, вы мошенники!",
}
PLEASED = {
    "en": "Thank you so much, great support, everything works now",
    "uk": "Щиро дякую, чудова підтримка, все працює",
    "ru": "Большое спасибо, отличная поддержка, всё работает",
}
ASKING = {
    "en": "How do I change my email address?",
    "uk": "Як змінити номер телефону?",
    "ru": "Как изменить номер телефона?",
}


def case_of(player: Ears) -> dict[str, Any]:
    found: dict[str, Any] = player.air["support_case"]
    return found


@pytest.mark.parametrize("language", ANGRY)
@pytest.mark.parametrize("name", ["text", "message", "comment", "body"])
def test_an_angry_message_makes_the_case_s_mood_negative(language: str, name: str) -> None:
    ann = Ears()
    ann.event("support_case_opened", case_id="c1", **{name: ANGRY[language]})
    assert case_of(ann) == {"open": True, "since": NOON, "cases": ["c1"], "mood": "negative", "mood_at": NOON}
    tone = ann.air["tone"]
    assert (tone["mood"], tone["at"], tone["language"]) == ("negative", NOON, language)
    assert 0.6 < tone["confidence"] <= 1
    assert tone["polarity"] < -0.5


@pytest.mark.parametrize("language", PLEASED)
def test_a_later_message_of_the_case_is_heard_and_a_pleased_one_ends_it(language: str) -> None:
    ann = Ears(MOODY)
    ann.event("support_case_opened", case_id="c1")
    assert "mood" not in case_of(ann)
    ann.now += MINUTE
    ann.event("support_message_sent", text=ANGRY[language])
    assert (case_of(ann)["mood"], case_of(ann)["mood_at"]) == ("negative", NOON + MINUTE)
    assert ann.air["context:negative_mood"]["open"]
    ann.now += MINUTE
    ann.event("support_message_sent", text=PLEASED[language])
    assert (case_of(ann)["mood"], case_of(ann)["mood_at"]) == ("positive", NOON + 2 * MINUTE)
    assert not ann.air["context:negative_mood"]["open"]


@pytest.mark.parametrize("text", [*ASKING.values(), "", "  ", "🎲", "12345", 7, None, ["angry"], "x" * 5000])
def test_what_is_not_clear_changes_nothing(text: Any) -> None:
    ann = Ears(MOODY)
    ann.event("support_case_opened", case_id="c1", text=text)
    assert case_of(ann) == {"open": True, "since": NOON, "cases": ["c1"]}
    assert not {"tone", "context:negative_mood"} & set(ann.air)


@pytest.mark.parametrize(
    ("said", "mood"),
    [
        pytest.param({"mood": "positive"}, "positive", id="in a word"),
        pytest.param({"sentiment": 0.3}, "positive", id="as a number"),
        pytest.param({"sentiment": 0}, None, id="neither"),
        pytest.param({"mood": ""}, "negative", id="nothing is said"),
    ],
)
def test_what_the_platform_says_goes_before_what_is_read(said: dict[str, Any], mood: str | None) -> None:
    ann = Ears()
    ann.event("support_case_opened", case_id="c1", text=ANGRY["uk"], **said)
    assert case_of(ann).get("mood") == mood


@pytest.mark.parametrize(
    ("said", "tone"),
    [
        pytest.param({"mood": "angry"}, ("negative", -1.0), id="in a word"),
        pytest.param({"sentiment": 0.3}, ("positive", 0.3), id="as a number"),
        pytest.param({"sentiment": 40}, ("positive", 1.0), id="of another scale"),
        pytest.param({"sentiment": 0}, ("neutral", 0.0), id="neither"),
        pytest.param({"mood": "neutral"}, ("neutral", 0.0), id="neither, in a word"),
    ],
)
def test_what_the_platform_says_is_the_tone(said: dict[str, Any], tone: tuple[str, float]) -> None:
    ann = Ears()
    ann.event("comment_left", text=PLEASED["uk"])
    ann.now += MINUTE
    ann.event("comment_left", text=ANGRY["uk"], **said)
    found = ann.air["tone"]
    assert (found["mood"], found["polarity"], found["by"], found["at"]) == (*tone, "platform", NOON + MINUTE)


@pytest.mark.parametrize(
    "name", ["comment_left", "complaint_opened", "feedback_given", "review_left", "support_case_updated"]
)
def test_without_an_open_case_the_built_in_context_begins(name: str) -> None:
    ann = Ears(MOODY)
    ann.event(name, text=ANGRY["uk"])
    assert ann.air["context:negative_mood"] == {"open": True, "since": NOON, "until": NOON + DAY}
    assert "support_case" not in ann.air


def test_a_policy_that_does_not_name_the_mood_begins_no_context() -> None:
    ann = Ears()
    ann.event("comment_left", text=ANGRY["uk"])
    assert "context:negative_mood" not in ann.air
    assert ann.air["tone"]["mood"] == "negative"


def test_an_operator_s_own_context_is_theirs() -> None:
    own = {"begins": {"event": "mood_changed"}, "lasts_s": 60}
    ann = Ears(rules(holds=[HOLD], contexts={"negative_mood": own}))
    ann.event("comment_left", text=ANGRY["uk"])
    assert "context:negative_mood" not in ann.air


def test_only_what_is_said_to_the_operator_is_read() -> None:
    ann = Ears(MOODY)
    ann.event("chat_message_sent", text=ANGRY["uk"])
    ann.event("bet_placed", comment=ANGRY["en"])
    assert not ann.air


def test_an_answer_to_a_message_is_read_and_stop_is_no_mood() -> None:
    ann = Ears(MOODY)
    ann.message("replied", text="stop messages")
    assert "tone" not in ann.air
    ann.message("replied", text=ANGRY["ru"])
    assert ann.air["tone"]["mood"] == "negative"
    assert ann.air["context:negative_mood"]["open"]


def test_a_message_that_comes_late_does_not_change_what_was_said_since() -> None:
    ann = Ears()
    ann.event("support_case_opened", case_id="c1", text=PLEASED["uk"])
    ann.event("support_message_sent", text=ANGRY["uk"], at=NOON - HOUR)
    assert case_of(ann)["mood"] == "positive"
    assert ann.air["tone"]["at"] == NOON


def test_what_the_platform_said_since_stands_against_a_message_that_comes_late() -> None:
    ann = Ears()
    ann.event("support_case_opened", case_id="c1", mood="positive")
    ann.event("support_message_sent", text=ANGRY["uk"], at=NOON - HOUR)
    assert (case_of(ann)["mood"], case_of(ann)["mood_at"]) == ("positive", NOON)
    ann.event("support_case_opened", case_id="c2", mood="angry", at=NOON - HOUR)
    assert case_of(ann)["mood"] == "positive"


def test_a_message_heard_twice_tells_nothing_new() -> None:
    ann = Ears(MOODY)
    ann.event("support_case_opened", case_id="c1", text=ANGRY["uk"])
    before = ann.air
    assert ann.event("support_case_opened", case_id="c1", text=ANGRY["uk"], at=NOON).facts == {}
    assert ann.air == before


def test_a_case_that_is_solved_forgets_its_mood_and_one_of_two_does_not() -> None:
    ann = Ears()
    ann.event("support_case_opened", case_id="c1", text=ANGRY["uk"])
    ann.event("support_case_opened", case_id="c2")
    ann.event("support_case_solved", case_id="c2")
    assert case_of(ann)["mood_at"] == NOON
    ann.event("support_case_solved", case_id="c1")
    assert case_of(ann) == {"open": False, "since": 0, "cases": []}


@pytest.mark.parametrize("mine", ["negative", "positive", ""])
@pytest.mark.parametrize("theirs", ["negative", "positive", ""])
def test_of_two_profiles_the_upset_one_stands(mine: str, theirs: str) -> None:
    ann, guest = Ears(), Ears()
    ann.event("support_case_opened", case_id="a", mood=mine)
    ann.now = guest.now = NOON + MINUTE
    guest.event("support_case_opened", case_id="b", mood=theirs)
    ann.joins(guest)
    found = case_of(ann)
    stands = "negative" if "negative" in (mine, theirs) else mine or theirs
    assert found.get("mood", "") == stands
    if stands:
        assert found["mood_at"] == (NOON + MINUTE if theirs == stands else NOON)


def test_of_two_profiles_tones_the_later_stands() -> None:
    ann, guest = Ears(), Ears()
    ann.event("comment_left", text=PLEASED["uk"])
    guest.now += MINUTE
    guest.event("comment_left", text=ANGRY["uk"])
    ann.joins(guest)
    assert ann.air["tone"]["mood"] == "negative"


def test_the_tower_takes_the_mood_with_its_age_and_leaves_the_tone() -> None:
    ann = Ears()
    heard = ann.event("support_case_opened", case_id="c1", text=ANGRY["uk"])
    airspace = Airspace("ann")
    for name, value in heard.facts.items():
        airspace = with_fact(airspace, Fact("ann", name, value, NOON))
    assert (airspace.facts.mood, airspace.facts.mood_at) == ("negative", NOON)
