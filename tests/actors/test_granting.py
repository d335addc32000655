"""A grant on the operator's platform: from the purchase over tower and courier, and back to the player's turn."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from actors.player import Player, Told
from actors.programme import compile_programme
from channels.ports import Parcel, Rejected, Result, Retry, Sent
from crm.tower.airspace import Airspace
from crm.tower.turn import take_tower_turn
from domain.dispatch import Dispatch
from domain.entries import Command, Entry, GrantAsked, LogEntry, decode_entry
from domain.granting import told
from domain.ids import partition_of
from domain.player import Snapshot
from domain.shop import Purchase
from tests.actors.post import PARTITIONS, START, Do, Office, Provider, run

HOUR = 3_600_000
DOCUMENTS: dict[str, Any] = {
    "connectors": {
        "platform": {"kind": "webhook", "url": "https://platform.example/grants", "secret": {"env": "GRANTS"}},
        "other": {"kind": "webhook", "url": "https://other.example", "secret": {"env": "GRANTS"}, "order": 0},
    },
    "rewards": {
        "spins": {
            "type": "bonus",
            "grant": {"connector": "platform"},
            "price": {"currency": "points", "amount": 50},
            "confirm_within": "72h",
        }
    },
}


class Zoya:
    """One player, who has 100 points."""

    def __init__(self, **item: Any) -> None:
        spins = DOCUMENTS["rewards"]["spins"] | item
        self.programme = compile_programme(1, DOCUMENTS | {"rewards": {"spins": spins}})
        self.state = Snapshot("zoya")
        self.outputs: list[Entry] = []
        self.count = 0
        self.take(Command("zoya", "cmd:1", "adjust", {"currency": "points", "amount": 100}))

    def take(self, entry: Entry, at: int = START) -> None:
        self.count += 1
        logged = LogEntry(f"{self.count}-0", at, entry)
        turns, self.state = Player(self.state).take([logged], Told(self.programme, 0, "seed"))
        assert not turns.failed, turns.failed
        self.outputs = [decode_entry(body) for body in turns.outputs]

    def buys(self) -> GrantAsked:
        self.take(Command("zoya", f"cmd:{self.count}", "buy", {"item": "spins"}))
        (asked,) = [entry for entry in self.outputs if isinstance(entry, GrantAsked)]
        return asked

    @property
    def purchase(self) -> Purchase:
        return self.state.shop.purchases[-1]

    @property
    def points(self) -> int:
        return self.state.wallet["points"].balance

    def tower(self, asked: GrantAsked, *, stopped: bool = False) -> tuple[tuple[Dispatch, ...], tuple[Any, ...]]:
        step = take_tower_turn(self.programme.crm, Airspace("zoya"), LogEntry("1-0", START, asked), stopped=stopped)
        return step.dispatches, step.told


def answers(*results: Result) -> Do:
    left = list(results)

    async def do(_: Parcel) -> Result:
        await asyncio.sleep(0.05)
        return left.pop(0) if len(left) > 1 else left[0]

    return do


def posted(zoya: Zoya, do: Do, seconds: float = 2) -> tuple[list[Command], Provider, Provider]:
    """Let a courier post what the player bought; the commands that come back."""
    dispatches, _ = zoya.tower(zoya.buys())

    async def story() -> tuple[list[Command], Provider, Provider]:
        post = Office()
        platform, other = Provider(do, kinds=frozenset(), is_idempotent=True), Provider(do, kinds=frozenset())
        post.connector("platform", platform, **DOCUMENTS["connectors"]["platform"])
        post.connector("other", other, **DOCUMENTS["connectors"]["other"])
        post.clear(*dispatches)
        post.start()
        await asyncio.sleep(seconds)
        assert post.letters() == [], "a grant that failed was paid back: it must not be sent again"
        log = post.store.of(partition_of("zoya", PARTITIONS)).lanes["players"].log
        entries = [decode_entry(fields["e"]) for fields in log.items]
        return [entry for entry in entries if isinstance(entry, Command)], platform, other

    return run(story)


def test_the_platform_grants_and_the_purchase_is_over_in_the_turn_of_its_answer() -> None:
    zoya = Zoya()
    (command,), platform, other = posted(zoya, answers(Sent(said={"status": "granted"})))
    assert (zoya.purchase.status, zoya.points) == ("granting", 50)
    ((_, parcel),) = platform.parcels
    assert parcel.id == zoya.purchase.id, "the idempotency key"
    assert parcel.content["grant"]["item"] == "spins"
    assert other.parcels == [], "it goes by the connector that the item names"
    zoya.take(command, START + 1_000)
    assert (zoya.purchase.status, zoya.points) == ("granted", 50)
    zoya.take(command, START + 2_000)
    assert zoya.purchase.status == "granted", "it may come twice"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Rejected("422"), "failed: 422"),
        (Sent(said={"status": "failed", "reason": "unknown game"}), "unknown game"),
    ],
)
def test_what_the_platform_refuses_is_paid_back_and_says_why(result: Result, reason: str) -> None:
    zoya = Zoya()
    (command,), _, _ = posted(zoya, answers(result))
    zoya.take(command, START + 1_000)
    assert (zoya.purchase.status, zoya.purchase.reason, zoya.points) == ("failed", reason, 100)


def test_pending_waits_for_the_platforms_later_word() -> None:
    zoya = Zoya()
    commands, _, _ = posted(zoya, answers(Sent(said={"status": "pending"})))
    assert commands == []
    zoya.take(told("zoya", zoya.purchase.id, "granted", ""), START + HOUR)
    assert zoya.purchase.status == "granted"


def test_it_is_tried_again_with_the_same_id_by_the_ladder() -> None:
    zoya = Zoya()
    again = Retry("503")
    (command,), platform, _ = posted(zoya, answers(again, again, Sent(said={"status": "granted"})), seconds=120)
    assert platform.ids == [zoya.purchase.id] * 3
    assert command.args["status"] == "granted"


def test_when_the_platform_never_takes_it_the_price_is_back() -> None:
    zoya = Zoya(confirm_within="2m")
    (command,), _, _ = posted(zoya, answers(Retry("503")), seconds=60)
    zoya.take(command, START + 60_000)
    assert (zoya.purchase.status, zoya.points) == ("failed", 100)
    assert zoya.purchase.reason.endswith("503")


def webhook(request: str, player: str) -> Dispatch:
    """Return a message that a journey sends to the platform: service, so in the grants' lane."""
    until = START + 600_000
    return Dispatch(request, player, "webhook", "service", "t", {}, START, until, until, source="journeys/j")


