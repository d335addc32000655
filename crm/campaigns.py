"""Campaigns: one message to a segment, now, by the calendar or when something happens.

A campaign is compiled to a journey of one or two nodes (``campaigns/<id>``), so there is one mechanism: what is
true of journeys (caps, an exit in the middle of a delay, a record of every step) is true of campaigns.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from crm.choices.config import MessageChoiceConfig, check_template
from crm.fields import Channel, Document, EventName, Id, Product, Purpose, Seconds, Where
from crm.recurrence import PER_MINUTE_MAX, PLAYER, ScheduleConfig

PREFIX = "campaigns/"
LEAVE = "leave"  # kind of visit: end what the run ``args["run"]`` (a walk's id) began in ``ref``

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class WhatConfig(Document):
    """An event, and which ones of its name."""

    event: EventName
    where: Where = None


class FromConfig(Document):
    """A value that the event brings: ``{from: event.properties.<name>}``."""

    from_: Annotated[str, Field(alias="from", max_length=200)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


Unless = Annotated[tuple[WhatConfig, ...], BeforeValidator(_as_list), Field(max_length=10)]


class SendConfig(Document):
    """When: ``{now: api}`` by a call, ``{schedule: {...}}``, or ``{event, where, delay, unless, restart}``."""

    now: Literal["api"] | None = None
    schedule: ScheduleConfig | None = None
    event: EventName | None = None
    where: Where = None
    delay: Seconds = 0  # after the event
    unless: Unless = ()  # events that, during the delay, make the message pointless
    restart: bool = False  # the same event again begins the delay anew

    @model_validator(mode="after")
    def _one_way(self) -> "SendConfig":
        if sum(way is not None for way in (self.now, self.schedule, self.event)) != 1:
            raise ValueError("expected one of `now: api`, `schedule` and `event`")
        if self.event is None and (self.where is not None or self.delay or self.unless or self.restart):
            raise ValueError("expected where, delay, unless and restart only beside `event`")
        if (self.unless or self.restart) and not self.delay:
            raise ValueError("expected a `delay` beside `unless` or `restart`")
        return self


class CampaignMessageConfig(Document):
    """What is sent, in the words of a journey's message node."""

    template: Id | None = None
    choose: MessageChoiceConfig | None = None  # the template, or the channel that is tried first, is drawn
    purpose: Purpose
    # channels in order of preference; none: the tower's choice
    channels: Annotated[tuple[Channel, ...], Field(max_length=6)] = ()
    tone: Name | None = None
    conflict_group: Annotated[str, Field(max_length=100)] = ""
    expires: Annotated[Seconds, Field(ge=60)] = 86_400  # after it was asked for; a late message is not sent
    priority: Annotated[int, Field(ge=0, le=1000)] | None = None
    variables: Annotated[dict[Name, str | int | float | bool | FromConfig], Field(max_length=50)] = Field(
        default_factory=dict
    )
    product: Product | None = None  # that it is about: consent is asked for it too
    goal: WhatConfig | None = None  # what it is for: once that happens, it is not sent any more
    ask_person: bool = False  # a person approves it first, whatever the policy says

    @model_validator(mode="after")
    def _one_template(self) -> "CampaignMessageConfig":
        check_template(self.template, self.choose)
        return self


class CampaignConfig(Document):
    """``campaigns/<id>``: whom (one of ``segment``, ``audience``, ``everyone``), when, what, and how fast."""

    name: Name
    segment: Id | None = None
    audience: Where = None
    everyone: bool = False
    send: SendConfig
    message: CampaignMessageConfig
    # players visited in a minute, over all partitions; 0: as live traffic leaves room
    per_minute: Annotated[int, Field(ge=0, le=PER_MINUTE_MAX)] = 0
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
    """Return a campaign as a journey document: entry, what comes between, the message."""
    send = campaign.send
    between = _between(send)
    waits = bool(between) or (send.schedule is not None and send.schedule.zone == PLAYER)  # for their own time
    journey: dict[str, Any] = {"name": campaign.name, "entry": _entry(campaign)}
    if send.restart:
        journey["interrupts"] = [_occasion(send) | {"id": "restart", "to": "delay", "once": False}]
    if send.unless:
        journey["exit"] = {"on": [what.model_dump(mode="json", exclude_unset=True) for what in send.unless]}
    return journey | {"nodes": [*between, _message(campaign, waits=waits)]}


def _entry(campaign: CampaignConfig) -> dict[str, Any]:
    send = campaign.send
    entry: dict[str, Any] = {"once": campaign.once}
    if send.schedule is not None:
        schedule = send.schedule.model_dump(mode="json", by_alias=True, exclude_unset=True)
        entry["schedule"] = schedule | ({"per_minute": campaign.per_minute} if campaign.per_minute else {})
        if campaign.segment:  # the walk visits its members only
            return entry | {"segment": campaign.segment}
    elif send.event is not None:
        entry |= _occasion(send)
    else:
        entry["api"] = True
    if (audience := _audience(campaign)) is not None:
        entry["audience"] = audience
    return entry


def _audience(campaign: CampaignConfig) -> dict[str, Any] | None:
    return {"segment": campaign.segment} if campaign.segment else campaign.audience


def _occasion(send: SendConfig) -> dict[str, Any]:
    return {"event": send.event} | ({"where": send.where} if send.where else {})


def _between(send: SendConfig) -> list[dict[str, Any]]:
    if send.delay:
        return [{"id": "delay", "kind": "delay", "for": send.delay, "next": "message"}]
    return []


def _message(campaign: CampaignConfig, *, waits: bool) -> dict[str, Any]:
    message = campaign.message.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    node = {"id": "message", "kind": "message", **message, "expires": campaign.message.expires}
    audience = _audience(campaign)
    # who left the audience while waiting is passed over
    return node | {"skip_when": {"not": audience}} if waits and audience else node
