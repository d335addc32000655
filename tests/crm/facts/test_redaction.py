"""What leaves the engine names nobody: addresses, numbers and names are taken out of a text before it is sent."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.facts import redaction
from crm.facts.redaction import CHARS_MAX, READ_MAX, redacted

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
        pytest.param("a@b.com+c@d.com.'e@f.com", "[email][email][email]", id="several in a row"),
        pytest.param("find me t.me/amelia_l, vk.com/id1?x=2 now", "find me [link] [link] now", id="links by name"),
        pytest.param("...wa.me:443/38067 tg://resolve?domain=x", "...[link] [link]", id="other links"),
        pytest.param("and/or 3.5/5 грн./міс 24/7", "and/or 3.5/5 грн./міс 24/7", id="no links"),
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


@pytest.mark.parametrize(
    ("traits", "text", "left"),
    [
        pytest.param({"name": "Al"}, "al is I, also", "[name] is I, also", id="two letters"),
        pytest.param({"first_name": "Ян"}, "Ян, Яна, Янові; янтар", "[name], [name], [name]; янтар", id="declined"),
        pytest.param({"first_name": "Ія"}, "Ія, Ії, Ією та я", "[name], [name], [name] та я", id="ending in a vowel"),
        pytest.param(
            {"firstName": "Оля"}, "Оля, Олі, Олею; олень", "[name], [name], [name]; олень", id="three letters"
        ),
        pytest.param({"name": "Anne\u2013Marie"}, "anne or Marie's", "[name] or [name]", id="of two names"),
        pytest.param({"name": "Анна-Марія"}, "Анні-Марії, Марію", "[name]-[name], [name]", id="of two names, declined"),
        pytest.param({"username": "bob_stone.77"}, "it is bob, Stone", "it is [name], [name]", id="of a user name"),
        pytest.param({"telegram": "@bobby"}, "bobby there", "[name] there", id="a handle without its sign"),
        pytest.param({"Last-Name": "Stone"}, "stone", "[name]", id="however it is spelt"),
        pytest.param({"name": {"first": "Bo", "last": "Li"}}, "Bo Li", "[name] [name]", id="an object"),
        pytest.param(
            {"address": {"home": {"street": "Elm Row 7", "postal_code": "SW1A 1AA"}, "country": "Chile"}},
            "Elm row, SW1A 1AA in Chile",
            "[name] [name], [name] in Chile",
            id="an address with parts",
        ),
        pytest.param({"addresses": [{"city": "Lviv"}, "Porto"]}, "lviv, porto", "[name], [name]", id="several"),
    ],
)
def test_names_and_places_of_the_traits(traits: dict[str, object], text: str, left: str) -> None:
    assert redacted(text, traits) == left


def test_of_a_long_text_both_ends_are_left() -> None:
    said = redacted("angry " * 1_000 + "the end", {})
    assert len(said) <= CHARS_MAX
    assert said.endswith("the end")


SECRETS = ["amelia@example.com", "+38 067 123 45 67", "4111 1111 1111 1111", "Amelia", "https://x.example/amelia"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("chars", [CHARS_MAX, READ_MAX])
@pytest.mark.parametrize("tail", [CHARS_MAX, READ_MAX + 1])
def test_what_a_cut_goes_through_is_taken_out_whole(secret: str, chars: int, tail: int) -> None:
    """Wherever it stands about the places where a text is cut, nothing of it is left, also at its other end."""
    for shift in range(len(secret) + 1):
        before = "oh " * (chars // 2 // 3) + "oh"[: (chars // 2) % 3]
        text = f"{before[: chars // 2 - shift - 1]} {secret} {'ah ' * (tail // 3)}"
        for each in (text, text[::-1].replace(secret[::-1], secret)):
            left = redacted(each, {"name": "Amelia"})
            assert not re.search(r"\d|(?i:amel|meli|elia|exam|http|x\.)", left), (shift, left)


@pytest.mark.parametrize("secret", SECRETS)
def test_what_a_cut_goes_through_is_left_out_where_little_is_left_beside_it(secret: str) -> None:
    half = READ_MAX // 2
    for shift in range(len(secret) + 1):
        head = f"www.{'q' * (half - 5 - shift)} {secret}"
        tail = f"{secret} www.{'q' * (half - 5 - shift)}"
        left = redacted(f"{head} {'no ' * half} {tail}", {"name": "Amelia"})
        assert not re.search(r"\d|(?i:amel|meli|elia|exam|http|x\.)", left), (shift, left)


@pytest.mark.parametrize(
    "part", ["a", "a.", "a..", "a-", "a+", "a@", "@a.", "a (at) ", "[at]", " ", "1 ", "1-.()", "AA11 ", "x://", "a.b/"]
)
@pytest.mark.parametrize("before", ["", "a@", "my name is"])
def test_a_hostile_text_costs_no_more_than_its_length(monkeypatch: pytest.MonkeyPatch, before: str, part: str) -> None:
    """40,000 characters take 10 to 60 ms; what grows with their square took half a minute."""
    monkeypatch.setattr(redaction, "READ_MAX", 100_000)
    begun = time.process_time()
    redacted(before + part * (40_000 // len(part)) + "!", AMELIA)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "traits", [{"name": 7}, {"name": ""}, {"name": "a"}, {"email": "@"}, {"name": ".*"}, {"city": "x."}, {}]
)
def test_traits_that_name_nobody_change_nothing(traits: dict[str, object]) -> None:
    assert redacted("a al and x .* are fine", traits) == "a al and x .* are fine"


def test_of_traits_without_end_so_many_words_are_looked_for() -> None:
    street = " ".join(f"Row{n}x" for n in range(5_000))
    assert redacted("Amelia, Row3x", {"name": "Amelia", "address": [street] * 50}) == "[name], [name]"


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
