"""``connectors/<id>``: the providers by which channels send, and models that read. The adapters are in ``channels``.

Secrets are named, never written: a programme is kept in files and shown in consoles.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, RootModel, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from crm.fields import Document, Seconds
from domain.reading import CHANNEL

CHANNEL_OF = {
    "smtp": "email",
    "twilio": "sms",
    "smpp": "sms",
    "web_push": "push",
    "fcm": "push",
    "telegram": "messenger",
    "whatsapp": "messenger",
    "webhook": "webhook",
}
"""Which channel a kind of connector serves."""
LINE_OF = {**CHANNEL_OF, "chat_model": CHANNEL, "local_model": CHANNEL}
"""By which line of the couriers' queue a kind of connector is asked: its channel, or that of what is to be read."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_LINE = re.compile(r"[\x20-\x7e]{0,1000}")
_OWN_HEADERS = ("host", "connection", "content-", "transfer-encoding", "te", "upgrade", "webhook-")  # we write these
_NAME = re.compile(r"[A-Z]+(_[A-Z0-9]+)+")  # as variables are commonly named, and no provider's keys are
_TELLING_HEADERS = ("authorization", "cookie", "api-key", "apikey", "token", "secret")  # their values are secrets


class Secret(Document):
    """Where a secret is: an environment variable of the engine, or a file that only it can read."""

    model_config = ConfigDict(hide_input_in_errors=True)

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)] | None = None
    file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        # What came is not repeated: it may be the secret.
        if isinstance(value, Secret):
            return value
        expected = "expected {env: NAME} or {file: PATH}, which say where the secret is"
        if isinstance(value, str):
            raise ValueError(f"{expected}, got the secret itself")  # noqa: TRY004 (pydantic catches this one)
        if not isinstance(value, Mapping):
            raise ValueError(f"{expected}, got a {type(value).__name__}")  # noqa: TRY004
        if len(value) != 1 or next(iter(value)) not in ("env", "file"):
            known = [key for key in ("env", "file") if key in value]
            others = ["another key"] if len(value) > len(known) else []
            raise ValueError(f"{expected}, got {' and '.join(known + others) or 'no key'}")
        return value

    @model_validator(mode="after")
    def _of_the_connector(self) -> Self:
        if self.env and self.env.upper().startswith("PLAYTOWER_"):
            raise ValueError("expected a variable of the connector's own in `env`, got one of the engine's")
        if self.file and (not self.file.startswith("/") or re.match(r"/(proc|sys|dev)(/|$)|.*/\.\.(/|$)", self.file)):
            raise ValueError("expected the absolute path of a file in `file`")
        return self

    def __str__(self) -> str:
        """Return it as a message may show it: a secret may stand in a variable's place, but not in this form."""
        if not self.env:
            return f"the file {self.file}"
        return f"the environment variable {self.env if _NAME.fullmatch(self.env) else 'that `env` names'}"


