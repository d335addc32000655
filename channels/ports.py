"""What a courier asks of an adapter, and what a provider tells later."""

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct

from crm.addresses import Address


class Parcel(Struct, frozen=True):
    """One message for one address.

    ``content`` by channel: email {subject, html, text, preheader}; sms {text}; push {title, body, url, icon};
    messenger {text, label, url}; webhook {payload}. What is not there is absent or "".
    """

    id: str  # of the request: the same at every try, for the provider's idempotency
    player: str
    channel: str
    purpose: str
    template: str
    content: Mapping[str, Any]
    address: Address | None  # None for webhooks: their address is the connector's
    expires_at: int  # ms
    at: int  # ms, now
    unsubscribe_url: str = ""  # one click; "" for what cannot be unsubscribed from
    preferences_url: str = ""
    status_url: str = ""  # where the provider may report what became of it


class Sent(Struct, frozen=True):
    """The provider has it. ``provider_id`` is what its later reports name, ``said`` what a model has read."""

    provider_id: str = ""
    detail: str = ""
    said: Mapping[str, Any] = {}


class Retry(Struct, frozen=True):
    """Certainly not sent, and worth another try.

    Args:
        is_provider: The provider, not this message, is the trouble (no answer, 5xx, throttled): its breaker counts it.
        after_s: It asked for so long (``Retry-After``); 0: it said nothing.
    """

    detail: str
    is_provider: bool = True
    after_s: float = 0


class Rejected(Struct, frozen=True):
    """Not sent, and never will be.

    Args:
        is_address_dead: Nothing should be sent to that address again (hard bounce).
        is_unsubscribed: The player told the provider to stop; the address lives, and they may come back.
    """

    detail: str
    is_address_dead: bool = False
    is_unsubscribed: bool = False


class Unclear(Struct, frozen=True):
    """It may have been sent: the connection ended after the message had left.

    Args:
        is_provider: As in ``Retry``: False where one player's address, not the provider, may be the trouble.
    """

    detail: str
    is_provider: bool = True


Result = Sent | Retry | Rejected | Unclear


class Adapter(Protocol):
    """A provider, connected as one connector document says. ``send`` never raises for what the provider does."""

    kind: str  # of the connector
    address_kinds: frozenset[str]  # of ``Address.kind``; empty: it needs none
    is_idempotent: bool  # the provider drops a second one of the same id: an unclear send is tried again for everybody

    async def send(self, parcel: Parcel) -> Result:
        """Send within the connector's ``timeout_s``."""

    async def close(self) -> None:
        """End connections; what is being sent has ended before."""


class Inbound(Struct, frozen=True):
    """What a provider reports through its hook: about a message, or a message from a player."""

    outcome: str  # delivered opened clicked bounced complained replied unsubscribed failed; of ``domain.receipts``
    at: int = 0  # ms; 0: not said
    provider_id: str = ""
    request: str = ""  # our id, where the provider hands it back
    address: str = ""  # in full: whose reply, or which address is dead
    detail: str = ""  # of a reply: its text
    is_address_dead: bool = False  # of a bounce: a hard one
    player: str = ""  # whose message it was, where the provider hands that back
    mark: str = ""  # the provider's own name of this very report: the same again is the same report, another is not
