"""The connectors of the live programme as one courier uses them: adapter, breaker, pace, and what is in flight."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from actors.courier import breaker as circuit
from actors.courier.breaker import Breaker
from actors.courier.pacing import Pace, throttled
from channels.ports import Adapter, Parcel, Rejected, Result, Retry, Sent, Unclear
from crm.addresses import Address
from crm.connectors import LINE_OF, MODELS, Connector

MakeAdapter = Callable[[str, dict[str, Any]], Adapter]
Log = Callable[[str], None]

MAKE_AGAIN_MS = 30_000  # an adapter that could not be made: its secret may be there by then
DEADLINE_EXTRA_S = 1.0  # beyond an adapter's own ``timeout_s``


class Provider:
    """One connector. ``adapter`` is None while it could not be made, ``error`` says why."""

    def __init__(self, name: str, document: dict[str, Any], log: Log) -> None:
        self.id = name
        self.document = document
        self.kind = str(document["kind"])
        self.channel = LINE_OF[self.kind]
        self.limits, self._invalid = _limits(document)
        self.adapter: Adapter | None = None
        self.error = ""
        self.made_at = 0  # ms, the last attempt
        self.breaker = Breaker()
        self.pace = Pace()
        self.in_flight = 0
        self.room = 0  # messages that may be sent by it in this pass
        self.counts: Counter[str] = Counter()  # sent retry rejected unclear defect
        self._openings = 0  # of its breaker
        self._log = log
        self._defects: set[str] = set()

    async def make(self, make_adapter: MakeAdapter, now: int) -> None:
        """Connect, if that was not done and not tried a short time ago."""
        if self.adapter is not None or (self.made_at and 0 <= now - self.made_at < MAKE_AGAIN_MS):
            return
        self.made_at = now
        if self._invalid is not None:
            self._unusable(self._invalid)
            return
        try:
            adapter = make_adapter(self.id, self.document)
            if (opened := getattr(adapter, "open", None)) is not None:  # it brings reports also while nothing is sent
                await opened()
            self.adapter, self.error = adapter, ""
        except Exception as error:  # whatever is wrong with one connector, the others must work
            self._unusable(error)

    def _unusable(self, error: Exception) -> None:
        self.error = f"{type(error).__name__}: {error}"
        self._log(f"connector {self.id} cannot be used: {self.error}")

    def free(self, now: int, places: int) -> int:
        """Return how many of so many places the breaker lets be used."""
        return self.breaker.room(now, places) if self.adapter is not None else 0

    def may_take(self, address: Address) -> bool:
        """Tell whether it sends to addresses of this kind; of one that could not be made that is not known."""
        return self.adapter is None or address.kind in self.adapter.address_kinds

    @property
    def is_idempotent(self) -> bool:
        """Tell whether the provider drops a second message of the same id."""
        return self.adapter is not None and self.adapter.is_idempotent

    @property
    def needs_address(self) -> bool:
        """Tell whether a message needs an address of the player (a webhook's is the connector's)."""
        return self.adapter is None or bool(self.adapter.address_kinds)

    async def send(self, parcel: Parcel) -> Result:
        """Send, within a hard deadline; an adapter that breaks its promises is a defect, told once a kind."""
        assert self.adapter is not None, "it has no room"
        deadline = self.limits.timeout_s + DEADLINE_EXTRA_S
        try:
            async with asyncio.timeout(deadline):
                return await self.adapter.send(parcel)
        except TimeoutError:
            self.counts["overdue"] += 1
            return Unclear(f"no answer within {deadline:g} s")
        except Exception as error:
            self.counts["defect"] += 1
            if type(error).__name__ not in self._defects:
                self._defects.add(type(error).__name__)
                self._log(f"defect in the adapter of connector {self.id}:\n{traceback.format_exc()}")
            return Unclear(f"defect in the adapter: {type(error).__name__}")

    def begun(self, now: int) -> int:
        """Note that a message goes out; how often the breaker had opened by then."""
        self.in_flight += 1
        self.breaker = circuit.begun(self.breaker, now)
        return self._openings

    def ended(self, result: Result, now: int, begun: int) -> None:
        """Note what became of it.

        What went out before the breaker opened says nothing new: only a probe's answer closes it, or opens it again.
        """
        self.in_flight -= 1
        self.counts[type(result).__name__.lower()] += 1
        if begun == self._openings:
            before = self.breaker.until
            self._judge(result, now)
            self._openings += self.breaker.until > before

    def _judge(self, result: Result, now: int) -> None:
        match result:
            case Retry(is_provider=True, after_s=after_s):
                self.breaker = circuit.failed(self.breaker, now, after_ms=int(after_s * 1_000))
                if after_s > 0:
                    self.pace = throttled(self.pace, now, min(int(after_s * 1_000), circuit.OPEN_MAX_MS))
            case Unclear(is_provider=True):
                self.breaker = circuit.failed(self.breaker, now)
            case Unclear():
                self.breaker = circuit.given_up(self.breaker)
            case Sent() | Rejected() | Retry():
                self.breaker = circuit.succeeded(self.breaker)

    def described(self, now: int) -> dict[str, Any]:
        """Return what the heartbeat says of it."""
        return {
            "kind": self.kind,
            "breaker": self.breaker.state(now),
            "until": self.breaker.until,
            "in_flight": self.in_flight,
            "error": self.error,
            **{word: self.counts[word] for word in ("sent", "retry", "rejected", "unclear", "overdue", "defect")},
        }

    async def close(self) -> None:
        """End the adapter's connections; what it was sending has ended before."""
        adapter, self.adapter = self.adapter, None
        if adapter is None:
            return
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                await adapter.close()
        except Exception as error:  # it is over either way
            self._log(f"the adapter of connector {self.id} did not close in order: {error!r}")


