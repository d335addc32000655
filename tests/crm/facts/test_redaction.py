"""What leaves the engine names nobody: addresses, numbers and names are taken out of a text before it is sent."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.facts.redaction import CHARS_MAX, redacted

AMELIA = {"first_name": "Амелія", "last_name": "O'Hara-Lima", "email": "amelia.lima+vip@example.com", "city": "Lisboa"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("write to bob@example.com now", "write to [email] now", id="an address"),
        pytest.param("bob.smith (at) mail . example . com", "[email]", id="one in disguise"),
        pytest.param("пишіть на bob@пошта.укр", "пишіть на [email]", id="one in Cyrillic"),
        pytest.param("call +38 (067) 123-45-67!", "call [phone]!", id="a phone number"),
        pytest.param("0671234567", "[phone]", id="one without signs"),
        pytest.param("card 4111 1111 1111 1111 gone", "card [card] gone", id="a card"),
        pytest.param("4111-1111-1111-1111", "[card]", id="one with dashes"),
        pytest.param("UA21 3223 1300 0002 6007 2335 6600 1", "[account]", id="an IBAN"),
        pytest.param("to 0x52908400098527886E0F7030069857D2E4169EE7", "to [account]", id="a wallet"),
        pytest.param("see https://example.com/u/7?t=abc or www.x.example", "see [link] or [link]", id="links"),
        pytest.param("ask @amelia_l on telegram", "ask [name] on telegram", id="a handle"),
        pytest.param("case 123456 since 2026", "case [number] since 2026", id="long numbers, not years"),
        pytest.param("I won 1500 and lost 20.50", "I won 1500 and lost 20.50", id="amounts say something"),
        pytest.param("My name is Bob Stone, hello", "My name is [name], hello", id="who says it"),
        pytest.param("Мене звати Олена, де гроші", "Мене звати [name], де гроші", id="in Ukrainian"),
        pytest.param("меня зовут Пётр Петров", "меня зовут [name]", id="in Russian"),
        pytest.param("Амелії не пишуть, Амелію обманули", "[name] не пишуть, [name] обманули", id="declined"),
        pytest.param("o'hara-lima's money", "[name] money", id="a surname, of something"),
        pytest.param("it is Lima, from LISBOA", "it is [name], from [name]", id="what the traits say"),
        pytest.param("Limassol is nice", "Limassol is nice", id="part of another word stays"),
        pytest.param("Де мої гроші?! Ви шахраї!", "Де мої гроші?! Ви шахраї!", id="how it sounds stays"),
    ],
)
def test_what_is_left_of_a_text(text: str, left: str) -> None:
    assert redacted(text, AMELIA) == left


def test_of_a_long_text_both_ends_are_left() -> None:
    said = redacted("angry " * 1_000 + "the end", {})
    assert len(said) <= CHARS_MAX + 1
    assert said.endswith("the end")


@pytest.mark.parametrize("traits", [{"name": 7}, {"name": ""}, {"name": "al"}, {"email": "@"}, {"name": ".*"}, {}])
def test_traits_that_name_nobody_change_nothing(traits: dict[str, object]) -> None:
    assert redacted("al and x.* are fine", traits) == "al and x.* are fine"


AROUND = st.text(max_size=40)
DIGITS = st.text("0123456789", min_size=7, max_size=19)


@given(before=AROUND, number=DIGITS, separator=st.sampled_from(["", " ", "-"]), after=AROUND)
def test_no_run_of_seven_digits_is_ever_left(before: str, number: str, separator: str, after: str) -> None:
    left = redacted(f"{before} {separator.join(number)} {after}", {})
    assert not re.search(r"[0-9]{7}", left)


@given(before=AROUND, after=AROUND, name=st.from_regex(r"[a-z]{3,12}", fullmatch=True))
def test_an_address_is_never_left(before: str, after: str, name: str) -> None:
    assert f"{name}@example.com" not in redacted(f"{before} {name}@example.com {after}", {})


@given(st.text(max_size=200), st.dictionaries(st.sampled_from(["name", "email", "city"]), st.text(max_size=30)))
def test_any_text_can_be_read_again(text: str, traits: dict[str, str]) -> None:
    assert len(redacted(text, traits)) <= 9 * max(1, len(text)) + 9
