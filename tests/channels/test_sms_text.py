"""Texts as phones get them: nothing is lost, nothing is cut in two, and the price is what was shown."""

from aiosmpplib import GSM7BitCodec
from hypothesis import example, given
from hypothesis import strategies as st

from channels.smpp_inbound import Mailbox, read_delivery
from channels.sms_text import PART, WHOLE, decode, encode, take_header, with_header
from crm.sms import sms_size

GSM = st.sampled_from("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€")
TEXTS = st.text(GSM, max_size=700) | st.text(max_size=300) | st.text("й😀x€", max_size=300)


@given(text=TEXTS)
@example(text="x" * 152 + "€" + "x" * 152)
@example(text="й" * 66 + "😀" + "й" * 66)
@example(text="\f" * 200)
def test_parts_join_to_the_text_and_are_as_many_as_were_shown(text: str) -> None:
    encoded = encode(text)
    coding = 0 if encoded.encoding == "gsm7" else 8
    assert b"".join(encoded.parts) == encoded.whole
    assert decode(encoded.whole, coding) == text
    assert "".join(decode(part, coding) for part in encoded.parts) == text, "a character was cut in two"
    assert len(encoded.parts) == sms_size(text).segments
    room = WHOLE if len(encoded.parts) == 1 else PART
    assert all(len(part) <= room[encoded.encoding] for part in encoded.parts)


@given(part=st.binary(max_size=134), reference=st.integers(0, 1000), total=st.integers(1, 20))
def test_a_header_is_read_as_it_was_written(part: bytes, reference: int, total: int) -> None:
    data = with_header(part, reference, total, total)
    assert take_header(data) == (part, (reference % 256, total, total))


def test_headers_of_other_elements_and_of_16_bits_are_read() -> None:
    assert take_header(bytes.fromhex("0804020000080401020301") + b"hi")[1] is None  # a length that does not fit
    assert take_header(bytes.fromhex("06080401020301") + b"hi") == (b"hi", (0x0102, 3, 1))
    assert take_header(bytes.fromhex("0a240103" + "080401020301"[:0] + "0504158215820000"[:14]) + b"hi")[1] is None
    assert take_header(b"") == (b"", None)


@given(body=st.binary(max_size=300))
@example(body=b"\0" * 40)
def test_what_is_no_delivery_is_refused_and_never_breaks(body: bytes) -> None:
    try:
        delivery = read_delivery(body)
    except ValueError:
        return
    Mailbox().put(delivery)


@given(data=st.binary(max_size=160), coding=st.integers(0, 255))
def test_whatever_a_phone_sends_can_be_shown(data: bytes, coding: int) -> None:
    decode(data, coding).encode()


def test_texts_that_never_come_whole_are_given_as_far_as_they_came() -> None:
    mailbox = Mailbox()
    heads = b"\0\x01\x01380501112233\0\0\0Lucky\0\x40\0\0\0\0\0\0\0\0"
    found = []
    for reference in range(201):
        data = with_header(GSM7BitCodec.get_codec_info().encode(f"part {reference}")[0], reference, 2, 1)
        found.append(mailbox.put(read_delivery(heads + bytes((len(data),)) + data)))
    assert [inbound.detail for inbound in found if inbound] == ["part 0"]
