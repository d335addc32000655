"""Addresses that nothing more is sent to: those that bounced for good and those whose owner complained.

The tower hears digests by channel (fact ``suppressed``); the store is told the mark ``<channel>:<digest>``, so that
what waits already is stopped when it is claimed. A new address of the player's is not concerned.
"""

from collections.abc import Mapping
from typing import Any

from crm.addresses import digest_of
from crm.facts.turn import Heard
from domain.entries import Event

SUPPRESSED = "suppressed"
KEPT_MAX = 20  # of a channel; the oldest are forgotten, here and in the store
BOUNCED, COMPLAINED = "bounced", "complained"
_DIGEST_CHARS = 16


def known(told: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return what is suppressed: channel -> digest -> reason, the oldest first."""
    held: dict[str, dict[str, str]] = told.get(SUPPRESSED) or {}
    return held


def on_message(heard: Heard, event: Event, outcome: str) -> None:
    """Take a hard bounce or a complaint."""
    channel, digest = _address_of(heard, event)
    if digest and outcome == "complained":
        suppress(heard, channel, digest, COMPLAINED)
    elif digest and is_dead(event, outcome):
        suppress(heard, channel, digest, BOUNCED)


def is_dead(event: Event, outcome: str) -> bool:
    """Tell whether nothing can be sent to the message's address any more."""
    return outcome in ("bounced", "failed") and event.properties.get("is_address_dead") is True


def _address_of(heard: Heard, event: Event) -> tuple[str, str]:
    """Return the channel and the digest of a receipt: a provider's report may lack the address that was used."""
    channel, address = event.properties.get("channel"), event.properties.get("address")
    if not isinstance(channel, str):
        return "", ""
    if not isinstance(address, str) or not address:
        address = str((heard.air.get("reach") or {}).get(channel, ""))
    return channel, _digest(address) if address else ""


def on_lifted(heard: Heard, event: Event) -> None:
    """Take ``suppression_lifted`` ``{channel, address | digest}``, an operator's: the address works again."""
    said = event.properties
    digest, address = said.get("digest"), said.get("address")
    found = digest if isinstance(digest, str) else digest_of(address) if isinstance(address, str) else ""
    lift(heard, str(said.get("channel") or ""), found)


def suppress(heard: Heard, channel: str, digest: str, reason: str) -> None:
    """Send nothing more to the address."""
    held = known(heard.air).get(channel, {})
    if held.get(digest) in (reason, COMPLAINED):
        heard.mute(f"{channel}:{digest}")
        return
    others = {name: why for name, why in held.items() if name != digest}
    _keep(heard, channel, {**others, digest: reason})
    heard.mute(f"{channel}:{digest}")


def lift(heard: Heard, channel: str, digest: str) -> None:
    """Let the address be used again; nothing happens if it was not suppressed."""
    held = known(heard.air).get(channel, {})
    if digest in held:
        heard.unmute(f"{channel}:{digest}")
        _keep(heard, channel, {name: why for name, why in held.items() if name != digest})


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in what another profile's addresses did; marks are set again, under this id."""
    for channel, brought in known(theirs).items():
        for digest, reason in brought.items():
            suppress(heard, channel, digest, reason)


def _keep(heard: Heard, channel: str, held: dict[str, str]) -> None:
    for digest in list(held)[:-KEPT_MAX]:
        del held[digest]
        heard.unmute(f"{channel}:{digest}")
    whole = {**known(heard.air), channel: held}
    heard.tell(SUPPRESSED, {name: one for name, one in whole.items() if one})


def _digest(stated: str) -> str:
    """Return a digest as it is, and that of an address that was given in full."""
    is_digest = len(stated) == _DIGEST_CHARS and all(char in "0123456789abcdef" for char in stated)
    return stated if is_digest else digest_of(stated)
