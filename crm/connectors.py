"""``connectors/<id>``: the providers by which channels send, as operators write them. The adapters are in ``channels``.

Secrets are named, never written: a programme is kept in files and shown in consoles.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from crm.fields import Document

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


class Secret(Document):
    """Where a secret is: an environment variable of the engine, or a file that only it can read."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    file: Annotated[str, Field(min_length=1, max_length=1024)] | None = None


class Connector(Document):
    """What every provider has."""

    order: int = Field(default=0, ge=0, le=100)  # of a channel's connectors the lowest that works is used
    rate_per_s: float = Field(default=50, gt=0, le=100_000)  # over all couriers
    burst: int = Field(default=50, ge=1, le=100_000)
    in_flight_max: int = Field(default=16, ge=1, le=1_000)  # of one courier
    timeout_s: float = Field(default=10, gt=0, le=10)  # a longer one would delay the confirmation of an exclusion


def connected_channels(documents: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the channels that some connector serves; in-app needs none."""
    served = {CHANNEL_OF[kind] for document in documents.values() if (kind := document.get("kind")) in CHANNEL_OF}
    return ("in_app", *sorted(served))
