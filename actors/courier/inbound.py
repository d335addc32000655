"""What a provider reports over the connection that it was sent by (SMPP), as receipts in the player's log.

What comes by HTTP (``api.hooks``) finds its player in other ways, and becomes the same entry. Raising tells the adapter
that it is not safe yet.
"""

from hashlib import blake2b
from typing import Any

from redis.asyncio import Redis

from actors.clock import Clock
from channels.ports import Inbound
from crm.addresses import digest_of
from crm.facts.stop_words import asks_to_stop
from crm.identity.duplicates import CLAIMS_MAX
from crm.identity.finding import actors_of
from domain.entries import Event, encode_entry
from domain.ids import partition_of
from domain.player import snapshot_from_parts
from domain.receipts import OUTCOMES, PREFIX, TYPE
from store.client import is_transient
from store.intake import Intake, buckets
from store.keys import PLAYERS
from store.ports import Incoming, Unavailable, Verdict
from store.provider_ids import Posted, ProviderIds

CHARS_MAX = 1_600  # of a reply: ten SMS
LATENESS_MAX_MS = 48 * 3_600_000  # of a report over a connection of ours; for hooks the gateway's own setting counts
MADE_HERE = frozenset(("sent", "returned", "stopped", "withdrawn", "expired", "unknown"))  # a courier's, no vendor's
_WITHDRAWS = frozenset(("unsubscribed", "complained"))


class Inbox:
    """Takes reports of one connector."""

    def __init__(
        self, redis: Redis, intake: Intake, ids: ProviderIds, clock: Clock, *, connector: str, channel: str
    ) -> None:
        self._redis: Any = redis
        self._intake = intake
        self._ids = ids
        self._clock = clock
        self._connector = connector
        self._channel = channel

    async def take(self, inbound: Inbound) -> None:
        """Append a report to the log of each player that it is about; one that comes again changes nothing.

        Raises:
            Unavailable: it is not safe; the provider keeps it.
        """
        if not is_reported(inbound):
            return
        entries = [
            entry_of(inbound, posted, self._connector, self._clock.now_ms(), LATENESS_MAX_MS)
            for posted in await self._about(inbound)
        ]
        if entries and any(isinstance(answer, Verdict) for answer in await self._intake.append(entries)):
            raise Unavailable("too many events wait")

    async def _about(self, inbound: Inbound) -> list[Posted]:
        if inbound.provider_id and (posted := await self._ids.find(self._connector, inbound.provider_id)):
            return [posted]
        if inbound.player:
            return [Posted(inbound.player, inbound.request, self._channel)]
        for actor in actors_of("smpp", inbound.address):
            if claims := await self._claims(actor):
                return [Posted(player, "", self._channel) for player in claims]
        return []

    async def _claims(self, actor: str) -> list[str]:
        key = PLAYERS.state(partition_of(actor, self._intake.partitions), actor)
        try:
            identity = await self._redis.hget(key, "identity")
        except Exception as error:
            raise (Unavailable(str(error)) if is_transient(error) else error) from error
        known = snapshot_from_parts(actor, 0, {"identity": identity} if identity else {})
        return list(known.identity.claims)[:CLAIMS_MAX]


def is_reported(inbound: Inbound) -> bool:
    """Tell whether a provider may say so; how a claim ends only its courier knows."""
    return inbound.outcome in OUTCOMES and inbound.outcome not in MADE_HERE


def entry_of(inbound: Inbound, posted: Posted, connector: str, now: int, lateness_max_ms: int) -> Incoming:
    """Return what the log of a player takes of a report, whichever way it came.

    Args:
        lateness_max_ms: A time before it, as of a clock that stands at 1970, is not believed.
    """
    at = min(max(inbound.at, now - lateness_max_ms), now) if inbound.at else now
    properties: dict[str, Any] = {
        "message_id": posted.request,
        "channel": posted.channel,
        "template": posted.template,
        "purpose": posted.purpose,
        "connector": connector,
        "address": posted.address or (digest_of(inbound.address) if inbound.address else ""),
        "detail": inbound.detail[:CHARS_MAX],
        "provider_id": inbound.provider_id[:200],
        "is_address_dead": inbound.is_address_dead,
        # By mail as by one click: the purpose. Who answers STOP in a chat has no link, and means the channel.
        "key": posted.purpose if inbound.outcome == "unsubscribed" and posted.channel == "email" else "",
    }
    # Never the id of a courier's landing (``domain.receipts``): a vendor's ``failed`` is shown, and settles nothing.
    event = Event(
        posted.player,
        f"msg:{posted.request or connector}:{inbound.outcome}:{_digest(inbound, now)}",
        PREFIX + inbound.outcome,
        at,
        {name: value for name, value in properties.items() if value},
        type=TYPE,
        source=f"hook:{connector}",
    )
    bucket, other = buckets(at if inbound.at else None, now)
    return Incoming(event.player, event.id, event.id[-64:], bucket, encode_entry(event), other, at)


def _digest(inbound: Inbound, now: int) -> str:
    """Return what tells this report from others: it comes again with the same.

    One that the vendor does not name is told apart by what it says. But what withdraws a consent counts each time that
    it comes: to withdraw twice does no harm, and the player may have agreed again in between.
    """
    said = [inbound.outcome, inbound.at, inbound.provider_id, inbound.detail, inbound.address, inbound.mark]
    if not inbound.mark and (inbound.outcome in _WITHDRAWS or asks_to_stop(inbound.detail)):
        said.append(now)
    return blake2b(repr(said).encode(), digest_size=8).hexdigest()
