"""What must hold of messages outside: of every send as it begins, and of all of them at the end of a run."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args
from zoneinfo import ZoneInfo

from crm.tower.airspace import airspace_from_parts
from domain.decisions import Decision, decode_decision, decode_delivery
from domain.dispatch import Dispatch, Landing
from domain.entries import Event, TimerFired, decode_entry
from domain.ids import partition_of
from domain.receipts import outcome_of
from tests.simulation.laws import requests_of
from tests.simulation.model import PartitionState
from tests.simulation.programmes import NIGHT, PROMOS_MAX
from tests.simulation.recipients import ZONES
from tests.simulation.stage import PARTITIONS

if TYPE_CHECKING:
    from tests.simulation.mail import MailWorld
    from tests.simulation.providers import Try

LANDINGS = frozenset(get_args(Landing))
OVER = frozenset({"sent", "unknown"})  # landings after which nothing more happens to a message


def broken_by_commit(world: "MailWorld", partition: int) -> Iterator[str]:
    """Yield which gate stands open although it was confirmed to be closed: older entries' turns must leave it alone."""
    shared = world.store.of(partition)
    for player, until in world.mail.confirmed.items():
        if partition_of(player, PARTITIONS) == partition and until is None and player not in shared.stops:
            yield f"{player} is not excluded any more, and nobody readmitted them"
    for player, mark in sorted(world.mail.muted):
        if partition_of(player, PARTITIONS) == partition and mark not in shared.mutes.get(player, ()):
            yield f"{player} gets {mark} again, and did not ask for it"


def broken_by_claim(dispatch: Dispatch, at: int) -> Iterator[str]:
    """Yield why this message should not have been claimed to be sent, by the store's clock."""
    told = f"{dispatch.id} ({dispatch.purpose} by {dispatch.channel}) was claimed for {dispatch.player}"
    if at >= dispatch.expires_at:
        yield f"{told} after its expiry"
    zone = ZoneInfo(ZONES.get(dispatch.player, "UTC"))
    clock = f"{(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone):%H:%M}"
    if (
        dispatch.channel == "sms"
        and dispatch.purpose not in ("legal", "transactional")
        and NIGHT[0] <= clock < NIGHT[1]
    ):
        yield f"{told} at {clock} of {zone}"
    if dispatch.is_legal and dispatch.template != "notice":
        yield f"{told} as a legal notice, which it is not"


def _stands_in_the_way(before: "Try", one: "Try") -> bool:
    """Tell whether one that is sent once must not go after this try: it may have been sent.

    What a provider refused for good was not; then it goes by another channel, and never by the same again.
    """
    return before.result != "Retry" and (before.result != "Rejected" or before.channel == one.channel)


def broken_by_send(world: "MailWorld", one: "Try") -> Iterator[str]:
    """Yield why this send should not begin now."""
    mail = world.mail
    queued = mail.queued[one.id][-1]
    dispatch = queued.dispatch
    told = f"{one.id} ({one.purpose} by {one.channel}) went to {one.player}"
    if not dispatch.is_legal and one.player in mail.confirmed:
        until = mail.confirmed[one.player]
        if until is None or mail.claimed_at[one.id] < until:
            yield f"{told} after the exclusion was confirmed"
    muted = {mark for player, mark in mail.muted if player == one.player}
    if marks := muted & set(dispatch.marks):
        yield f"{told} after {min(marks)} was withdrawn"
    if not dispatch.is_legal and {dispatch.purpose, dispatch.channel} - set(dispatch.marks):
        yield f"{told} without its marks: {dispatch.marks}"
    line = (dispatch.player, dispatch.channel, dispatch.lane)
    if queued.number < mail.last.get(line, 0):
        yield f"{told} as number {queued.number} of {line}, after {mail.last[line]}"
    mail.last[line] = queued.number
    before = [other for other in world.providers.tries if other.id == one.id and other is not one]
    if dispatch.once and any(_stands_in_the_way(other, one) for other in before):
        yield f"{told} again, it may have been sent: {[other.result for other in before]}"


def broken(world: "MailWorld") -> Iterator[str]:
    """Yield what is wrong at the end."""
    for process in world.processes:
        if process.member is not None and process.member.heartbeat.stopped:
            yield f"{process.name} stopped {process.member.heartbeat.stopped}"
    for p, shared in world.store.partitions.items():
        yield from (f"in {p}: {problem}" for problem in (*_left(shared), *_ends(world, shared)))
    yield from _landings(world)
    yield from _caps(world)


def _left(shared: PartitionState) -> Iterator[str]:
    """Nothing waits any more, nothing is in flight."""
    queue = shared.queue
    for name, left in (
        *(("dispatches", queue.dispatches), ("lines", queue.lines), ("claims", queue.claims)),
        *(("tries", queue.tries), ("voids", queue.voids), ("in flight", shared.in_flight), ("reviews", shared.reviews)),
    ):
        if left:
            yield f"{name} are left: {list(left)}"
    for player, fields in shared.lanes["tower"].states.items():
        parts = {name: data for name, data in fields.items() if name != "v"}
        if flying := airspace_from_parts(player, 0, parts).flying:
            yield f"for the tower {list(flying)} still fly to {player}"