def _web_address(value: str) -> str:
    """Return an http or https address without what would make it another one.

    A bad one is not repeated: keys stand in addresses, too.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("expected an http or https address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not value.isprintable():
        raise ValueError("expected an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("expected an address without user and password: secrets are named, not written")
    if parts.fragment or " " in value:
        raise ValueError("expected an address without spaces and fragment")
    return value


def _base(value: str) -> str:
    _web_address(value)
    if urlsplit(value).query:
        raise ValueError("expected an address without a query")
    return value.rstrip("/")


WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
BaseUrl = Annotated[str, Field(max_length=500), AfterValidator(_base)]
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
Host = Annotated[str, Field(max_length=253, pattern=rf"^{_LABEL}(?:\.{_LABEL})*$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$")]
Port = Annotated[int, Field(ge=1, le=65_535)]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]
OneLine = Annotated[str, Field(max_length=320, pattern=r"^[^\x00-\x1f\x7f]*$")]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,32}$")]


class Connector(Document):
    """What every provider has."""

    model_config = ConfigDict(hide_input_in_errors=True)

    order: int = Field(default=0, ge=0, le=100)  # of a channel's connectors the lowest that works is used
    rate_per_s: float = Field(default=50, gt=0, le=100_000)  # over all couriers
    burst: int = Field(default=50, ge=1, le=100_000)
    in_flight_max: int = Field(default=16, ge=1, le=1_000)  # of one courier
    timeout_s: float = Field(default=10, gt=0, le=10)  # a longer one would delay the confirmation of an exclusion


class SmtpConnector(Connector):
    """E-mail by a mail server."""

    kind: Literal["smtp"]
    host: Host
    port: Port = 587
    tls: Literal["none", "starttls", "tls"] = "starttls"
    verify: bool = True  # the server's certificate
    username: OneLine | None = None
    password: Secret | None = None
    from_: OneLine = Field(alias="from", min_length=3)  # a mailbox: "Lucky <news@example.com>"
    reply_to: OneLine | None = None
    return_path_domain: Host | None = None  # bounces come back to it; each message has an address of its own there
    hello: Host | None = None  # the name this host gives itself

    @model_validator(mode="after")
    def _login_is_whole_and_hidden(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("expected both `username` and `password`, or neither")
        if self.password is not None and self.tls == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("expected `tls` with a password; without it everybody on the way could read it")
        return self


class TwilioConnector(Connector):
    """SMS by Twilio, or by a provider with the same interface."""

    kind: Literal["twilio"]
    base_url: BaseUrl = "https://api.twilio.com"
    account_sid: Annotated[str, Field(pattern=r"^AC[0-9a-fA-F]{32}$")]
    auth_token: Secret  # also signs what Twilio posts to the hook
    from_: Annotated[str, Field(pattern=r"^\+?[A-Za-z0-9 ]{3,20}$")] | None = Field(default=None, alias="from")
    messaging_service_sid: Annotated[str, Field(pattern=r"^MG[0-9a-fA-F]{32}$")] | None = None

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.from_ is None) == (self.messaging_service_sid is None):
            raise ValueError("expected one of `from` and `messaging_service_sid`")
        return self


class SmppConnector(Connector):
    """SMS by SMPP 3.4, bound as a transceiver."""

    kind: Literal["smpp"]
    host: Host
    port: Port = 2775
    system_id: Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[\x21-\x7e]+$")]
    password: Secret
    system_type: Annotated[str, Field(max_length=12, pattern=r"^[\x20-\x7e]*$")] = ""
    source_address: Annotated[str, Field(pattern=r"^\+?[0-9]{3,20}$|^[A-Za-z0-9 ._-]{1,11}$")]
    source_ton: int | None = Field(default=None, ge=0, le=6)  # by default read from the address
    source_npi: int | None = Field(default=None, ge=0, le=18)
    tls: bool = False
    verify: bool = True
    registered_delivery: bool = True  # ask for delivery reports
    long_texts: Literal["parts", "payload"] = "parts"  # several messages with a header, or one with message_payload
    parts_max: int = Field(default=6, ge=1, le=20)  # a longer text is refused: each part is paid for
    enquire_link_s: Seconds = Field(default=30, ge=1, le=600)


class WebPushConnector(Connector):
    """Push to browsers (RFC 8030), signed by VAPID (RFC 8292)."""

    kind: Literal["web_push"]
    vapid_private_key: Secret  # base64url of 32 bytes, or PEM
    subject: Annotated[str, Field(max_length=320, pattern=r"^(mailto:[^\s@]+@[^\s@]+\.[^\s@]+|https://[^\s/]+)$")]
    ttl_s: Seconds = 86_400  # how long a push service keeps it for a browser that is off
    hosts: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=50)] = ()  # none: any public
    allow_private: bool = False  # endpoints in private networks: for tests


class FcmConnector(Connector):
    """Push to apps by Firebase Cloud Messaging, HTTP v1."""

    kind: Literal["fcm"]
    project_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9.:-]{1,99}$")]
    service_account: Secret  # the JSON key file
    base_url: BaseUrl = "https://fcm.googleapis.com"
    token_url: BaseUrl = "https://oauth2.googleapis.com/token"
    ttl_s: Seconds = 86_400


class TelegramConnector(Connector):
    """Messages of a Telegram bot."""

    kind: Literal["telegram"]
    token: Secret
    base_url: BaseUrl = "https://api.telegram.org"
    hook_secret: Secret | None = None  # ``secret_token`` of setWebhook; without it the hook answers 403
    protect_content: bool = False


class WhatsAppTemplate(Document):
    """An approved template of WhatsApp Business that every message goes out as."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")]
    body: tuple[Literal["text", "label", "url"], ...] = Field(default=("text",), max_length=3)  # its parameters


