"""Campaigns: one message to a segment, now, by the calendar or when something happens.

A campaign is compiled to a journey of one to three nodes (``campaigns/<id>``), so there is one mechanism: what is
true of journeys (caps, an exit in the middle of a delay, a record of every step) is true of campaigns.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from crm.fields import Channel, Document, EventName, Id, Purpose, Seconds, Where
from crm.recurrence import PLAYER, ScheduleConfig

PREFIX = "campaigns/"
PER_MINUTE_MAX = 6_000_000

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]


class WhatConfig(Document):
    """An event, and which ones of its name."""

    event: EventName
    where: Where = None


class SendConfig(Document):
    """When: ``{now: api}`` by a call, ``{schedule: {...}}``, or ``{event, where, delay, unless}``."""

    now: Literal["api"] | None = None
    schedule: ScheduleConfig | None = None
    event: EventName | None = None
    where: Where = None
    delay: Seconds = 0  # after the event
    unless: WhatConfig | None = None  # what happens during the delay and makes the message pointless

    @model_validator(mode="after")
    def _one_way(self) -> "SendConfig":
        if sum(way is not None for way in (self.now, self.schedule, self.event)) != 1:
            raise ValueError("expected one of `now: api`, `schedule` and `event`")
        if self.event is None and (self.where is not None or self.delay or self.unless):
            raise ValueError("expected where, delay and unless only beside `event`")
        if self.unless and not self.delay:
            raise ValueError("expected a `delay` for `unless` to happen in")
        return self


class CampaignMessageConfig(Document):
    """What is sent."""

    template: Id
    purpose: Purpose
    channels: Annotated[tuple[Channel, ...], Field(min_length=1, max_length=6)] | Literal["best"] = "best"
    tone: Annotated[str, Field(max_length=40)] = ""
    conflict_group: Annotated[str, Field(max_length=100)] = ""
    expires: Annotated[Seconds, Field(ge=60)] = 86_400  # after it was asked for; a late message is not sent


class CampaignConfig(Document):
    """``campaigns/<id>``: whom (one of ``segment``, ``audience``, ``everyone``), when, what, and how fast."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    segment: Id | None = None
    audience: Where = None
    everyone: bool = False
    send: SendConfig
    message: CampaignMessageConfig
    per_minute: Annotated[int, Field(ge=0, le=PER_MINUTE_MAX)] = (
        0  # over all partitions; 0: as live traffic leaves room
    )
    once: bool = False  # a player gets it once, however often it is sent

    @model_validator(mode="after")
    def _one_audience(self) -> "CampaignConfig":
        if (self.segment is not None) + (self.audience is not None) + self.everyone != 1:
            raise ValueError("expected one of `segment`, `audience` and `everyone: true`")
        return self


def as_journeys(documents: Documents, errors: list[str]) -> dict[str, dict[str, Any]]:
    """Return the campaigns as journey documents, by id (``campaigns/<id>``); problems go to ``errors``."""
    journeys: dict[str, dict[str, Any]] = {}
    for name, document in documents.get("campaigns", {}).items():
        try:
            journeys[PREFIX + name] = as_journey(CampaignConfig.model_validate(document))
        except ValidationError as error:
            for found in error.errors(include_url=False):
                path = ".".join(str(step) for step in found["loc"]) or "document"
                said = str(found["msg"]).removeprefix("Value error, ")
                got = "" if ", got" in said else f", got {str(found['input'])[:60]!r}"
                errors.append(f"campaigns/{name}: {path}: {said}{got}")
    return journeys


def as_journey(campaign: CampaignConfig) -> dict[str, Any]:
    """Return a campaign as a journey document: entry, a delay where there is one, the message."""
    nodes = [*_delay(campaign.send), _message(campaign.message)]
    journey: dict[str, Any] = {"name": campaign.name, "entry": _entry(campaign), "nodes": nodes}
    if campaign.send.unless:
        journey["exit"] = {"on": [campaign.send.unless.model_dump(mode="json", exclude_none=True)]}
    return journey


def _entry(campaign: CampaignConfig) -> dict[str, Any]:
    send = campaign.send
    entry: dict[str, Any] = {"once": campaign.once}
    if send.schedule is not None:
        entry["schedule"] = send.schedule.model_dump(mode="json", by_alias=True, exclude_unset=True)
    elif send.event is not None:
        entry["event"] = send.event
    else:
        entry["api"] = True
    conditions = [send.where, campaign.audience, {"segment": campaign.segment} if campaign.segment else None]
    given = [condition for condition in conditions if condition is not None]
    if given:
        entry["where"] = given[0] if len(given) == 1 else {"all": given}
    return entry


def _delay(send: SendConfig) -> list[dict[str, Any]]:
    if send.delay:
        return [{"id": "delay", "kind": "delay", "for": send.delay, "next": "message"}]
    if send.schedule and send.schedule.zone == PLAYER:
        return [{"id": "delay", "kind": "delay", "until": "data.local", "next": "message"}]
    return []


def _message(message: CampaignMessageConfig) -> dict[str, Any]:
    node: dict[str, Any] = {"id": "message", "kind": "message", "template": message.template}
    node |= {"purpose": message.purpose, "expires": message.expires}
    if message.channels != "best":
        node["channels"] = list(message.channels)
    if message.tone:
        node["tone"] = message.tone
    if message.conflict_group:
        node["conflict_group"] = message.conflict_group
    return node
