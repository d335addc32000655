"""A text in the parts in which a phone gets it: GSM 03.38 or UCS-2, with the header that joins them (TS 23.040)."""

from itertools import pairwise

from aiosmpplib import GSM7BitCodec, UCS2Codec
from msgspec import Struct

from crm.sms import sms_size

WHOLE = {"gsm7": 160, "ucs2": 140}  # bytes as SMPP carries them: a septet is a byte of its own
PART = {"gsm7": 153, "ucs2": 134}
_ESCAPE = 0x1B
_JOIN_8, _JOIN_16 = 0x00, 0x08  # elements of the header: parts of one text, with a reference of 8 or 16 bits


class Encoded(Struct, frozen=True):
    """A text as bytes, whole and in parts without their headers."""

    encoding: str  # gsm7 or ucs2
    whole: bytes
    parts: tuple[bytes, ...]


def encode(text: str) -> Encoded:
    """Encode a text in GSM 03.38 when it has all characters, else in UCS-2; no character is cut in two."""
    if sms_size(text).encoding == "gsm7":
        whole = GSM7BitCodec.get_codec_info().encode(text)[0]
        return Encoded("gsm7", whole, _cut(whole, [2 if b == _ESCAPE else 1 for b in _leads(whole)], "gsm7"))
    whole = UCS2Codec.get_codec_info().encode(text)[0]
    return Encoded("ucs2", whole, _cut(whole, [2 * (1 + (c > "\uffff")) for c in text], "ucs2"))


def with_header(part: bytes, reference: int, total: int, number: int) -> bytes:
    """Return a part with the header that says which of which text it is."""
    return bytes((5, _JOIN_8, 3, reference % 256, total, number)) + part


def decode(data: bytes, data_coding: int) -> str:
    """Read what a phone sent; what cannot be read is marked, never an error."""
    if data_coding == 8:
        return data.decode("utf-16-be", "replace")
    if data_coding == 3:
        return data.decode("latin-1")
    if data_coding == 1 and _ESCAPE not in data:
        return data.decode("ascii", "replace")
    if data_coding in (0, 1):  # some say ASCII and mean GSM: only there is an escape
        return str(GSM7BitCodec.get_codec_info().decode(data, "replace")[0])
    return data.decode("latin-1")


def take_header(data: bytes) -> tuple[bytes, tuple[int, int, int] | None]:
    """Split a message into its text and (reference, total, number) of its header; None when it is one alone."""
    length = data[0] + 1 if data else 0
    header, rest = data[1:length], data[length:]
    while len(header) >= 2:
        name, size = header[0], header[1]
        value, header = header[2 : 2 + size], header[2 + size :]
        if name == _JOIN_8 and len(value) == 3:
            return rest, (value[0], value[1], value[2])
        if name == _JOIN_16 and len(value) == 4:
            return rest, (value[0] << 8 | value[1], value[2], value[3])
    return rest, None


def _leads(whole: bytes) -> list[int]:
    """Return the first byte of each character."""
    return [b for before, b in pairwise(b"\x00" + whole) if before != _ESCAPE]


def _cut(whole: bytes, widths: list[int], encoding: str) -> tuple[bytes, ...]:
    if len(whole) <= WHOLE[encoding]:
        return (whole,)
    parts, start, end = [], 0, 0
    for width in widths:
        if end + width - start > PART[encoding]:
            parts.append(whole[start:end])
            start = end
        end += width
    return (*parts, whole[start:end])
