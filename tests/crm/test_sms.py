"""How many SMS a text is, at the edges of 3GPP TS 23.038."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.sms import sms_size


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        pytest.param("", "gsm7", 0, 1, id="an empty text is one message"),
        pytest.param("a" * 160, "gsm7", 160, 1, id="the last that fits"),
        pytest.param("a" * 161, "gsm7", 161, 2, id="one more is two"),
        pytest.param("a" * 306, "gsm7", 306, 2, id="twice 153"),
        pytest.param("a" * 307, "gsm7", 307, 3, id="and one"),
        pytest.param("€" * 80, "gsm7", 160, 1, id="a euro takes two"),
        pytest.param("a" * 152 + "€" + "a" * 152, "gsm7", 306, 3, id="a euro is not cut in two"),
        pytest.param("я" * 70, "ucs2", 70, 1, id="Cyrillic"),
        pytest.param("я" * 71, "ucs2", 71, 2, id="Cyrillic in parts"),
        pytest.param("я" * 134, "ucs2", 134, 2, id="twice 67"),
        pytest.param("a" * 70 + "ї", "ucs2", 71, 2, id="one letter makes all of it UCS-2"),
        pytest.param("🎁" * 35, "ucs2", 70, 1, id="an emoji takes two"),
        pytest.param("🎁" * 67, "ucs2", 134, 3, id="and is not cut in two: 33 a part"),
    ],
)
def test_segments(text: str, encoding: str, units: int, segments: int) -> None:
    size = sms_size(text)
    assert (size.encoding, size.units, size.segments) == (encoding, units, segments)


def test_the_first_character_outside_the_alphabet_is_named() -> None:
    assert sms_size("Hi, Олено, привіт").outside == "Hi, Олено"[4]
    assert sms_size("Grüße für 5 €").outside == ""


@given(st.text(max_size=400))
def test_room_is_never_promised_that_is_not_there(text: str) -> None:
    size = sms_size(text)
    room = (160, 153) if size.encoding == "gsm7" else (70, 67)
    assert size.units <= room[0] if size.segments == 1 else size.units <= size.segments * room[1]
    assert size.units > (size.segments - 1) * (room[1] - 1) or size.segments == 1
