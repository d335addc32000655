"""What becomes of a claim: pure, from what the provider said to the settlement.

============ =========================================================================================================
refused      excluded, muted: stopped; late: returned to be judged again, or expired; withdrawn: withdrawn, but returned
             when it was taken back only to be judged again (``rejudge``)
Sent         sent
Rejected     failed, and a dead letter; before it ``bounced`` for each address that is dead
Retry        due again by the ladder; after its last step failed and a dead letter, past its expiry expired
Unclear      at most once (marketing) and a provider that does not know the message's id again: unknown, never again.
             Everything else as Retry: the same id once more
============ =========================================================================================================
"""

from random import Random

from msgspec import Struct, structs

from actors.courier.ladder import LADDER_S, End, next_try
from channels.ports import Rejected, Result, Retry, Sent, Unclear
from domain import granting
from domain.dispatch import Dispatch, encode_dispatch
from domain.entries import Event, encode_entry
from domain.reading import CHANNEL as READING
from domain.reading import read_event
from domain.receipts import receipt_event
from store.dead_letters import MESSAGE_FAILED, DeadLetter, encode_dead_letter
from store.ports import Claim, InFlight, Settlement

REJUDGE = "rejudge"  # the tower's reason of a void: what its clearance rested on has changed


class Try(Struct, frozen=True):
    """One claim as this process holds it."""

    claim: Claim
    token: str  # of the call that claimed it
    at: int = 0  # ms, when

    @property
    def dispatch(self) -> Dispatch:
        """Return what is to be sent."""
        return self.claim.dispatch


class Outcome(Struct, frozen=True):
    """What a provider said of one address."""

    result: Result
    address: str = ""  # digest
    connector: str = ""
    is_idempotent: bool = False  # the provider drops a second message of the same id


class Landed(Struct, frozen=True):
    """How a claim ends, and the word for it: of ``domain.dispatch.Landing``, or ``retry`` or ``put_back``."""

    word: str
    settlement: Settlement


def together(outcomes: list[Outcome]) -> Outcome:
    """Return what became of a message that went to several addresses: sent when one took it.

    Else what forbids another try counts before what allows one, and that before what is final.
    """
    order = (Sent, Unclear, Retry, Rejected)
    return min(outcomes, key=lambda outcome: (order.index(type(outcome.result)), outcome.is_idempotent))


def refused(held: Try, now: int) -> Landed:
    """Settle what the store said must not be sent."""
    why, dispatch = held.claim.refused, held.dispatch
    if why == f"withdrawn:{REJUDGE}":
        return returned(held, now, REJUDGE)
    if why.startswith("withdrawn"):
        return _over(held, "withdrawn", now, detail=why.partition(":")[2])
    if why == "late":
        return _over(held, "returned" if now < dispatch.expires_at else "expired", now, detail="late")
    return _over(held, "stopped", now, detail=why)


def ended(held: Try, outcomes: list[Outcome], now: int, rng: Random) -> Landed:
    """Settle what providers have answered to, one outcome for each address."""
    chosen = together(outcomes)
    told = structs.replace(held, claim=_at(held.claim, chosen.address))
    result, connector = chosen.result, chosen.connector
    if isinstance(result, Unclear) and held.dispatch.once and not chosen.is_idempotent:
        return _over(told, "unknown", now, outcomes, detail=result.detail, connector=connector)
    if isinstance(result, Sent | Rejected):
        word = "sent" if isinstance(result, Sent) else "failed"
        return _over(told, word, now, outcomes, detail=result.detail, connector=connector)
    after_s = result.after_s if isinstance(result, Retry) else 0
    again = next_try(held.claim.tries, now, rng, expires_at=held.dispatch.expires_at, after_s=after_s)
    if isinstance(again, End):
        return _over(told, again.value, now, outcomes, detail=result.detail, connector=connector)
    return Landed("retry", structs.replace(_kept(held), due=again))


def unreachable(held: Try, now: int, *, is_suppressed: bool) -> Landed:
    """Settle what has no address any more, or only one that nothing may be sent to."""
    if is_suppressed:
        return _over(held, "stopped", now, detail="suppressed")
    return _over(held, "failed", now, detail="no_address")


def returned(held: Try, now: int, detail: str) -> Landed:
    """Give a message back to the tower to be judged again."""
    return _over(held, "returned" if now < held.dispatch.expires_at else "expired", now, detail=detail)


def unwanted(held: Try, now: int) -> Landed:
    """End a text unread: the programme does not name its reader any more."""
    return _over(held, "withdrawn", now)


