"""Closed channels of a partition: each turn sees what its log told before it."""

import pytest

from crm.tower.capacity import CLOSED_MAX_MS, Channels
from domain.entries import ChannelChanged, Entry, Fact, LogEntry

FACT = Fact("ann", "locale", "en", 0)


def closing(at: int = 100, *, channel: str = "email", is_open: bool = False, until: int = 0) -> ChannelChanged:
    return ChannelChanged(channel, is_open, "provider_down", until, at)


def batch(*entries: Entry, at: int = 100) -> list[LogEntry]:
    return [LogEntry(f"0-{n}", at, entry) for n, entry in enumerate(entries)]


def test_a_turn_sees_what_was_told_before_it_and_no_more() -> None:
    entries = batch(FACT, closing(), FACT, closing(101, is_open=True), FACT)
    channels = Channels({}, entries)
    assert [list(channels.closed_at(entries[n])) for n in (0, 2, 4)] == [[], ["email"], []]
    assert channels.after == {"email": closing(101, is_open=True)}


def test_what_an_earlier_batch_told_holds_on() -> None:
    before = Channels({}, batch(closing())).after
    entries = batch(FACT)
    assert list(Channels(before, entries).closed_at(entries[0])) == ["email"]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(closing(99, is_open=True), id="older than what is known"),
        pytest.param(closing(channel="pigeon", at=500), id="no channel of ours"),
        pytest.param(closing(channel="in_app", at=500), id="in-app has no provider"),
    ],
)
def test_what_changes_nothing(told: ChannelChanged) -> None:
    assert Channels({"email": closing()}, batch(told)).after == {"email": closing()}


def test_a_change_without_its_time_has_that_of_the_log() -> None:
    assert Channels({}, batch(closing(0), at=700)).after == {"email": closing(700)}


@pytest.mark.parametrize(
    ("until", "at", "is_closed"),
    [
        (500, 499, True),
        (500, 500, False),
        (0, 100 + CLOSED_MAX_MS - 1, True),
        (0, 100 + CLOSED_MAX_MS, False),
    ],
)
def test_a_courier_that_is_never_heard_again_closes_no_channel_for_ever(until: int, at: int, is_closed: bool) -> None:
    entries = batch(FACT, at=at)
    channels = Channels({"email": closing(until=until)}, entries)
    assert bool(channels.closed_at(entries[0])) is is_closed
