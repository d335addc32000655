"""People who play before they say who they are: what they send, and what must hold of those they turn out to be."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from actors.partition import decode_part
from domain.effects import Forwarded, JourneyEntered, SetAside, decode_record
from domain.entries import Event, MergeAsked, Merged, MergeRefused, ProgrammePublished, TimerFired, decode_entry
from domain.ids import partition_of
from domain.player import Snapshot, snapshot_from_parts
from tests.simulation.model import parsed

if TYPE_CHECKING:
    from tests.simulation.world import World

EMAILS = ("one@example.com", "two@example.com")
SAGA = (MergeAsked, Merged, MergeRefused)


class Visitor:
    """One client: visit after visit, on devices of its own and on those of others, in the name of whoever logs in."""

    def __init__(self, number: int, users: tuple[str, ...], devices: list[str]) -> None:
        self._number = number
        self._users = users
        self._devices = devices  # of all visitors, as they come up
        self._visits = 0
        self._device = self._user = ""
        self._is_logged_in = False

    def sends(self, r: Random, message_id: str, name: str, at: int, properties: dict[str, Any]) -> Event:
        """Return the visitor's next event: of the device, of the user on it, a login or an alias now and then."""
        if not self._device or r.random() < 0.15:
            self._begin(r)
        if not self._is_logged_in:
            if r.random() < 0.3:
                self._is_logged_in = True
                traits = {"email": r.choice(EMAILS)} if r.random() < 0.3 else {}
                return Event(self._user, message_id, "identified", at, {}, traits, anonymous=self._device)
            if r.random() < 0.1:
                return Event(self._device, message_id, "aliased", at, {"previous_id": r.choice(self._devices)[5:]})
            traits = {"email": r.choice(EMAILS)} if r.random() < 0.1 else {}  # a form that asks for it
            return Event(self._device, message_id, name, at, properties, traits)
        if r.random() < 0.06:
            previous = r.choice([*self._users, *self._devices]).removeprefix("anon:")
            return Event(self._user, message_id, "aliased", at, {"previous_id": previous})
        if r.random() < 0.25:  # another tab, or what was queued before the login
            return Event(self._device, message_id, name, at, properties)
        return Event(self._user, message_id, name, at, properties, anonymous=self._device if r.random() < 0.8 else "")

    def _begin(self, r: Random) -> None:
        self._visits += 1
        self._user, self._is_logged_in = r.choice(self._users), False
        if self._devices and r.random() < 0.25:
            self._device = r.choice(self._devices)
        else:
            self._device = f"anon:{r.randrange(1_000):03}-{self._number}-{self._visits}"
            self._devices.append(self._device)


def is_a_step(body: bytes) -> bool:
    """Tell whether a relayed entry is a step of a merge."""
    return isinstance(decode_entry(body), SAGA)


def broken(world: "World") -> Iterator[str]:
    """Yield what breaks the laws of merges: one profile a person, every bet of theirs in it, once."""
    everybody = states_of(world)
    states = {player: state for player, state in everybody.items() if not player.startswith("key:")}
    yield from _accounts(world)
    yield from _claims(everybody)
    yield from _walks(world, states)
    owners: dict[str, str] = {}
    for player in states:
        owner, hops = player, 0
        while (into := states[owner].identity.merged_into if owner in states else "") and hops < 50:
            owner, hops = into, hops + 1
        if hops == 50:
            yield f"{player} lives on in a circle"
        owners[player] = owner
    bets, entered = Counter[str](), Counter[tuple[str, str]]()
    for player, count in _bets(world).items():
        bets[owners.get(player, player)] += count
    for player, journey in _entries_into_journeys(world):
        entered[owners.get(player, player), journey] += 1
    for player, state in states.items():
        if state.identity.merged_into:
            yield from _ended(world, player, state, states[owners[player]])
            continue
        ring = state.metrics.get("bets")
        counted = ring.buckets[0][1] if ring else 0
        if counted != bets[player]:
            ids = [other for other, owner in owners.items() if owner == player]
            yield f"{player} has {counted} bets, {bets[player]} were placed by {ids}"
        told = {journey: entered[player, journey] for who, journey in entered if who == player}
        if told != (known := {journey: record.entered for journey, record in state.journeys.items()}):
            yield f"{player} entered journeys {told} under all ids, the profile says {known}"
        asked = [
            other
            for other, status in state.identity.links.items()
            if status == "asked" and owners.get(other, other) != player
        ]
        if asked:
            yield f"{player} still waits for {asked}"


