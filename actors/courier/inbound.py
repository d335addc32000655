"""What a provider reports over the connection that it was sent by (SMPP), as receipts in the player's log.

What comes by HTTP goes the same way through ``api.hooks``. Raising tells the adapter that it is not safe yet.
"""

from hashlib import blake2b
from typing import Any

from redis.asyncio import Redis

from actors.clock import Clock
from channels.ports import Inbound
from crm.addresses import digest_of
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

CHARS_MAX = 1_600  # of a reply


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
        if inbound.outcome not in OUTCOMES:
            return
        entries = [self._entry(inbound, posted) for posted in await self._about(inbound)]
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

    def _entry(self, inbound: Inbound, posted: Posted) -> Incoming:
        now = self._clock.now_ms()
        at = min(inbound.at, now) if inbound.at else now
        properties = {
            "message_id": posted.request,
            "channel": posted.channel,
            "template": posted.template,
            "purpose": posted.purpose,
            "connector": self._connector,
            "address": posted.address or (digest_of(inbound.address) if inbound.address else ""),
            "detail": inbound.detail[:CHARS_MAX],
            "provider_id": inbound.provider_id[:200],
            "is_address_dead": inbound.is_address_dead,
        }
        said = [inbound.outcome, inbound.at, inbound.provider_id, inbound.detail, inbound.address, inbound.mark]
        digest = blake2b(repr(said).encode(), digest_size=8).hexdigest()
        event = Event(
            posted.player,
            f"msg:{posted.request or self._connector}:{inbound.outcome}:{digest}",
            PREFIX + inbound.outcome,
            at,
            {name: value for name, value in properties.items() if value},
            type=TYPE,
            source=f"hook:{self._connector}",
        )
        bucket, other = buckets(at if inbound.at else None, now)
        return Incoming(event.player, event.id, event.id[-64:], bucket, encode_entry(event), other, at)
