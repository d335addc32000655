"""What this process holds and what has ended: settled in batches, each until the store has confirmed it."""

from collections import Counter

from actors.courier.landing import Landed, Outcome, Try
from channels.ports import Sent
from domain.dispatch import Dispatch
from store.ports import Queue, Refused, Settlement
from store.provider_ids import Posted, ProviderIds

STUCK_AGAIN_MS = 30_000  # settlements of a partition that waits for a person
BATCH_MAX = 500


class Settling:
    """The end of every claim."""

    def __init__(self, queue: Queue, ids: ProviderIds) -> None:
        self._queue = queue
        self._ids = ids
        self.held: set[tuple[str, str]] = set()  # request, token: claimed by us and not known to be settled
        self.landings: dict[str, Counter[str]] = {}  # channel -> word -> how many
        self.broken: dict[int, str] = {}  # partition -> why it waits for a person
        self._landed: list[tuple[str, Landed]] = []  # channel, how it ends
        self._posted: list[tuple[str, str, Posted]] = []
        self._stuck: list[tuple[str, Landed]] = []
        self._stuck_at = 0

    @property
    def is_due(self) -> bool:
        """Tell whether something is to be settled."""
        return bool(self._landed)

    def hold(self, held: Try) -> None:
        """Note a claim of ours."""
        self.held.add((held.dispatch.id, held.token))

    def land(self, channel: str, landed: Landed) -> None:
        """Note how a claim ends."""
        self.held.add((landed.settlement.request, landed.settlement.token))
        self._landed.append((channel, landed))

    def posted(self, dispatch: Dispatch, outcomes: list[Outcome]) -> None:
        """Note what providers call a message; before it lands, for their reports may be quick."""
        for outcome in outcomes:
            if isinstance(outcome.result, Sent) and outcome.result.provider_id:
                posted = Posted(
                    dispatch.player, dispatch.id, dispatch.channel, dispatch.template, dispatch.purpose, outcome.address
                )
                self._posted.append((outcome.connector, outcome.result.provider_id, posted))

    async def settle(self, now: int) -> None:
        """Settle all that has ended.

        Raises:
            Unavailable: the store did not answer; the same settlements are sent again, which is harmless.
        """
        if self._stuck and not 0 <= now - self._stuck_at < STUCK_AGAIN_MS:
            self._landed += self._stuck
            self._stuck, self._stuck_at, self.broken = [], now, {}
        while self._landed:
            batch = self._landed[:BATCH_MAX]
            if posted := self._posted[:]:
                await self._ids.remember(posted)
                del self._posted[: len(posted)]
            answers = await self._ask([landed.settlement for _, landed in batch])
            del self._landed[: len(batch)]  # others were only added behind them
            for (channel, landed), is_ours in zip(batch, answers, strict=True):
                if is_ours is None:
                    self._stuck.append((channel, landed))
                    continue
                self.held.discard((landed.settlement.request, landed.settlement.token))
                if is_ours:
                    self.landings.setdefault(channel, Counter())[landed.word] += 1

    async def _ask(self, settlements: list[Settlement]) -> list[bool | None]:
        """Settle a batch; None for those of a broken partition, which must not hold up the others."""
        try:
            return list(await self._queue.settle(settlements))
        except Refused:
            pass
        answers: list[bool | None] = []
        for settlement in settlements:
            try:
                answers += await self._queue.settle([settlement])
            except Refused as refused:
                self.broken[settlement.partition] = refused.detail or "broken"
                answers.append(None)
        return answers
