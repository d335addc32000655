"""From a claim to the provider: by which connector, to which address, all at once and bounded."""

import asyncio
from collections.abc import Callable
from random import Random

from actors.clock import Clock
from actors.courier import landing
from actors.courier.budgets import Budgets
from actors.courier.landing import Landed, Outcome, Try
from actors.courier.parcels import Links, parcel_of
from actors.courier.providers import Log, Provider, Providers
from actors.courier.rooms import UNCONNECTED_MS, preferred
from actors.courier.settling import Settling
from channels.ports import Rejected, Result, Sent, Unclear
from crm.addresses import Address
from domain.granting import is_grant, may_hold_grants
from domain.reading import CHANNEL as READING
from store.reach import Reached

HELD_MAX_MS = 5_000  # a claim that could not be sent for so long may be late by now
PUT_BACK_MS = 250  # a message whose connector has no room waits at least so long, and up to twice that
UNUSABLE_MS = 60_000  # one whose only connector could not be made

Part = tuple[Provider, Address | None]


class Sending:
    """Sends what is claimed; ``on_end`` is told whenever a message has landed."""

    def __init__(
        self, providers: Providers, budgets: Budgets, settling: Settling, links: Links, clock: Clock, rng: Random,
        log: Log, on_end: Callable[[], None],
    ) -> None:  # fmt: skip
        self._providers = providers
        self._budgets = budgets
        self._settling = settling
        self._links = links
        self._clock = clock
        self._rng = rng
        self._log = log
        self._on_end = on_end
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, held: Try, reached: Reached) -> None:
        """Begin to send one message, or note how it ends unsent."""
        now, dispatch = self._clock.now_ms(), held.dispatch
        chosen = self._choose(held, reached, now)
        if isinstance(chosen, Landed):
            if self._providers.is_usable(dispatch.channel):
                self._budgets.refund(dispatch.channel)
            self._settling.land(dispatch.channel, chosen)
            return
        begun: list[tuple[Provider, int]] = []
        for provider in {provider.id: provider for provider, _ in chosen}.values():
            provider.room -= 1
            begun.append((provider, provider.begun(now)))
        task = asyncio.create_task(self._send(held, chosen, begun))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _choose(self, held: Try, reached: Reached, now: int) -> list[Part] | Landed:
        """Return what to send by which connector; or how it ends unsent.

        A push goes to every device, each by the first connector that can; what goes to one inbox of the player, to the
        best address that some connector takes.
        """
        dispatch = held.dispatch
        providers = self._providers.of(dispatch.channel)
        if dispatch.channel == READING:  # it names what shall read it
            providers = [provider for provider in providers if provider.id == dispatch.template]
            if not providers:  # it may be asked no more; or we have not read yet that it may
                known_at = dispatch.cleared_at + UNCONNECTED_MS
                return landing.put_back(held, known_at) if now < known_at else landing.unwanted(held, now)
        if is_grant(dispatch):
            return self._of_grant(held, now)
        if may_hold_grants(dispatch.channel, dispatch.lane):  # every connector has room there
            providers = preferred(providers, now) or providers
        if not self._providers.is_usable(dispatch.channel):
            return landing.returned(held, now, "channel_not_available")
        if now - held.at > HELD_MAX_MS and now >= min(dispatch.send_until, dispatch.expires_at):
            return landing.returned(held, now, "late")
        parts: list[Part] = [(provider, None) for provider in providers if not provider.needs_address]
        for address in reached.addresses.get(dispatch.channel, ()):
            parts += [(p, address) for p in providers if p.needs_address and p.may_take(address)]
        if not parts:
            is_suppressed = dispatch.channel in reached.is_suppressed
            return landing.unreachable(held, now, is_suppressed=is_suppressed)
        ready = [part for part in parts if part[0].room > 0]
        if not ready:
            return landing.put_back(held, self._again(parts, now))
        if dispatch.channel != "push":
            return ready[:1]
        each: dict[str, Part] = {}
        for provider, to in ready:
            each.setdefault(to.digest if to is not None else "", (provider, to))
        return list(each.values())

    def _of_grant(self, held: Try, now: int) -> list[Part] | Landed:
        """Return the connector that a grant names; it waits for that one, and for no other."""
        dispatch = held.dispatch
        parts: list[Part] = [
            (provider, None) for provider in self._providers.of(dispatch.channel) if provider.id == dispatch.template
        ]
        if not parts:  # the programme has it no more, or we have not read yet that it has
            known_at = dispatch.cleared_at + UNCONNECTED_MS
            if now < known_at:
                return landing.put_back(held, known_at)
            return landing.unwanted(held, now)
        if parts[0][0].adapter is None or parts[0][0].room <= 0:
            return landing.put_back(held, self._again(parts, now))
        return parts

    def _again(self, parts: list[Part], now: int) -> int:
        """Return when some connector may have room."""
        usable = [provider for provider, _ in parts if provider.adapter is not None]
        if not usable:
            return now + UNUSABLE_MS
        soonest = min(provider.breaker.until for provider in usable)
        return max(soonest, now + PUT_BACK_MS + self._rng.randrange(PUT_BACK_MS))

    async def _send(self, held: Try, parts: list[Part], begun: list[tuple[Provider, int]]) -> None:
        dispatch, now = held.dispatch, self._clock.now_ms()
        results: list[Result]
        try:
            parcels = [parcel_of(dispatch, address, provider.id, self._links, now) for provider, address in parts]
        except Exception as error:  # a defect of ours, before anything was sent: its line must not stand still for it
            self._log(f"message {dispatch.id} could not be made: {error!r}")
            results = [Rejected(f"defect: {type(error).__name__}: {error}")] * len(parts)
        else:
            sends = (provider.send(parcel) for (provider, _), parcel in zip(parts, parcels, strict=True))
            results = list(await asyncio.gather(*sends))
        now = self._clock.now_ms()
        outcomes = [
            Outcome(result, address.digest if address is not None else "", provider.id, provider.is_idempotent)
            for (provider, address), result in zip(parts, results, strict=True)
        ]
        landed = landing.ended(held, outcomes, now, self._rng)
        self._settling.posted(dispatch, outcomes)
        if not isinstance(landing.together(outcomes).result, Sent | Unclear):
            self._budgets.refund(dispatch.channel)
        self._settling.land(dispatch.channel, landed)
        for provider, opened in begun:
            of_it = [outcome for outcome in outcomes if outcome.connector == provider.id]
            provider.ended(landing.together(of_it).result, now, opened)
        self._on_end()
