"""What players, devices and providers tell over HTTP, as events of the player's log.

Nothing here is a client's event: receipts have the type ``message``, which intake does not know, so nobody but the
engine can say that a message was opened.
"""

from api.context import Context
from domain.entries import Event, encode_entry
from domain.errors import Busy
from domain.links import Link
from domain.receipts import PREFIX, TYPE
from store.intake import buckets
from store.ports import Appended, Incoming, Verdict

MINUTE_MS = 60_000


async def append_event(context: Context, event: Event) -> Appended:
    """Append an event of the engine's own; one with the same id is there already, whatever it says.

    Raises:
        Busy: the partition's backlog is full; nothing was appended.
        StoreDown: no answer; asking again is safe.
    """
    (answer,) = await context.append([incoming(context, event)])
    if isinstance(answer, Verdict):
        context.counts["events_backlogged"] += 1
        raise Busy("too many events of this player's partition wait; a retry is safe", retry_after_s=1)
    return answer


def incoming(context: Context, event: Event, *, is_dated: bool = True) -> Incoming:
    """Return what the log takes. The id alone tells such events apart, so it is the fingerprint too.

    Args:
        is_dated: Sent again it has the same time; else it is looked for among what arrived lately.
    """
    bucket, other = buckets(event.occurred_at if is_dated else None, context.clock.now_ms())
    return Incoming(event.player, event.id, event.id[-64:], bucket, encode_entry(event), other, event.occurred_at)


def link_receipt(
    link: Link, outcome: str, at: int, *, once_per_ms: int = 0, nonce: str = "", detail: str = ""
) -> Event:
    """Return the receipt of a link that was opened.

    Args:
        once_per_ms: Of the same message at most one counts in so long; 0: each does.
        nonce: Tells links of one message apart.
    """
    # The start of the window is the time too: a later one of the same window must meet the first in its dedupe bucket.
    at = at - at % once_per_ms if once_per_ms else at
    properties: dict[str, str] = {
        "message_id": link.request,
        "channel": link.channel,
        "template": link.template,
        "purpose": link.purpose,
        "url": link.target if link.kind == "click" else "",
        "detail": detail,
    }
    return Event(
        link.player,
        f"msg:{link.request}:{outcome}:{at}" + (f":{nonce}" if nonce else ""),
        PREFIX + outcome,
        at,
        _present(properties),
        type=TYPE,
        source=f"link:{link.kind}",
    )


def consent_event(player: str, key: str, granted: bool, at: int, event_id: str, *, source: str, proof: str) -> Event:
    """Return ``consent_changed`` for a consent's key: a channel, a purpose, or ``<product>/<channel>``."""
    return Event(
        player,
        event_id,
        "consent_changed",
        at,
        {**consent_key(key), "granted": granted, "source": source, "proof": proof},
        source=f"link:{source}",
    )


def consent_key(key: str) -> dict[str, str]:
    """Return a consent's key as an event names it."""
    product, slash, channel = key.partition("/")
    if slash:
        return {"key": key, "product": product, "channel": channel}
    return {"key": key, "purpose" if key in PURPOSES else "channel": key}


PURPOSES = frozenset(("transactional", "service", "reward", "retention", "promo", "legal"))


def _present(properties: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if value}