def put_back(held: Try, due: int) -> Landed:
    """Leave a message at the head of its line: nothing was tried."""
    return Landed("put_back", structs.replace(_kept(held), due=max(1, due), untried=True))


def inherited(flying: InFlight, partition: int, now: int) -> Landed:
    """Settle the claim of a process that is known to be dead.

    At most once: unknown, for it may have been sent. At least once: tried again at once, with the same id, and
    counted as a try: a message that ends the process it is sent by does not do so for ever.
    """
    claim = Claim(partition, flying.dispatch, flying.tries, flying.refused)
    held = Try(claim, flying.token, flying.claimed_at)
    if flying.refused:
        return refused(held, now)
    if flying.dispatch.once:
        return _over(held, "unknown", now, detail="courier_died")
    if flying.tries >= len(LADDER_S):
        return _over(held, "failed", now, detail="courier_died")
    return Landed("retry", structs.replace(_kept(held), due=max(1, now)))


def _kept(held: Try) -> Settlement:
    dispatch = held.dispatch
    return Settlement(held.claim.partition, dispatch.player, dispatch.id, held.token)


def _over(
    held: Try, word: str, now: int, outcomes: list[Outcome] | None = None, *, detail: str = "", connector: str = ""
) -> Landed:
    dispatch = held.dispatch
    if dispatch.channel == READING:
        return Landed(word, structs.replace(_kept(held), entries=_readings(dispatch, outcomes or [], now)))
    if granting.is_grant(dispatch):
        answered = _granted(dispatch, word, outcomes or [], detail)
        return Landed(word, structs.replace(_kept(held), entries=answered))
    events = _bounces(dispatch, outcomes or [], now)
    events.append(receipt_event(dispatch, word, now, detail=detail[:500], connector=connector))
    dead = b""
    if word == "failed" and detail != "no_address":  # that would not be mended by another try
        dead = encode_dead_letter(
            DeadLetter(
                id="",
                at=now,
                code=MESSAGE_FAILED,
                detail=f"{connector}: {detail}"[:500] if connector else detail[:500],
                path=f"{dispatch.channel}/{connector}" if connector else dispatch.channel,
                player=dispatch.player,
                event_id=dispatch.id,
                raw=encode_dispatch(dispatch),
                form="dispatch",
            )
        )
    entries = tuple(encode_entry(event) for event in events)
    return Landed(word, structs.replace(_kept(held), entries=entries, dead=dead))


def _granted(dispatch: Dispatch, word: str, outcomes: list[Outcome], detail: str) -> tuple[bytes, ...]:
    """Return the command that brings what became of a grant; none when the platform will say so later.

    One that was not taken has failed: its price goes back, so it is no dead letter that could be sent again.
    """
    said = next((outcome.result.said for outcome in outcomes if isinstance(outcome.result, Sent)), {})
    if word == "sent" and said.get("status") == granting.PENDING:
        return ()
    status = str(said.get("status")) if word == "sent" else granting.FAILED
    reason = str(said.get("reason", "")) if word == "sent" else f"{word}: {detail}" if detail else word
    return (encode_entry(granting.told(dispatch.player, dispatch.id, status, reason[:300])),)


def _readings(dispatch: Dispatch, outcomes: list[Outcome], now: int) -> tuple[bytes, ...]:
    """Return the event that brings what a model has read; of anything else the player's log is told nothing."""
    events = [
        read_event(dispatch, outcome.result.said, now, outcome.connector)
        for outcome in outcomes
        if isinstance(outcome.result, Sent)
    ]
    return tuple(encode_entry(event) for event in events if event is not None)


def _bounces(dispatch: Dispatch, outcomes: list[Outcome], now: int) -> list[Event]:
    """Return an event for each address that is dead or whose owner told the provider to stop.

    They come before the landing, so that a reroute knows of them.
    """
    events = []
    for outcome in outcomes:
        result = outcome.result
        if not isinstance(result, Rejected) or not (result.is_address_dead or result.is_unsubscribed):
            continue
        at, word = structs.replace(dispatch, address=outcome.address), "bounced"
        if not result.is_address_dead:
            word = "unsubscribed"
        event = receipt_event(at, word, now, detail=result.detail[:500], connector=outcome.connector)
        properties = event.properties | ({"is_address_dead": True} if result.is_address_dead else {})
        events.append(structs.replace(event, id=f"{event.id}:{outcome.address}", properties=properties))
    return events


def _at(claim: Claim, address: str) -> Claim:
    """Return the claim with the address that was really used."""
    return structs.replace(claim, dispatch=structs.replace(claim.dispatch, address=address)) if address else claim
