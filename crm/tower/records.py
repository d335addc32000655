"""What a judgement leaves behind: decisions, deliveries, dispatches, what a person sees, and what is counted."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from crm.facts.consents import CONFIRMS
from crm.tower.airspace import Facts
from crm.tower.judgement import Cleared, Escalated, Held, Refused, Verdict
from crm.tower.policy import Policy
from crm.tower.quiet import quiet_from
from crm.tower.why import Reason
from domain.calendar import DAY_MS, as_datetime
from domain.decisions import Decision, Delivery, Outcome
from domain.dispatch import Dispatch
from domain.entries import MessageRequest

Tally = tuple[str, str, int]
"""UTC day, ``<outcome>|<reason>|<channel>|<purpose>|<template>``, how many more."""


def decision_of(request: MessageRequest, verdict: Verdict, *, now: int, version: int) -> Decision:
    """Return the decision that a verdict is."""
    outcome: Outcome = "refused"
    channel, until, score = "", 0, 0
    reasons: tuple[str, ...] = ()
    consent: tuple[str, ...] = ()
    match verdict:
        case Cleared():
            outcome, channel = ("rerouted" if verdict.rerouted else "cleared"), verdict.channel
            reasons = verdict.alternatives[0].reasons if verdict.rerouted and verdict.alternatives else ()
            score, consent = verdict.score, verdict.consent
        case Held():
            outcome, reasons, until = "held", verdict.reasons, verdict.until
        case Escalated():
            outcome, reasons, until = "escalated", verdict.reasons, verdict.until
        case Refused():
            reasons = verdict.reasons
    return Decision(
        request.id,
        request.template,
        request.purpose,
        outcome,
        now,
        version,
        channel,
        reasons,
        until,
        verdict.alternatives,
        title_of(request),
        score,
        "",
        consent,
        request.source,
    )


def merged_decision(request: MessageRequest, into: str, channel: str, *, now: int, version: int) -> Decision:
    """Return the decision about a request that goes as part of another's message."""
    return Decision(
        request_id=request.id,
        template=request.template,
        purpose=request.purpose,
        outcome="merged",
        at=now,
        policy_version=version,
        channel=channel,
        reasons=(Reason.MERGED.value,),
        title=title_of(request),
        into=into,
        source=request.source,
    )


def title_of(request: MessageRequest) -> str:
    """Return what a request is shown as."""
    return str(request.content.get("title", ""))


def delivery_of(request: MessageRequest, now: int) -> Delivery:
    """Return the in-app message."""
    content = request.contents.get("in_app", request.content)
    return Delivery(
        message_id=request.id,
        template=request.template,
        purpose=request.purpose,
        title=str(content.get("title", "")),
        body=str(content.get("body", "")),
        at=now,
        expires_at=request.expires_at,
        action=content.get("action") or {},
    )


def dispatch_of(
    request: MessageRequest, channel: str, facts: Facts, policy: Policy, *, now: int, zone: str, version: int
) -> Dispatch:
    """Return what a courier needs. It may be sent until it expires or the channel's next quiet hours begin."""
    plan = policy.plan(request.purpose)
    send_until = request.expires_at
    if plan.quiet is not None and channel in plan.quiet.channels:
        send_until = min(send_until, quiet_from(plan.quiet, now, zone))
    address = facts.reach.get(channel, "")
    return Dispatch(
        id=request.id,
        player=request.player,
        channel=channel,
        purpose=request.purpose,
        template=request.template,
        content=request.contents.get(channel, request.content),
        cleared_at=now,
        send_until=send_until,
        expires_at=request.expires_at,
        marks=_marks(request, channel, address),
        source=request.source,
        address=address,
        policy_version=version,
    )


def _marks(request: MessageRequest, channel: str, address: str) -> tuple[str, ...]:
    """Return what stops it at the last moment: a withdrawn consent (legal needs none), an address that bounced."""
    marks: tuple[str, ...] = ()
    if request.purpose != "legal":
        marks = (request.purpose, channel, f"{request.product}/{channel}")[: 3 if request.product else 2]
    if request.source.startswith(CONFIRMS):  # what it asks for again was perhaps withdrawn before
        marks = tuple(mark for mark in marks if request.source != CONFIRMS + mark)
    return (*marks, f"{channel}:{address}") if address else marks


def review_of(request: MessageRequest, verdict: Escalated, now: int) -> dict[str, Any]:
    """Return what a person sees of a message that waits for them; values are JSON's."""
    return {
        "request_id": request.id,
        "player_id": request.player,
        "template": request.template,
        "purpose": request.purpose,
        "channels": list(request.channels),
        "content": request.content,
        "contents": request.contents,
        "reasons": list(verdict.reasons),
        "source": request.source,
        "product": request.product,
        "asked_at": request.requested_at,
        "at": now,
        "until": verdict.until,
    }


def tally_of(decision: Decision) -> Tally:
    """Return how a decision is counted: by its first reason."""
    reason = decision.reasons[0] if decision.reasons else ""
    field = f"{decision.outcome}|{reason}|{decision.channel}|{decision.purpose}|{decision.template}"
    return _utc_day(decision.at // DAY_MS), field, 1


@lru_cache(maxsize=16)
def _utc_day(day: int) -> str:
    return as_datetime(day * DAY_MS).date().isoformat()


def tallied(tallies: Sequence[Tally]) -> list[Tally]:
    """Return tallies with equal ones added up."""
    sums: dict[tuple[str, str], int] = {}
    for day, field, count in tallies:
        sums[day, field] = sums.get((day, field), 0) + count
    return [(day, field, count) for (day, field), count in sums.items()]
