"""Durations as people write them: seconds, or ``7d 12h 30m`` (CONTRACT)."""

import re

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"(\d{1,9})([wdhms])")


def duration_s(value: object) -> int:
    """Return seconds.

    Raises:
        ValueError: neither whole seconds nor units largest first.
    """
    if type(value) is int and value > 0:
        return value
    if isinstance(value, str):
        parts = [_FORM.fullmatch(word) for word in value.split()]
        units = [part[2] for part in parts if part]
        if parts and all(parts) and units == sorted(set(units), key="wdhms".index):
            total = sum(int(part[1]) * _UNITS[part[2]] for part in parts if part)
            if total > 0:
                return total
    raise ValueError(f"expected seconds or a duration such as '7d 12h 30m', got {value!r}")