class WhatsAppConnector(Connector):
    """Messages by the WhatsApp Cloud API."""

    kind: Literal["whatsapp"]
    phone_number_id: Digits
    access_token: Secret
    base_url: BaseUrl = "https://graph.facebook.com"
    api_version: Annotated[str, Field(pattern=r"^v[0-9]{1,3}\.[0-9]$")] = "v23.0"
    template: WhatsAppTemplate | None = None  # none: free text, which reaches only those who wrote in the last 24 hours
    app_secret: Secret | None = None  # signs what comes to the hook; without it the hook answers 403
    verify_token: Secret | None = None  # what Meta shows when the hook is set up


class WebhookConnector(Connector):
    """Posts to a server of the operator's, signed as Standard Webhooks 1.0 says."""

    kind: Literal["webhook"]
    url: WebAddress
    secret: Secret  # whsec_ and base64 of 24 to 64 bytes
    old_secrets: Annotated[tuple[Secret, ...], Field(max_length=4)] = ()  # also sign, while receivers change over
    headers: Annotated[dict[str, str | Secret], Field(max_length=20)] = Field(default_factory=dict)
    allow_private: bool = False  # send into private networks: only where the operator trusts all who write connectors

    @model_validator(mode="before")
    @classmethod
    def _headers(cls, value: Any) -> Any:
        headers = value.get("headers") if isinstance(value, Mapping) else None
        for name, content in headers.items() if isinstance(headers, Mapping) else ():
            _check_header(str(name), content)
        return value


class ChatModelConnector(Connector):
    """A language model that reads texts, at any endpoint with OpenAI's chat completions; a host of one's own, too."""

    kind: Literal["chat_model"]
    base_url: BaseUrl = "https://api.openai.com/v1"  # before /chat/completions
    api_key: Secret | None = None  # none: the endpoint asks for none
    model: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
    per_day: int = Field(default=5_000, ge=0, le=10_000_000)  # texts of a UTC day, over all couriers
    json_mode: bool = True  # ask for a JSON object (``response_format``), which some hosts do not know
    tokens_max: int = Field(default=200, ge=20, le=4_000)  # of an answer; models that think aloud need more
    rate_per_s: float = Field(default=5, gt=0, le=1_000)
    burst: int = Field(default=5, ge=1, le=1_000)
    in_flight_max: int = Field(default=4, ge=1, le=100)
    allow_private: bool = False  # an endpoint in one's own network, where http will do

    @model_validator(mode="after")
    def _texts_and_key_are_hidden(self) -> Self:
        if not self.allow_private and not self.base_url.lower().startswith("https://"):
            raise ValueError("expected an https `base_url`: it gets texts and a key; http needs `allow_private`")
        return self


class LocalModelConnector(Connector):
    """A small network on the couriers' own hosts that reads texts; it needs the extra ``tone``."""

    kind: Literal["local_model"]
    per_day: int = Field(default=1_000_000, ge=0, le=10_000_000)  # texts of a UTC day, over all couriers
    rate_per_s: float = Field(default=20, gt=0, le=1_000)
    burst: int = Field(default=20, ge=1, le=1_000)
    in_flight_max: int = Field(default=4, ge=1, le=100)


READERS: dict[str, type[ChatModelConnector] | type[LocalModelConnector]] = {
    "chat_model": ChatModelConnector,
    "local_model": LocalModelConnector,
}
"""Kinds that read texts."""


