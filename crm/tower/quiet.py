"""Quiet hours on a local wall clock that is set forward and back."""

from crm.tower.policy import QuietHours
from domain.calendar import DAY_MS, local_ms

MINUTE_MS = 60_000
_QUARTER_MS = 15 * MINUTE_MS  # zones change their offset on quarter hours of UTC (domain.calendar)


def is_quiet(hours: QuietHours, at: int, zone: str) -> bool:
    """Tell whether the wall clock of the zone stands in the window, the end not included."""
    minute = local_ms(at, zone) % DAY_MS // MINUTE_MS
    if hours.start < hours.end:
        return hours.start <= minute < hours.end
    return minute >= hours.start or minute < hours.end


def quiet_from(hours: QuietHours, at: int, zone: str) -> int:
    """Return the first instant from ``at`` on that is quiet; a window that the clock skips is passed over.

    A send that is cleared now may go until then.
    """
    if is_quiet(hours, at, zone):
        return at
    start = at + (hours.start * MINUTE_MS - local_ms(at, zone)) % DAY_MS
    if local_ms(start, zone) - local_ms(at, zone) == start - at:
        return start
    # The clock is set in between: into the window, or back to before it.
    while not is_quiet(hours, at, zone):
        at = min(at + (hours.start * MINUTE_MS - local_ms(at, zone)) % DAY_MS, (at // _QUARTER_MS + 1) * _QUARTER_MS)
    return at


def quiet_until(hours: QuietHours, at: int, zone: str) -> int:
    """Return the first instant from ``at`` on that is not quiet; ``at`` itself when it is not.

    The wall clock decides, not the elapsed time: a window 00:00 to 01:15 that the clock enters twice in an autumn
    night is quiet twice, and one whose end falls into the hour skipped in spring ends with the skip (or a day
    later, when the skip also passes the next window's start).
    """
    if not is_quiet(hours, at, zone):
        return at
    end = at + (hours.end * MINUTE_MS - local_ms(at, zone)) % DAY_MS
    if local_ms(end, zone) - local_ms(at, zone) == end - at:
        return end
    # The clock is set in between: the window ends when its end is read, or where the clock is set past it.
    while is_quiet(hours, at, zone):
        at = min(at + (hours.end * MINUTE_MS - local_ms(at, zone)) % DAY_MS, (at // _QUARTER_MS + 1) * _QUARTER_MS)
    return at
