"""What a batch of the tower's log commits beside its players' airspaces."""

from typing import Any

import msgspec
from msgspec import structs

from actors.partition import PartState, decode_part, encode_part
from actors.processor import Known
from actors.reducers import TowerReducer
from crm.programme import compile_crm
from crm.tower.airspace import Airspace, Facts, airspace_from_parts
from domain.entries import Asked, ChannelChanged, Entry, LogEntry, MessageRequest, Withdrawn

POLICY = {"approvals": [{"purposes": ["promo"]}], "caps": [{"purpose": "service", "max": 1, "per": "1d"}]}
REACHED = Facts(reach={"email": "0e"})


class Programmes:
    """One version, with a CRM part and no more."""

    def __init__(self) -> None:
        self.crm = compile_crm(0, {"policies": {"default": POLICY}}, channels=("in_app", "email"))

    def get(self, _: int) -> Any:
        return self

    async def ensure(self, _: int) -> Any:
        return self


def asked(name: str, **changes: Any) -> MessageRequest:
    return MessageRequest(
        **{
            "player": "ann",
            "id": name,
            "template": "offer",
            "purpose": "reward",
            "channels": ("email",),
            "requested_at": 1_000,
            "expires_at": 900_000_000,
            "content": {"title": name},
            **changes,
        }
    )


async def folded(*entries: Entry, part: PartState = PartState()) -> Any:  # noqa: B008 - frozen
    log = [LogEntry(f"0-{n}", 1_000 + n, entry) for n, entry in enumerate(entries)]
    states = {entry.player: Airspace(entry.player, facts=REACHED) for entry in entries}
    return await TowerReducer(Programmes()).fold(3, part, states, log, Known())


async def test_what_goes_outside_is_dispatched_and_what_is_asked_is_found_by_its_id() -> None:
    result = await folded(Asked("ann", (asked("a"), asked("b"))), asked("c", channels=("in_app",)))
    commit = result.commit
    assert [dispatch.id for dispatch in commit.dispatches] == ["a", "b"]
    assert commit.index == [("a", "ann"), ("b", "ann"), ("c", "ann")]
    assert len(commit.inbox) == 1
    (write,) = commit.writes
    state = result.states["ann"]
    assert structs.replace(airspace_from_parts("ann", 1, write.fields), facts=state.facts) == state
    assert set(result.states["ann"].flying) == {"a", "b"}


async def test_decisions_of_a_batch_are_counted_together() -> None:
    result = await folded(asked("a"), asked("b"), asked("c", purpose="promo"))
    assert result.commit.tallies == [
        ("1970-01-01", "cleared||email|reward|offer", 2),
        ("1970-01-01", "escalated|needs_approval||promo|offer", 1),
    ]


async def test_what_a_person_sees_is_json_and_what_is_over_is_nothing() -> None:
    promo = asked("a", purpose="promo")
    result = await folded(promo, Withdrawn("ann", "goal_met", requests=("a",)))
    (name, record), over = result.commit.reviews
    assert (name, msgspec.json.decode(record)["template"]) == ("a", "offer")
    assert over == ("a", b"")


async def test_what_is_taken_back_is_voided() -> None:
    result = await folded(asked("a"), Withdrawn("ann", "goal_met", requests=("a",)))
    assert result.commit.voids == [("a", "goal_met")]


async def test_a_closed_channel_counts_from_its_place_in_the_log_on() -> None:
    closed = ChannelChanged("email", False, "provider_down", 0, 1_001)
    result = await folded(
        asked("before"), closed, asked("after"), ChannelChanged("email", True, at=1_003), asked("again")
    )
    assert [dispatch.id for dispatch in result.commit.dispatches] == ["before", "after", "again"]
    outcomes = [(row[2], row[3]) for row in result.recent]
    assert outcomes == [("cleared", "offer"), ("held", "offer"), ("cleared", "offer"), ("cleared", "offer")]
    assert decode_part(encode_part(result.part)) == result.part
    assert result.part.channels["email"].open


async def test_it_stays_closed_for_the_batches_after() -> None:
    before = await folded(ChannelChanged("email", False, "provider_down", 0, 1_000))
    result = await folded(asked("a"), part=before.part)
    assert result.commit.dispatches == []
    assert result.part is before.part
