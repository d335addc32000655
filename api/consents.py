"""A player's consents as the hosted pages show and change them.

A consent's key is a channel, a purpose, or ``<product>/<channel>``. What the player has said is in their snapshot; what
was withdrawn a moment ago is a mark of the store, in force before the turn that notes it.
"""

from collections.abc import Iterable
from typing import get_args

from msgspec import Struct

from actors.clock import new_id
from api.context import Context
from api.persons import owner_of
from api.receipts import append_event, consent_event
from crm.connectors import connected_channels
from crm.facts.consents import RECORDS
from crm.fields import Product
from crm.tower.judgement import consent_keys, consent_obstacle
from domain.entries import encode_entry
from domain.ids import partition_of
from domain.player import Snapshot
from store.gates import read_stops
from store.keys import mute

SHOWN_PURPOSES = ("promo", "retention", "reward")  # others only where the policy asks for consent to them
NEVER_GIVEN = "; never given"  # ends the proof of what was kept off
_UNASKED = frozenset(("legal", "transactional"))


class Consents(Struct, frozen=True):
    """What the page shows of one player, at one moment."""

    player: str  # the id that lives on
    locale: str
    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    by_product: tuple[str, ...]  # keys <product>/<channel>
    on: frozenset[str]  # of the keys above
    withdrawn: frozenset[str] = frozenset()  # of them, what the player gave up; others that are off were never given
    pending: frozenset[str] = frozenset()
    unsaid: frozenset[str] = frozenset()  # purposes that need a consent, of which the player has said nothing
    confirmed: frozenset[str] = frozenset()  # channels whose consents count once they are confirmed
    is_excluded: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.purposes, *self.channels, *self.by_product)

    def needs_confirmation(self, key: str) -> bool:
        """Tell whether giving this consent asks the player first, by that channel (``crm.facts.consents``)."""
        return key not in self.purposes and key.rpartition("/")[2] in self.confirmed


async def read_consents(context: Context, player_id: str) -> Consents:
    """Return what holds for a player, also one whom no turn has seen."""
    player = await owner_of(context, player_id)
    p = partition_of(player, context.partitions)
    snapshot = await context.players.ref(player).state()
    marks = await context.redis.hget(mute(p), player)
    muted = frozenset(marks.decode().splitlines()) if marks else frozenset[str]()
    documents = context.programme.documents
    policy = documents.get("policies", {}).get("default", {}).get("consent") or {}
    required = tuple(policy.get("required_for") or ())
    channels = tuple(name for name in connected_channels(documents.get("connectors", {})) if name != "webhook")
    purposes = tuple(dict.fromkeys((*SHOWN_PURPOSES, *(name for name in required if name not in _UNASKED))))
    by_product = tuple(f"{product}/{channel}" for product in get_args(Product) for channel in channels)
    by_product = by_product if policy.get("products") else ()
    said, pending = said_by(snapshot)
    held = {**said, **dict.fromkeys(muted, False)}

    def is_sent(purpose: str) -> bool:
        """Tell whether the tower lets some message of the purpose go, by any channel and for any product."""
        asked = {key: given for key, given in held.items() if given or key == purpose}  # channels have their switches
        for channel in channels:
            for product in ("", *(get_args(Product) if by_product else ())):
                keys = consent_keys(purpose, channel, product)
                counted = (1 if product else len(keys)) if purpose in required else 0
                if consent_obstacle(asked, keys, (), asked=counted) is None:
                    return True
        return False

    def is_on(key: str) -> bool:
        return is_sent(key) if key in purposes else held.get(key, key not in by_product)

    return Consents(
        player,
        snapshot.profile.locale,
        channels,
        purposes,
        by_product,
        frozenset(key for key in (*channels, *purposes, *by_product) if is_on(key)),
        frozenset(key for key in (*channels, *purposes, *by_product) if held.get(key) is False) - never_given(snapshot),
        pending,
        frozenset(purpose for purpose in purposes if purpose in required and purpose not in held),
        frozenset(policy.get("double_opt_in") or ()),
        bool(await read_stops(context.redis, p, player)),
    )


def said_by(snapshot: Snapshot) -> tuple[dict[str, bool], frozenset[str]]:
    """Return what the player has said, by key, and which keys wait for a confirmation (``crm.facts.consents``)."""
    said = {key: value for key, value in (snapshot.air.get("consent") or {}).items() if isinstance(value, bool)}
    return said, frozenset(snapshot.air.get("consent_pending") or ())


def never_given(snapshot: Snapshot) -> frozenset[str]:
    """Return the keys that a page kept off though they had never been given: to undo is not to give those."""
    records = snapshot.air.get(RECORDS) or {}
    return frozenset(key for key, (_, _, _, proof, _) in records.items() if proof.endswith(NEVER_GIVEN))


async def is_withdrawn(context: Context, player: str, key: str) -> bool:
    """Tell whether a consent is withdrawn: by a mark of the store, or as the player's last turn knows it."""
    marks = await context.redis.hget(mute(partition_of(player, context.partitions)), player)
    if marks and key in marks.decode().splitlines():
        return True
    return said_by(await context.players.ref(player).state())[0].get(key) is False


async def withdraw(context: Context, player: str, keys: Iterable[str], *, source: str, proof: str) -> None:
    """Withdraw consents: in force when this returns, and in the player's log in the same step each.

    Raises:
        Unavailable: the store did not answer; asking again is safe.
    """
    for key in keys:
        at = context.clock.now_ms()
        event = consent_event(player, key, False, at, f"consent:{new_id()}", source=source, proof=proof)
        await context.intake.mute(player, key, True, encode_entry(event))


async def grant(context: Context, player: str, keys: Iterable[str], *, source: str, proof: str) -> None:
    """Give consents; the player's turn lifts what stood against them, or asks for a confirmation first.

    Raises:
        Busy: the partition's backlog is full.
        StoreDown: no answer.
    """
    for key in keys:
        at = context.clock.now_ms()
        event = consent_event(player, key, True, at, f"consent:{new_id()}", source=source, proof=proof)
        await append_event(context, event)
