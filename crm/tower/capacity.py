"""Which channels can send nothing at the moment, as couriers tell it to a partition's tower."""

from collections.abc import Mapping, Sequence

from crm.tower.judgement import ALL_OPEN
from crm.tower.policy import CHANNELS
from domain.entries import ChannelChanged, LogEntry

CLOSED_MAX_MS = 3_600_000  # without a word when it will be open again, a channel is tried again after this


class Channels:
    """The channels beside a batch of entries: each turn sees what was told before it in the log."""

    def __init__(self, before: Mapping[str, ChannelChanged], entries: Sequence[LogEntry]) -> None:
        """Read a batch.

        Args:
            before: The last that was heard of each channel.
        """
        self.after = dict(before)
        self._states: list[dict[str, ChannelChanged]] = [self.after]
        self._place: dict[str, int] = {}  # offset -> which of the states was in force; none: the first
        for entry in entries:
            if isinstance(entry.entry, ChannelChanged):
                self._hear(entry.entry, entry.at)
            elif len(self._states) > 1:
                self._place[entry.offset] = len(self._states) - 1

    def _hear(self, changed: ChannelChanged, now: int) -> None:
        """Take a change in; an older one, or one of no channel that couriers send by, changes nothing."""
        known = self.after.get(changed.channel)
        at = changed.at or now
        if changed.channel not in CHANNELS or changed.channel == "in_app" or (known is not None and known.at > at):
            return
        stamped = ChannelChanged(changed.channel, changed.open, changed.reason, changed.until, at, changed.player)
        self.after = {**self.after, changed.channel: stamped}
        self._states.append(self.after)

    def closed_at(self, entry: LogEntry) -> Mapping[str, ChannelChanged]:
        """Return the channels that are closed in an entry's turn."""
        state = self._states[self._place.get(entry.offset, 0)]
        if not state:
            return ALL_OPEN
        return {name: changed for name, changed in state.items() if _is_closed(changed, entry.at)}


def _is_closed(changed: ChannelChanged, now: int) -> bool:
    return not changed.open and now < (changed.until or changed.at + CLOSED_MAX_MS)
