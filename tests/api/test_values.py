# ruff: noqa: RUF001 -- names in Cyrillic are what is tested
"""One value as its configuration says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.places import country, locale, region_of
from api.values import Around, FieldMask, Unreadable, clean_email, e164, read_value
from domain.spelling import UNITS, spelled, unit_of


def read(value: Any, kind: str, country: str = "", **mask: Any) -> Any:
    return read_value(value, FieldMask(kind, **mask), Around(country))[0]


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        pytest.param("integer", "12", 12, id="an integer as text"),
        pytest.param("integer", 3.0, 3, id="a whole float"),
        pytest.param("number", " 12.5 ", 12.5, id="a number as text"),
        pytest.param("boolean", "TRUE", True, id="a boolean as text"),
        pytest.param("timestamp", "2026-11-22T14:00:00+02:00", "2026-11-22T12:00:00.000Z", id="a zone"),
        pytest.param("timestamp", 1_795_348_800, "2026-11-22T12:00:00.000Z", id="seconds"),
        pytest.param("timestamp", 1_795_348_800_001, "2026-11-22T12:00:00.001Z", id="milliseconds"),
        pytest.param("date", "22.11.1990", "1990-11-22", id="day first"),
        pytest.param("date", "1.2.1990", "1990-02-01", id="day first, short"),
        pytest.param("date", "1990-11-22T23:59:00-08:00", "1990-11-22", id="the day as written"),
        pytest.param("email", " Ada@Example.COM ", "Ada@example.com", id="an e-mail"),
        pytest.param("email", "ada@пошта.укр", "ada@xn--80a1acn3a.xn--j1amh", id="IDNA"),
        pytest.param("object", {"a": 1}, {"a": 1}, id="an object"),
        pytest.param("array", [1], [1], id="an array"),
        pytest.param("", object, object, id="anything"),
    ],
)
def test_values_are_read_as_their_type(kind: str, value: Any, kept: Any) -> None:
    found = read(value, kind)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("integer", "12.5", "expected an integer, got a string"),
        ("integer", True, "expected an integer, got a boolean"),
        ("number", "12,5", "expected a number, got a string"),
        ("boolean", "yes", "expected a boolean, got a string"),
        ("timestamp", "yesterday", "expected a time (ISO 8601, or s or ms since 1970), got 'yesterday'"),
        ("timestamp", 10**15, "expected a time (ISO 8601, or s or ms since 1970), got 1000000000000000"),
        ("timestamp", "0001-01-01T00:00:00+14:00", "expected a time"),
        ("date", "31.02.1990", "expected a day (YYYY-MM-DD or DD.MM.YYYY), got '31.02.1990'"),
        ("date", "11/22/1990", "expected a day"),
        ("date", 19901122, "expected a day (YYYY-MM-DD or DD.MM.YYYY), got 19901122"),
        ("email", "ada at example.com", "expected an e-mail address, got 'ada at example.com'"),
        ("email", "ada@localhost", "expected an e-mail address"),
        (
            "phone",
            "12345",
            "expected a phone number (+, country code, number; or a country to read it by), got '12345'",
        ),
        ("country", "Atlantis", "expected a country (ISO 3166 or its name), got 'Atlantis'"),
        ("timezone", "Mars/Olympus", "expected an IANA zone such as Europe/Kyiv, got 'Mars/Olympus'"),
        ("object", [], "expected an object, got an array"),
        ("array", {}, "expected an array, got an object"),
    ],
)
def test_what_cannot_be_read_says_what_was_expected_and_what_came(kind: str, value: Any, said: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(value, kind)
    assert refused.value.detail.startswith(said)


@pytest.mark.parametrize(
    ("value", "unit", "kept"),
    [
        ("30 s", "s", 30),
        ("1.5 min", "s", 90),
        ("2h", "s", 7200),
        ({"value": 1.5, "unit": "minutes"}, "s", 90),
        ({"value": "250", "unit": "ms"}, "s", 0.25),
        ("15 хв.", "min", 15),
        ("90 сек", "min", 1.5),
        (30, "s", 30),
        ("30", "s", 30),
        ("5 km", "m", 5000),
        ("500 g", "kg", 0.5),
    ],
)
def test_quantities_become_the_unit_of_the_mask(value: Any, unit: str, kept: float) -> None:
    assert read(value, "number", unit=unit) == kept


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("3 km", "expected a unit out of ms s min h d, got 'km'"),
        ("3 parsecs", "expected a unit out of ms s min h d, got 'parsecs'"),
        ("1,5 min", "expected a number of s"),
        ({"value": 1, "unit": "s", "more": 1}, "expected a number of s, got an object"),
        ({"value": True, "unit": "s"}, "expected a number of s"),
        ({"value": 1e300, "unit": "d"}, "expected a smaller number of s"),
    ],
)
def test_a_quantity_of_something_else_is_refused(value: Any, said: str) -> None:
    with pytest.raises(Unreadable, match="expected") as refused:
        read(value, "number", unit="s")
    assert refused.value.detail.startswith(said)


@given(st.sampled_from(sorted(UNITS)), st.integers(-(10**9), 10**9))
def test_a_quantity_in_its_own_unit_stays_what_it_is(unit: str, amount: int) -> None:
    assert read(f"{amount} {unit}", "number", unit=unit) == amount
    assert unit_of(unit) == unit


def test_bounds_hold_after_the_conversion() -> None:
    assert read("1 min", "number", unit="s", max=60) == 60
    with pytest.raises(Unreadable, match="expected at most 60, got 120"):
        read("2 min", "number", unit="s", max=60)
    with pytest.raises(Unreadable, match="expected at least 0, got -1"):
        read(-1, "integer", min=0)


def test_an_enum_is_matched_by_how_it_is_spelled() -> None:
    assert read("High Roller", "enum", values=("vip", "high_roller")) == "high_roller"
    assert read("vip", "enum", values=("vip", "VIP")) == "vip"
    with pytest.raises(Unreadable, match="expected one of vip, high_roller, got 'whale'"):
        read("whale", "enum", values=("vip", "high_roller"))


@pytest.mark.parametrize(
    ("text", "by", "number"),
    [
        pytest.param("+38 (050) 123-45-67", "PL", "+380501234567", id="its own code goes before the country"),
        pytest.param("00380501234567", "", "+380501234567", id="00 is +"),
        pytest.param("050 123 45 67", "UA", "+380501234567", id="national"),
        pytest.param("380501234567", "", "+380501234567", id="international without +"),
        pytest.param("380501234567", "PL", "+380501234567", id="and not of the country"),
        pytest.param("15012345678", "CN", "+8615012345678", id="a Chinese mobile"),
        pytest.param("15012345678", "", "", id="which may be one of Arkansas"),
        pytest.param("050 123 45 67", "", "", id="no country"),
        pytest.param("12345", "UA", "", id="too short"),
        pytest.param("call me", "UA", "", id="words"),
    ],
)
def test_phones_become_e164_by_country(text: str, by: str, number: str) -> None:
    assert e164(text, by) == number


@given(st.text(max_size=30), st.sampled_from(["", "UA", "US", "ZZ", "?"]))
def test_a_phone_once_clean_stays_and_nothing_raises(text: str, by: str) -> None:
    found = e164(text, by)
    assert found == "" or e164(found, "PL") == found


@given(st.text(max_size=60))
def test_an_email_once_clean_stays_and_nothing_raises(text: str) -> None:
    found, fault = clean_email(text)
    assert bool(found) != bool(fault)
    assert not found or clean_email(found)[0] == found


def test_places_are_known_by_code_and_by_name() -> None:
    assert {country(name) for name in ("UA", "ua", "UKR", "Ukraine", "Україна", "УКРАИНА")} == {"UA"}
    assert (country("UK"), country("USA"), country("Німеччина"), country("Narnia")) == ("GB", "US", "DE", "")
    assert {locale(name) for name in ("uk", "UK", "Ukrainian", "українська", "украинский")} == {"uk"}
    assert (locale("uk_UA"), locale("zh-hant-tw"), locale("Klingon"), locale("q1")) == ("uk-UA", "zh-Hant-TW", "", "")
    assert (region_of("uk-UA"), region_of("zh-Hant-TW"), region_of("en"), region_of(7)) == ("UA", "TW", "", "")


@pytest.mark.parametrize(
    "names",
    [
        ("first_name", "FirstName", "First Name", "FIRST-NAME", "ｆｉｒｓｔ name"),
        ("ім'я", "Ім’я", "імʼя", "ІМ`Я", "iм'я"),
        ("Моб. тел.", "моб тел", "МОБ_ТЕЛ"),
        ("почтовый индекс", "почтовый индекс"),  # composed, and not
    ],
)
def test_spellings_of_a_name_are_one(names: tuple[str, ...]) -> None:
    assert len({spelled(name) for name in names}) == 1


@given(st.text(max_size=40))
def test_spelling_is_stable(name: str) -> None:
    assert spelled(spelled(name)) == spelled(name)
