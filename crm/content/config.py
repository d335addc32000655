"""``templates/<id>`` as operators write them: title, body and action, and what is said otherwise in a channel."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from crm.content.blocks import BLOCKS_MAX, Block, Columns, block_sources
from crm.content.fields import Address, SomeWords, Source, Tone, Variable, Words, written
from crm.fields import Channel, Document
from crm.sources import syntax_error
from crm.vocabulary import taken

PAYLOAD_MAX = 16_384  # characters of a payload as it is written
_PAYLOAD_DEPTH = 10


class ActionConfig(Document):
    """The button of a message."""

    label: Words
    url: Address


class EmailConfig(Document):
    """An e-mail."""

    subject: Words
    preheader: SomeWords = Field(default_factory=dict)  # what an inbox shows after the subject
    from_name: SomeWords = Field(default_factory=dict)  # before the connector's address
    blocks: Annotated[tuple[Block, ...], Field(min_length=1, max_length=BLOCKS_MAX)]

    @field_validator("blocks")
    @classmethod
    def _few(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        count = sum(1 + (sum(map(len, block.columns)) if isinstance(block, Columns) else 0) for block in value)
        if count > BLOCKS_MAX:
            raise ValueError(f"expected at most {BLOCKS_MAX} blocks with those in columns, got {count}")
        return value


class SmsConfig(Document):
    """A text message."""

    text: Words


class PushConfig(Document):
    """A push notification; a text left out is the template's own."""

    title: SomeWords = Field(default_factory=dict)
    body: SomeWords = Field(default_factory=dict)
    icon: Address | None = None
    image: Address | None = None


class MessengerConfig(Document):
    """A message of Telegram or WhatsApp."""

    text: Words
    button: ActionConfig | None = None


class WebhookConfig(Document):
    """What a webhook posts: a JSON object whose texts are Liquid. One that is a single name gives the value itself."""

    payload: dict[str, Any]

    @field_validator("payload")
    @classmethod
    def _is_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            size = len(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON, got {error}") from None
        if size > PAYLOAD_MAX:
            raise ValueError(f"expected at most {PAYLOAD_MAX} characters, got {size}")
        for path, _, source in leaves("", value):
            if problem := syntax_error(source):
                raise ValueError(f"{path.removeprefix('.')}: {problem}")
        return value


class TrackingConfig(Document):
    """What is measured: by a picture that is loaded when a mail is read, and by links that lead through the engine."""

    opens: bool = False
    clicks: bool = False


class ToneConfig(Document):
    """Another way to say it: texts that stand for the template's own; languages left out are said in those."""

    title: SomeWords = Field(default_factory=dict)
    body: SomeWords = Field(default_factory=dict)
    subject: SomeWords = Field(default_factory=dict)  # of the e-mail
    sms: SomeWords = Field(default_factory=dict)
    messenger: SomeWords = Field(default_factory=dict)


class TemplateConfig(Document):
    """A message in one or more languages; every text is Liquid, parsed here so that an error shows at once.

    ``variables`` declares what API callers and journeys bring beside what every template may name
    (``crm.vocabulary``). A channel without a section of its own says ``title``, ``body`` and ``action``.
    """

    channel: Channel
    title: Words
    body: Words
    action: ActionConfig | None = None
    tones: Annotated[dict[Tone, ToneConfig], Field(max_length=10)] = Field(default_factory=dict)
    variables: Annotated[tuple[Variable, ...], Field(max_length=50)] = ()
    legal: bool = False  # a legal notice: it may be sent to those who are excluded
    email: EmailConfig | None = None
    sms: SmsConfig | None = None
    push: PushConfig | None = None
    messenger: MessengerConfig | None = None
    webhook: WebhookConfig | None = None
    tracking: TrackingConfig = TrackingConfig()

    @field_validator("variables")
    @classmethod
    def _are_free(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if names := taken(value):
            raise ValueError(f"expected names of your own; every template has {' '.join(names)} already")
        return value

    @model_validator(mode="after")
    def _tones_have_sections(self) -> "TemplateConfig":
        for tone, variant in self.tones.items():
            if variant.subject and self.email is None:
                raise ValueError(f"expected `email` in the template, got a `subject` of the tone {tone} alone")
        return self

    def sources(self) -> Iterator[Source]:
        """Yield every text with its path and language ("" for what has none)."""
        yield from written("title", self.title)
        yield from written("body", self.body)
        for tone, variant in self.tones.items():
            for name in ("title", "body", "subject", "sms", "messenger"):
                yield from written(f"tones.{tone}.{name}", getattr(variant, name))
        if self.action:
            yield from _action_sources("action", self.action)
        if self.email:
            for name in ("subject", "preheader", "from_name"):
                yield from written(f"email.{name}", getattr(self.email, name))
            for n, block in enumerate(self.email.blocks):
                yield from block_sources(f"email.blocks.{n}", block)
        if self.sms:
            yield from written("sms.text", self.sms.text)
        if self.push:
            yield from written("push.title", self.push.title)
            yield from written("push.body", self.push.body)
            yield from (
                (f"push.{name}", "", url) for name in ("icon", "image") if (url := getattr(self.push, name)) is not None
            )
        if self.messenger:
            yield from written("messenger.text", self.messenger.text)
            if self.messenger.button:
                yield from _action_sources("messenger.button", self.messenger.button)
        if self.webhook:
            yield from leaves("webhook.payload", self.webhook.payload)


def _action_sources(path: str, action: ActionConfig) -> Iterator[Source]:
    yield from written(f"{path}.label", action.label)
    yield f"{path}.url", "", action.url


def leaves(path: str, value: object, depth: int = _PAYLOAD_DEPTH) -> Iterator[Source]:
    """Yield the texts of a payload with their paths.

    Raises:
        ValueError: it is nested too deeply.
    """
    if isinstance(value, str):
        yield path, "", value
        return
    if not isinstance(value, dict | list):
        return
    if not depth:
        raise ValueError(f"expected a payload of at most {_PAYLOAD_DEPTH} levels, got more at {path}")
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield from leaves(f"{path}.{name}", inner, depth - 1)