def _receipts(shared: PartitionState) -> Iterator[tuple[Event, str]]:
    for _, f in shared.lanes["players"].log.all():
        entry = decode_entry(f["e"])
        if isinstance(entry, Event) and (outcome := outcome_of(entry)):
            yield entry, outcome


def _landings(world: "MailWorld") -> Iterator[str]:
    """Every dispatch landed once, and what was told of it is what happened."""
    landed = Counter[str]()
    outcomes: dict[str, list[str]] = {}
    for shared in world.store.partitions.values():
        for event, outcome in _receipts(shared):
            if outcome in LANDINGS:
                landed[event.id] += 1
                outcomes.setdefault(event.properties["message_id"], []).append(outcome)
                world.mail.seen[outcome] += 1
    expected = Counter(
        f"msg:{request}:{line.dispatch.cleared_at}" for request, lines in world.mail.queued.items() for line in lines
    )
    found = Counter[str]()
    for name, times in landed.items():
        found[name.rpartition(":")[0]] += times
    if found != expected:
        yield f"landings: {found - expected} too many, {expected - found} missing"
    accepted = Counter(one.id for one in world.providers.accepted)
    for request, told in outcomes.items():
        dispatch, times = world.mail.queued[request][-1].dispatch, accepted[request]
        if dispatch.once and times > 1:
            yield f"{request} was taken {times} times"
        if "sent" in told and not times:
            yield f"{request} is told sent, and nobody took it"
        if dispatch.once and times and not OVER & set(told):
            yield f"{request} was taken, and is told {told}"


def _ends(world: "MailWorld", shared: PartitionState) -> Iterator[str]:
    """Every request comes to one recorded end: a last decision, a delivery, or the landing of its last flight."""
    tower = shared.lanes["tower"]
    asked = {r.id: r for _, f in tower.log.all() for r in requests_of(decode_entry(f["e"]))}
    decisions: dict[str, list[Decision]] = {}
    for rows in tower.history.values():
        for _, f in rows.all():
            decision = decode_decision(f["d"])
            decisions.setdefault(decision.request_id, []).append(decision)
    outcomes: dict[str, list[str]] = {}
    for event, outcome in _receipts(shared):
        if outcome in LANDINGS:
            outcomes.setdefault(event.properties["message_id"], []).append(outcome)
    timers = {(timer.ref, timer.due) for t in tower.timers if isinstance(timer := decode_entry(t), TimerFired)}
    delivered = Counter(decode_delivery(f["n"]).message_id for rows in shared.inboxes.values() for _, f in rows.all())
    for request in asked:
        taken, landed = decisions.get(request, []), outcomes.get(request, [])
        if not taken:
            yield f"{request} was never decided"
            continue
        last = taken[-1]
        world.mail.seen.update(decision.outcome for decision in taken)
        for n, decision in enumerate(taken):
            is_end = decision.outcome in ("refused", "merged") or decision.channel == "in_app"
            if is_end and n < len(taken) - 1:
                yield f"{request} was {decision.outcome}, and then {taken[n + 1].outcome}"
            if decision.outcome in ("held", "refused", "escalated") and not decision.reasons:
                yield f"{request} was {decision.outcome} for no reason"
        # What waits on for the same is not told again, so its timer may be later than the decision says.
        waits = any(ref == request and due >= last.until for ref, due in timers)
        if last.outcome == "escalated" or (last.outcome == "held" and not waits):
            yield f"{request} is still {last.outcome} until {last.until}: {last.reasons}"
        if sum(d.outcome in ("cleared", "rerouted") and d.channel == "in_app" for d in taken) != delivered[request]:
            yield f"{request} was delivered {delivered[request]} times"
        flights = sum(d.outcome in ("cleared", "rerouted") and d.channel != "in_app" for d in taken)
        if flights != len(landed) or flights != len(world.mail.queued.get(request, ())):
            yield f"{request} was cleared for {flights} flights, and landed {landed}"
    if extra := delivered.keys() - asked.keys():
        yield f"{extra} were delivered, and nobody asked for them"


def _caps(world: "MailWorld") -> Iterator[str]:
    """Nobody gets more promos than the cap, by whatever really was sent."""
    got: dict[str, set[str]] = {}
    for one in world.providers.accepted:
        if one.purpose == "promo":
            got.setdefault(one.player, set()).add(one.id)
    for shared in world.store.partitions.values():
        for player, rows in shared.inboxes.items():
            ids = (decode_delivery(f["n"]) for _, f in rows.all())
            got.setdefault(player, set()).update(d.message_id for d in ids if d.purpose == "promo")
    yield from (f"{player} got {len(ids)} promos" for player, ids in got.items() if len(ids) > PROMOS_MAX)