PLATFORM, OTHER = DOCUMENTS["connectors"]["platform"], DOCUMENTS["connectors"]["other"]


def test_no_budget_nor_rate_of_the_policy_holds_a_grant_and_the_connectors_own_does() -> None:
    async def story() -> tuple[int, int]:
        post = Office()
        post.documents["policies"] = {"default": {"channels": {"webhook": {"per_day": 0, "per_s": 0.001}}}}
        slow = {"rate_per_s": 1, "burst": 1}
        free, paced = (Provider(answers(Sent()), kinds=frozenset(), is_idempotent=True) for _ in range(2))
        post.connector("platform", free, **PLATFORM)
        post.connector("other", paced, **(OTHER | slow))
        (grant,), _ = Zoya().tower(asked)
        post.clear(*(replace(grant, id=f"g{n}", player=f"zoya{n}") for n in range(20)))
        post.clear(*(replace(grant, id=f"o{n}", player=f"bob{n}", template="other") for n in range(20)))
        post.start()
        await asyncio.sleep(10)
        return len(free.parcels), len(paced.parcels)

    asked = Zoya().buys()
    sent, paced = run(story)
    assert sent == 20
    assert 5 <= paced <= 13, "its provider's capacity"


def test_a_grant_goes_by_its_connector_wherever_that_stands_in_order_and_other_webhooks_by_the_first() -> None:
    async def story() -> tuple[list[str], list[str]]:
        post = Office()
        first, last = (Provider(answers(Sent()), kinds=frozenset(), is_idempotent=True) for _ in range(2))
        post.connector("other", first, **(OTHER | {"order": 1}))
        post.connector("platform", last, **(PLATFORM | {"order": 2}))
        (grant,), _ = Zoya().tower(asked)
        post.clear(grant, *(webhook(f"r{n}", f"p{n}") for n in range(30)))
        post.start()
        await asyncio.sleep(30)
        return first.ids, last.ids

    asked = Zoya().buys()
    others, grants = run(story)
    assert grants == [asked.id]
    assert sorted(others) == sorted(f"r{n}" for n in range(30))


def test_who_is_excluded_is_granted_nothing_and_pays_nothing() -> None:
    zoya = Zoya()
    dispatches, (command,) = zoya.tower(zoya.buys(), stopped=True)
    assert dispatches == ()
    zoya.take(command, START + 1_000)
    assert (zoya.purchase.status, zoya.purchase.reason, zoya.points) == ("failed", "excluded", 100)


def test_a_connector_that_is_gone_grants_nothing() -> None:
    zoya = Zoya()
    dispatches, _ = zoya.tower(zoya.buys())

    async def story() -> list[Any]:
        post = Office()
        post.connector("other", Provider(answers(Sent()), kinds=frozenset()), **DOCUMENTS["connectors"]["other"])
        post.clear(*dispatches)
        post.start()
        await asyncio.sleep(30)
        log = post.store.of(partition_of("zoya", PARTITIONS)).lanes["players"].log
        return [decode_entry(fields["e"]) for fields in log.items]

    (command,) = run(story)
    zoya.take(command, START + 30_000)
    assert (zoya.purchase.status, zoya.points) == ("failed", 100)
