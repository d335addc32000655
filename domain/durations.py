"""Durations as people write them: seconds, or ``7d 12h 30m``."""

import re

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
MAX_S = 100 * 365 * 86_400  # what is added to a time stays a time
_FORM = re.compile(r"(\d{1,9})([wdhms])")


def duration_s(value: object) -> int:
    """Return seconds.

    Raises:
        ValueError: neither whole seconds nor units largest first; or more than 100 years.
    """
    total = _total_s(value)
    if total <= 0:
        raise ValueError(f"expected seconds or a duration such as '7d 12h 30m', got {value!r}")
    if total > MAX_S:
        raise ValueError(f"expected at most 100 years ({MAX_S} seconds), got {value!r}")
    return total


def _total_s(value: object) -> int:
    """Return seconds, 0 when they cannot be told."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        parts = [_FORM.fullmatch(word) for word in value.split()]
        units = [part[2] for part in parts if part]
        if parts and all(parts) and units == sorted(set(units), key="wdhms".index):
            return sum(int(part[1]) * _UNITS[part[2]] for part in parts if part)
    return 0
