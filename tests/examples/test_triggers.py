"""The classic triggers: each says the right thing at the right time, in the player's language, and else nothing."""

from datetime import datetime
from pathlib import Path

import pytest

from domain.calendar import as_ms
from playtower.programme_files import read_programme
from tests.examples.person import DAY, HOUR, MINUTE, SECOND, Person

TRIGGERS = Path(__file__).parents[2] / "examples" / "triggers"
PROGRAMME = TRIGGERS / "programme"
NOON = as_ms(datetime.fromisoformat("2026-03-02T12:00:00+00:00"))  # a Monday


@pytest.fixture
def person() -> Person:
    return Person(PROGRAMME, NOON)


def titles(person: Person) -> list[str]:
    return [request.content["title"] for _, request in person.requests]


def test_welcome_comes_at_once_in_the_player_s_language_and_once_in_a_life(person: Person) -> None:
    person.is_known(first_name="Оксана", locale="uk-UA")
    person.does("signed_up")
    person.waits(DAY)
    person.does("signed_up")
    assert person.told == [("03-02 12:00:00", "welcome")]
    assert titles(person) == ["Вітаємо, Оксана!"]


def test_the_first_order_is_thanked_for_by_its_number_and_the_second_is_not(person: Person) -> None:
    person.does("order_completed", order_id="A-1")
    person.does("order_completed", order_id="A-2")
    assert person.told == [("03-02 12:00:00", "thanks")]
    assert person.requests[0][1].content["body"] == "Order A-1 is on its way to you."


def test_a_cart_left_alone_is_answered_thirty_seconds_after_its_last_change(person: Person) -> None:
    person.does("cart_updated", items=1, product="Lamp")
    person.waits(20 * SECOND)
    person.does("cart_updated", items=2, product="Chair")
    person.waits(29 * SECOND)
    assert person.told == []
    person.waits(SECOND)
    assert person.told == [("03-02 12:00:50", "abandoned-cart")]
    assert person.requests[0][1].content["action"] == {"label": "Back to the cart", "url": "/cart"}
    person.waits(DAY)
    assert len(person.told) == 1


@pytest.mark.parametrize(
    ("event", "properties"),
    [("order_completed", {"order_id": "A-1"}), ("cart_updated", {"items": 0})],
    ids=["bought", "emptied"],
)
def test_a_cart_that_was_bought_or_emptied_is_not_reminded_of(
    person: Person, event: str, properties: dict[str, object]
) -> None:
    person.does("cart_updated", items=1)
    person.waits(29 * SECOND)
    person.does(event, **properties)
    person.waits(DAY)
    assert "abandoned-cart" not in [template for _, template in person.told]


def test_an_empty_cart_begins_nothing(person: Person) -> None:
    person.does("cart_updated", items=0)
    person.waits(HOUR)
    assert person.told == []


def test_a_deposit_that_stops_is_reminded_of_and_one_that_fails_twice_gets_help_at_once(person: Person) -> None:
    person.does("deposit_started", amount=1000)
    person.waits(45 * SECOND)
    assert person.told == [("03-02 12:00:45", "abandoned-deposit")]
    person.waits(HOUR)
    person.does("deposit_started", amount=1000)
    person.waits(5 * SECOND)
    person.does("deposit_failed", reason="declined")
    person.waits(5 * SECOND)
    person.does("deposit_failed", reason="declined")
    assert person.told[1:] == [("03-02 13:00:55", "deposit-help")]
    person.waits(HOUR)
    assert len(person.told) == 2


def test_a_deposit_that_arrives_is_left_in_peace(person: Person) -> None:
    person.does("deposit_started", amount=1000)
    person.waits(44 * SECOND)
    person.does("deposit_completed", amount=1000)
    person.waits(DAY)
    assert person.told == []


def test_a_form_left_for_twenty_seconds_is_answered_and_each_step_gives_it_its_time_again(person: Person) -> None:
    person.does("application_started", form="loan", url="/loan")
    for _ in range(3):
        person.waits(19 * SECOND)
        person.does("application_step_completed", form="loan", step="x")
    person.waits(19 * SECOND)
    assert person.told == []
    person.waits(SECOND)
    assert person.told == [("03-02 12:01:17", "abandoned-application")]
    assert person.requests[0][1].content["action"]["url"] == "/loan"


def test_a_form_that_refuses_three_times_brings_help_and_a_sent_one_nothing(person: Person) -> None:
    person.does("application_started", form="loan")
    for _ in range(3):
        person.waits(3 * SECOND)
        person.does("application_error_shown", form="loan", field="iban")
    assert person.told == [("03-02 12:00:09", "application-help")]
    other = Person(PROGRAMME, NOON)
    other.does("application_started", form="loan")
    other.waits(10 * SECOND)
    other.does("application_submitted", form="loan")
    other.waits(HOUR)
    assert other.told == []


def test_birthday_is_wished_at_ten_of_the_player_s_own_morning_with_a_gift(person: Person) -> None:
    person.is_known(birthday="1990-03-05", timezone="America/New_York", locale="ru")
    person.waits(10 * DAY)
    assert person.told == [("03-05 15:00:00", "birthday")]
    assert person.requests[0][1].content["body"].endswith(" 100.")
    person.waits(365 * DAY)
    assert [at for at, _ in person.told if at.startswith("03-05")] == ["03-05 15:00:00"] * 2


def test_a_month_of_silence_is_answered_once_at_eleven_and_who_is_back_is_not_written_to(person: Person) -> None:
    person.is_known(timezone="Europe/Kyiv")
    person.waits(40 * DAY)
    assert person.told == [("04-02 08:00:00", "silent-30d")]  # 11:00 in Kyiv, in summer time by then
    other = Person(PROGRAMME, NOON)
    other.is_known(timezone="Europe/Kyiv")
    other.waits(30 * DAY + 2 * MINUTE)
    other.does("page_viewed")
    other.waits(20 * DAY)
    assert other.told == []


def test_the_tenth_order_is_a_milestone_with_a_gift(person: Person) -> None:
    for n in range(12):
        person.does("order_completed", order_id=f"A-{n}")
        person.waits(HOUR)
    assert person.told == [("03-02 12:00:00", "thanks"), ("03-02 21:00:00", "milestone")]
    assert person.balance == 500


def test_a_match_is_told_to_those_who_asked_with_what_the_caller_brings(person: Person) -> None:
    person.is_sent("match-starts", home="Dynamo", away="Shakhtar", match="m-42")
    assert person.told == [], "nobody asked for alerts yet"
    person.is_known(match_alerts=True)
    person.is_sent("match-starts", home="Dynamo", away="Shakhtar", match="m-42")
    ((_, request),) = person.requests
    assert request.content["title"].split()[::2] == ["Dynamo", "Shakhtar"]
    assert request.content["action"]["url"] == "/matches/m-42"
    assert request.expires_at - request.requested_at == 20 * MINUTE


def test_every_text_is_in_three_languages_and_every_template_is_used() -> None:
    documents = read_programme(PROGRAMME)
    for name, template in documents["templates"].items():
        assert template["title"].keys() == template["body"].keys() == {"en", "uk", "ru"}, name
    text = str(documents["campaigns"]) + str(documents["journeys"])
    assert [name for name in documents["templates"] if f"'template': '{name}'" not in text] == []


def test_the_table_of_the_readme_names_every_trigger_and_every_event() -> None:
    documents, readme = read_programme(PROGRAMME), (TRIGGERS / "README.md").read_text()
    for kind in ("events", "campaigns", "journeys"):
        for name in documents[kind]:
            assert f"`{name}`" in readme, f"{kind}/{name}"
