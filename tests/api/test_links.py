"""Who may say that two ids are one person."""

import msgspec
import pytest

from api.masks import EventMask
from api.normalise import Rules, read_event
from domain.entries import Event, decode_entry

OPEN = {name: EventMask.of({"client": True}) for name in ("page_viewed", "identified")}
BODY = {"event": "page_viewed", "userId": "amelia", "anonymousId": "a-1", "messageId": "m-1"}


def rules(**who: object) -> Rules:
    return Rules(
        now=1_772_452_800_000, new_id=lambda: "made", masks=OPEN, lateness_max_ms=10**9, max_event=32_768, **who
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "kind", "linked"),
    [
        pytest.param({}, "track", True, id="a server key says who is who"),
        pytest.param({"client": True}, "track", False, id="a public key proves nobody's identity"),
        pytest.param({"client": True}, "identify", True, id="but by an identify that is open to clients"),
        pytest.param({"client": True, "player": "amelia"}, "track", True, id="a token is its own player's"),
    ],
)
def test_ids_are_linked_by_those_who_know(who: dict[str, object], kind: str, linked: bool) -> None:
    accepted = read_event(msgspec.json.encode(BODY), kind, rules(**who))
    event = decode_entry(accepted.entry.body)
    assert isinstance(event, Event)
    assert (event.player, event.anonymous) == ("amelia", "anon:a-1" if linked else "")
    assert [path for path, _ in event.changes] == ([] if linked else ["anonymousId"])


def test_an_anonymous_browser_is_still_itself() -> None:
    body = {"event": "page_viewed", "anonymousId": "a-1", "messageId": "m-1"}
    event = decode_entry(read_event(msgspec.json.encode(body), "track", rules(client=True)).entry.body)
    assert isinstance(event, Event)
    assert (event.player, event.anonymous, event.changes) == ("anon:a-1", "", ())