def _ended(world: "World", player: str, state: Snapshot, owner: Snapshot) -> Iterator[str]:
    if any(held.balance for held in state.wallet.values()) or state.missions or state.metrics or state.journeys:
        yield f"{player} has ended and still holds {state}"
    if player not in owner.identity.sources:
        yield f"{player} has ended, {owner.player} has it not among its sources"
    shared = world.store.of(partition_of(player, len(world.store.partitions)))
    yield from (
        f"{player} has ended and is in {g}"
        for g, who in shared.groups.items()
        if player in who and "/" in g and not g.startswith("fans/")
    )
    timers = [timer for member in shared.lanes["players"].timers if (timer := decode_entry(member)).player == player]
    if timers:
        yield f"{player} has ended, its timers {timers} have not"


def _walks(world: "World", states: dict[str, Snapshot]) -> Iterator[str]:
    """A walk that is under way is where the groups say, and its one timer is set; there are no others."""
    for p, shared in world.store.partitions.items():
        ours = {who: state for who, state in states.items() if partition_of(who, len(world.store.partitions)) == p}
        active = {
            (who, name): r.active for who, state in ours.items() for name, r in state.journeys.items() if r.active
        }
        groups = {(who, g) for g, members in shared.groups.items() for who in members if g.startswith("journeys/")}
        expected = {(who, f"journeys/{name}/{walk.node}") for (who, name), walk in active.items()}
        if groups != expected:
            yield f"groups of journeys: {groups - expected} too many, {expected - groups} missing"
        timers = [decode_entry(member) for member in shared.lanes["players"].timers]
        armed = {(t.player, t.ref, t.due) for t in timers if isinstance(t, TimerFired) and t.kind == "journey"}
        wanted = {(who, f"{name}#{walk.number}", walk.armed) for (who, name), walk in active.items() if walk.armed}
        if armed != wanted:
            yield f"timers of journeys: {armed - wanted} too many, {wanted - armed} missing"


def _claims(everybody: dict[str, Snapshot]) -> Iterator[str]:
    """An address knows those who have it now, and nobody else."""
    claimed = {(key, who) for key, state in everybody.items() for who in state.identity.claims}
    held = {(key, who) for who, state in everybody.items() for key in state.identity.keys.values()}
    yield from (f"{key} holds a claim of {who}, who has it not" for key, who in sorted(claimed - held))
    yield from (f"{key} does not know that {who} has it" for key, who in sorted(held - claimed))


def _accounts(world: "World") -> Iterator[str]:
    """What ended profiles gave, others took: over all partitions the account sums to zero."""
    total: Counter[str] = Counter()
    for shared in world.store.partitions.values():
        total.update(decode_part(shared.lanes["players"].part).accounts)
    yield from (f"{a} is {n} over all partitions" for a, n in total.items() if a.startswith("merged:") and n)


def states_of(world: "World") -> dict[str, Snapshot]:
    found = {}
    for shared in world.store.partitions.values():
        for player, fields in shared.lanes["players"].states.items():
            parts = {name: data for name, data in fields.items() if name != "v"}
            found[player] = snapshot_from_parts(player, 0, parts)
    return found


def _entries_into_journeys(world: "World") -> Iterator[tuple[str, str]]:
    for shared in world.store.partitions.values():
        for player, rows in shared.lanes["players"].history.items():
            for _, f in rows.all():
                for effect in decode_record(f["d"]).effects:
                    if isinstance(effect, JourneyEntered):
                        yield player, effect.journey


def _bets(world: "World") -> Counter[str]:
    """Return how many bets each id has in its log that were neither sent on, set aside nor before any programme."""
    bets: Counter[str] = Counter()
    for shared in world.store.partitions.values():
        lane = shared.lanes["players"]
        entries = [(offset, decode_entry(f["e"])) for offset, f in lane.log.all()]
        published = next((parsed(o) for o, e in entries if isinstance(e, ProgrammePublished)), (1 << 62, 0))
        passed_on = {
            (player, offset)
            for player, rows in lane.history.items()
            for offset, f in rows.all()
            if any(isinstance(effect, Forwarded | SetAside) for effect in decode_record(f["d"]).effects)
        }
        for offset, entry in entries:
            if isinstance(entry, Event) and entry.name == "bet_placed" and parsed(offset) > published:
                bets[entry.player] += (entry.player, offset) not in passed_on
    return bets
