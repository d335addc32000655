"""The control tower of one player: entries in; decisions, deliveries, dispatches and timers out. Pure.

It never drops a message in silence: a request ends cleared, rerouted, merged or refused, what waits has a timer, and
what flies comes back as a receipt.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from crm.programme import CrmRules
from crm.tower.airspace import Airspace, Waiting, has_seen, with_engaged, with_fact, with_sent, without_send
from crm.tower.calling_back import call_back
from crm.tower.concerns import concerns, waits_for, waits_for_room
from crm.tower.judgement import ALL_OPEN, Case, Refused
from crm.tower.records import Tally
from crm.tower.sitting import Sitting
from crm.tower.why import Reason
from domain import granting, reading
from domain.decisions import Decision, Delivery
from domain.dispatch import Dispatch
from domain.entries import (
    Asked,
    ChannelChanged,
    Command,
    Fact,
    GrantAsked,
    Landed,
    LogEntry,
    MessageRequest,
    ReadingAsked,
    Receipt,
    Reviewed,
    TimerFired,
    Withdrawn,
)
from domain.step import TimerOp

ENGAGED = frozenset({"opened", "clicked", "replied"})
_CODES = frozenset(reason.value for reason in Reason)


class TowerStep(Struct, frozen=True):
    """What one entry did: the next airspace, and what the shell commits beside it, in this order."""

    airspace: Airspace
    decisions: tuple[Decision, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    timers: tuple[TimerOp, ...] = ()
    dispatches: tuple[Dispatch, ...] = ()
    voids: tuple[tuple[str, str], ...] = ()  # request id, reason
    reviews: tuple[tuple[str, dict[str, Any] | None], ...] = ()  # request id, what a person sees; None: it is over
    tallies: tuple[Tally, ...] = ()
    told: tuple[Landed | Command, ...] = ()  # for the players' log


def take_tower_turn(
    rules: CrmRules,
    airspace: Airspace,
    entry: LogEntry,
    *,
    stopped: bool = False,
    closed: Mapping[str, ChannelChanged] = ALL_OPEN,
) -> TowerStep:
    """Fold one entry of the tower's log into one player's airspace.

    Requests are judged at once and together with all that waits and is due: the best set goes
    (``crm.tower.arbitration``).
    A request whose id was seen changes nothing. An entry that may end a hold has those concerned judged again, and a
    timer all that are due. Receipts settle what flies. Other entries change nothing.

    Args:
        stopped: The store has a confirmed stop for the player; counts as an exclusion.
        closed: Channels that can send nothing at the moment.
    """
    sitting = Sitting(rules, airspace, entry.at, stopped=stopped, closed=closed)
    match entry.entry:
        case MessageRequest() as request:
            if not has_seen(airspace, request.id):
                sitting.ask([request])
        case Asked(requests=requests):
            sitting.ask([r for r in {r.id: r for r in requests}.values() if not has_seen(airspace, r.id)])
        case Fact() as fact:
            sitting.airspace = with_fact(airspace, fact)
            if sitting.airspace is not airspace:
                call_back(sitting, airspace, fact)
                sitting.judge_again([held for held in airspace.waiting.values() if concerns(fact, held)])
        case TimerFired(kind="held") as timer:
            held = airspace.waiting.get(timer.ref)
            if held is not None and held.generation == timer.generation:
                sitting.fired = timer
                sitting.judge_again([held])
        case Receipt() as receipt:
            _land(sitting, receipt)
        case Withdrawn() as withdrawn:
            _withdraw(sitting, withdrawn)
        case Reviewed() as reviewed:
            _review(sitting, reviewed)
        case ReadingAsked() as asked if not stopped:
            sitting.dispatches.append(reading.dispatch_of(asked, entry.at))
        case GrantAsked() as asked:
            _grant(sitting, asked, entry.at, stopped=stopped)
        case _:
            pass
    return TowerStep(
        sitting.airspace,
        tuple(sitting.decisions),
        tuple(sitting.deliveries),
        tuple(sitting.timers),
        tuple(sitting.dispatches),
        tuple(sitting.voids),
        tuple(sitting.reviews),
        tuple(sitting.tallies),
        tuple(sitting.told),
    )


def _grant(sitting: Sitting, asked: GrantAsked, now: int, *, stopped: bool) -> None:
    """Hand a grant to the couriers; who is excluded is granted nothing."""
    if stopped:
        sitting.told.append(granting.told(asked.player, asked.id, granting.FAILED, "excluded"))
    else:
        sitting.dispatches.append(granting.dispatch_of(asked, now))


def _land(sitting: Sitting, receipt: Receipt) -> None:
    """Settle what flies; a receipt of another clearance, or one that came before, changes nothing."""
    if receipt.outcome in ENGAGED:
        before = sitting.airspace
        sitting.airspace = with_engaged(before, receipt.request)
        if sitting.airspace is not before:
            sitting.judge_again([held for held in before.waiting.values() if waits_for(held, Reason.FATIGUE)])
        return
    flying = sitting.airspace.flying.get(receipt.request)
    if flying is None or flying.channel != receipt.channel or not _is_of(receipt, flying.cleared_at):
        return
    again: list[Case] = []
    match receipt.outcome:
        case "sent" | "unknown":
            sitting.landed(flying)
            at = min(max(receipt.at, flying.cleared_at), sitting.light.now)
            sitting.airspace = with_sent(sitting.airspace, receipt.request, at, sitting.light.policy)
            if receipt.outcome == "unknown":
                sitting.end(flying.request, (Reason.UNKNOWN_LANDING.value,))
        case "failed" | "returned":
            sitting.landed(flying)
            sitting.airspace = without_send(sitting.airspace, receipt.request)
            tried = (*flying.tried, flying.channel) if receipt.outcome == "failed" else flying.tried
            if flying.withdrawn:
                sitting.end(flying.request, (flying.withdrawn,))
            else:
                again.append(Case(flying.request, tried, flying.approved, flying.carries, flying.generation, window=0))
        case "stopped" | "expired" | "withdrawn":
            sitting.landed(flying)
            sitting.airspace = without_send(sitting.airspace, receipt.request)
            sitting.end(flying.request, (_ended_by(sitting, receipt, flying.withdrawn),))
        case _:
            return
    sitting.judge_again([held for held in sitting.airspace.waiting.values() if waits_for_room(held)], again)


def _is_of(receipt: Receipt, cleared_at: int) -> bool:
    """Tell whether a courier told what became of this very clearance (``domain.receipts.receipt_event``).

    What a vendor's hook says of a message that the courier may still send again is history only.
    """
    return receipt.cause == f"msg:{receipt.request}:{cleared_at}:{receipt.outcome}"


def _ended_by(sitting: Sitting, receipt: Receipt, withdrawn: str) -> str:
    """Return the code of why it was not sent."""
    if receipt.outcome == "expired":
        return Reason.EXPIRED.value
    if sitting.airspace.facts.merged_into:  # the stop of an ended id looks like an exclusion to the courier
        return Reason.PLAYER_MERGED.value
    code = receipt.detail.partition(" ")[0].partition(":")[0]
    if receipt.outcome == "withdrawn":
        return withdrawn or (receipt.detail if receipt.detail in _CODES else Reason.GOAL_MET.value)
    if code in _CODES:
        return code
    if code != "muted":
        return Reason.EXCLUDED.value
    facts = sitting.airspace.facts
    address = facts.reach.get(receipt.channel, "")
    is_dead = address in facts.suppressed.get(receipt.channel, ())
    return (Reason.SUPPRESSED if is_dead else Reason.CONSENT_WITHDRAWN).value


def _withdraw(sitting: Sitting, withdrawn: Withdrawn) -> None:
    """End what nobody wants any more; what flies is taken back, should it not have gone yet.

    A message that carries others is left alone: they are still wanted.
    """
    reason = withdrawn.reason or Reason.GOAL_MET.value
    waiting = sitting.airspace.waiting
    meant = [held for held in waiting.values() if not held.carries and _is_meant(withdrawn, held.request)]
    for held in meant:
        sitting.conclude(sitting.taken(held), Refused((reason,)))
    for flying in list(sitting.airspace.flying.values()):
        if not flying.carries and not flying.withdrawn and _is_meant(withdrawn, flying.request):
            sitting.take_back(flying, reason)
    if meant:
        sitting.judge_again(
            [held for held in sitting.airspace.waiting.values() if waits_for(held, Reason.CONFLICT_GROUP)]
        )


def _is_meant(withdrawn: Withdrawn, request: MessageRequest) -> bool:
    return request.id in withdrawn.requests or (bool(withdrawn.source) and request.source == withdrawn.source)


def _review(sitting: Sitting, reviewed: Reviewed) -> None:
    """Do what a person decided; of a message that does not wait for one any more only the review ends."""
    held: Waiting | None = sitting.airspace.waiting.get(reviewed.request)
    if held is None or not held.escalated:
        sitting.reviews.append((reviewed.request, None))
    elif reviewed.approved:
        sitting.judge_again([structs.replace(held, approved=True)])
    else:
        sitting.conclude(sitting.taken(held), Refused((Reason.NOT_APPROVED.value,)))
