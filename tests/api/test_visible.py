"""What a player, and a browser, sees of the CRM."""

import asyncio

import pytest

from api.masks import EventMask
from api.visible import for_player, visible_segments
from domain.effects import (
    ChoiceEnded,
    Chose,
    DuplicateProposed,
    Forwarded,
    IdentityLinked,
    JourneyEnded,
    JourneyEntered,
    JourneyStepped,
    Posting,
    ProfileMerged,
    SegmentEntered,
    SegmentLeft,
    TraitsChanged,
)
from tests.api.conftest import Api, Host, eventually

POINTS = Posting("points", 5, 5, "earn-rules/bets")


def test_segments_are_the_operators_unless_they_say_otherwise() -> None:
    documents = {"club": {"visible": True}, "at-risk": {"visible": False}, "whales": {}}
    assert visible_segments(documents) == {"club"}


def test_a_player_sees_no_journey_and_no_other_player() -> None:
    effects = (
        SegmentEntered("at-risk"),
        JourneyEntered("win-back", 1),
        JourneyStepped("win-back", 1, "hi", "sent"),
        JourneyEnded("win-back", 1, "goal"),
        TraitsChanged({"tier": "risk"}),
        DuplicateProposed("amelia", "zoe", 0.9),
        IdentityLinked("anon:a-1"),
        ProfileMerged("", "zoe"),
        Forwarded("zoe"),
        Chose("offer", "cashback", "journeys/win-back/1/0"),
        ChoiceEnded("offer", "cashback", "journeys/win-back/1/0", "rewarded", 1_000_000),
        SegmentLeft("club"),
        POINTS,
    )
    assert for_player(effects, {"club"}) == (SegmentLeft("club"), POINTS)


@pytest.mark.redis
async def test_a_browser_that_waits_is_not_told_of_hidden_segments(api: Api, host: Host) -> None:
    live = api.context.programme  # a publish would be an entry of the log, which this host does not know
    live.masks, live.visible = {"bet_placed": EventMask.of({"client": True})}, frozenset({"club"})
    told = [
        await answered(api, host, sender, f"m-{n}")
        for n, sender in enumerate((await api.token("amelia"), api.browser, api.admin))
    ]
    assert told == [["points", "club"], ["points", "club"], ["points", "at-risk", "club"]]


async def answered(api: Api, host: Host, key: str, event_id: str) -> list[str]:
    """Send an event that moves two segments, wait for its turn, and return what the answer shows."""
    body = {"event": "bet_placed", "userId": "amelia", "messageId": event_id}
    asking = asyncio.create_task(api.post("/v1/track", body, key=key, prefer="wait=5"))
    sent_before = int(event_id[2:])
    await eventually(lambda: _more(host, sent_before), f"{event_id} in the log")
    await host.turn("amelia", (POINTS, SegmentEntered("at-risk"), SegmentEntered("club")))
    return [effect.get("segment", effect["kind"]) for effect in (await asking).json()["effects"]]


async def _more(host: Host, than: int) -> bool:
    return len(await host.logged()) > than