class Providers:
    """All connectors of the live programme."""

    def __init__(self, make_adapter: MakeAdapter, log: Log) -> None:
        self._make = make_adapter
        self._log = log
        self._all: dict[str, Provider] = {}
        self._retired: list[Provider] = []  # still sending
        self._closing: set[asyncio.Task[None]] = set()

    async def follow(self, documents: Mapping[str, Mapping[str, Any]], now: int) -> None:
        """Use the connectors of these documents; one whose document changed is made anew, the old one closed."""
        for name, provider in list(self._all.items()):
            if documents.get(name) != provider.document:
                self._retired.append(self._all.pop(name))
        for name, document in documents.items():
            if name not in self._all and str(document.get("kind")) in LINE_OF:
                self._all[name] = Provider(name, dict(document), self._log)
        for provider in self._all.values():
            await provider.make(self._make, now)
        self._close_retired()

    def of(self, channel: str) -> list[Provider]:
        """Return the connectors of a channel in the order in which they are tried."""
        found = [provider for provider in self._all.values() if provider.channel == channel]
        return sorted(found, key=lambda provider: (provider.limits.order, provider.id))

    def is_usable(self, channel: str) -> bool:
        """Tell whether some connector of a channel could be made; whether it works now is its breaker's to say."""
        return any(provider.adapter is not None for provider in self.of(channel))

    @property
    def channels(self) -> list[str]:
        """Return the channels that are connected."""
        return sorted({provider.channel for provider in self._all.values()})

    async def close(self) -> None:
        """Close all adapters; nothing is sent any more."""
        closing = [provider.close() for provider in (*self._all.values(), *self._retired)]
        await asyncio.gather(*closing, *self._closing)

    def _close_retired(self) -> None:
        """Close what sends nothing any more, beside the round: it may take as long as its provider likes."""
        for provider in [each for each in self._retired if not each.in_flight]:
            self._retired.remove(provider)
            task = asyncio.create_task(provider.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _limits(document: Mapping[str, Any]) -> tuple[Connector, Exception | None]:
    """Return what a document says of pace and order; of one that no version of ours would publish, the defaults."""
    fields = MODELS[str(document["kind"])].model_fields
    limits = {name: document.get(name, fields[name].default) for name in Connector.model_fields}
    try:
        return Connector.model_validate(limits), None
    except ValueError as error:
        return Connector.model_construct(), error
