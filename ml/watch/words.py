"""Alarms as sentences for a person."""

from ml.watch.alarms import Alarm

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000


def sentence(name: str, alarm: Alarm, now: int) -> str:
    """Return what is unlike any week: "no bet_placed for 40 minutes, 310 are usual".

    Args:
        now: ms; a silence that goes on has lasted until then.
    """
    usual = f"{alarm.usual:,.0f} {'is' if round(alarm.usual) == 1 else 'are'} usual"
    if alarm.what == "stopped":
        if not alarm.ended and now > alarm.until:
            usual += f" in {span(alarm.until - alarm.since)}"
        return f"no {name} for {span((alarm.ended or max(now, alarm.until)) - alarm.since)}, {usual}"
    return f"{alarm.seen:,} {name} in {span(alarm.until - alarm.since)}, {usual}"


def span(ms: int) -> str:
    """Return a length of time in its largest fitting unit."""
    for unit, name, most in ((_MINUTE_MS, "minute", 120), (_HOUR_MS, "hour", 48), (_DAY_MS, "day", 10**9)):
        count = max(1, round(ms / unit))
        if count < most:
            return f"{count} {name}{'s' if count != 1 else ''}"
    raise AssertionError("days have no end")