def _check_header(name: str, content: object) -> None:
    if not _HEADER.fullmatch(name) or name.lower().startswith(_OWN_HEADERS):
        raise ValueError("headers: expected names of headers that the connector does not write")
    if isinstance(content, str):
        if any(part in name.lower() for part in _TELLING_HEADERS):
            raise ValueError(f"headers.{name}: expected {{env: NAME}} or {{file: PATH}}, got the secret itself")
        if not _LINE.fullmatch(content):
            raise ValueError(f"headers.{name}: expected one line of ASCII")


AnyConnector = (
    SmtpConnector
    | TwilioConnector
    | SmppConnector
    | WebPushConnector
    | FcmConnector
    | TelegramConnector
    | WhatsAppConnector
    | WebhookConnector
    | ChatModelConnector
    | LocalModelConnector
)
MODELS: dict[str, type[Connector]] = {
    "smtp": SmtpConnector,
    "twilio": TwilioConnector,
    "smpp": SmppConnector,
    "web_push": WebPushConnector,
    "fcm": FcmConnector,
    "telegram": TelegramConnector,
    "whatsapp": WhatsAppConnector,
    "webhook": WebhookConnector,
    **READERS,
}


class _Kind(Document, extra="ignore", hide_input_in_errors=True):
    kind: Literal[
        "smtp", "twilio", "smpp", "web_push", "fcm", "telegram", "whatsapp", "webhook", "chat_model", "local_model"
    ]


class ConnectorConfig(RootModel[Annotated[AnyConnector, Field(discriminator="kind")]]):
    """``connectors/<id>`` of any kind."""

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Read a connector.

        Problems name the path in the document, without the kind that pydantic puts before it, and repeat only what
        cannot be a secret: somebody may have written one where its name belongs.
        """
        if not isinstance(obj, Mapping):
            raise _refused([((), "expected a connector, with its kind")])
        try:
            read: Any = MODELS[_Kind.model_validate(obj).kind].model_validate(obj, **options)
        except ValidationError as error:
            found = error.errors(include_url=False)
            raise _refused([_told(item) for item in found if not _of_the_other_member(item)]) from None
        return cls.model_construct(root=read)


_Place = tuple[str | int, ...]
_SHOWN = ("kind", "tls", "order", "rate_per_s", "burst", "in_flight_max", "timeout_s", "port", "verify", "host")
"""Fields whose bad values are repeated. Of all others it is said what was expected."""


def _of_the_other_member(item: ErrorDetails) -> bool:
    """Tell whether a header was taken for text and is a mapping, or for a secret and is none."""
    loc, mapping = item["loc"], isinstance(item["input"], Mapping)
    if loc[:1] != ("headers",) or len(loc) != 3 or loc[2] == "[key]":
        return False
    return mapping if loc[2] == "str" else not mapping


def _told(item: ErrorDetails) -> tuple[_Place, str]:
    loc, came = item["loc"], item["input"]
    if loc[:1] == ("headers",):  # the name, then which member of the union it was taken for
        if loc[2:3] == ("str",):
            return loc[:2], "expected one line of ASCII, {env: NAME} or {file: PATH}"
        loc = (*loc[:2], *loc[3:])
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return loc, str(cause)
    if loc[-1:] == ("env",) and item["type"] == "string_pattern_mismatch":
        return loc, "expected the name of an environment variable: letters, digits and _, no digit first"
    shown = loc and loc[0] in _SHOWN and isinstance(came, str | int | float) and item["type"] != "missing"
    return loc, f"{item['msg']}, got {came!r:.60}" if shown else item["msg"]


def _refused(found: list[tuple[_Place, str]]) -> ValidationError:
    lines = [
        InitErrorDetails(type="value_error", loc=loc, input=None, ctx={"error": ValueError(text)})
        for loc, text in found
    ]
    return ValidationError.from_exception_data("connector", lines, hide_input=True)


def read_connector(document: Mapping[str, Any]) -> AnyConnector:
    """Return the connector of a stored document.

    Raises:
        ValidationError: it is none.
    """
    return ConnectorConfig.model_validate(document).root


def connected_channels(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the channels that some connector serves; in-app needs none."""
    served = {CHANNEL_OF[kind] for document in documents.values() if (kind := document.get("kind")) in CHANNEL_OF}
    return ("in_app", *sorted(served))
