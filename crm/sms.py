"""How many SMS a text is: GSM 03.38 (160 characters, 153 in parts) or UCS-2 (70, 67 in parts), 3GPP TS 23.038.

One character outside the GSM alphabet makes the whole text UCS-2: a Ukrainian text has less than half the room.
"""

from msgspec import Struct

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = frozenset("^{}\\[~]|€\f")  # two septets each


class SmsSize(Struct, frozen=True):
    """What a text costs as SMS."""

    encoding: str  # gsm7, ucs2
    units: int  # septets or UTF-16 units
    segments: int  # messages that are paid for
    outside: str = ""  # the first character that GSM 03.38 has not


def sms_size(text: str) -> SmsSize:
    """Return how a text is sent; a character is never cut in two, nor is an empty text free."""
    outside = next((c for c in text if c not in _BASIC and c not in _ESCAPED), "")
    if outside:
        widths, whole, part = [len(c.encode("utf-16-le", "surrogatepass")) // 2 for c in text], 70, 67
    else:
        widths, whole, part = [2 if c in _ESCAPED else 1 for c in text], 160, 153
    units = sum(widths)
    return SmsSize("ucs2" if outside else "gsm7", units, 1 if units <= whole else _parts(widths, part), outside=outside)


def _parts(widths: list[int], room: int) -> int:
    parts, left = 1, room
    for width in widths:
        if width > left:
            parts, left = parts + 1, room
        left -= width
    return parts
