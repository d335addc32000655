"""Devices that can be pushed to, in the record ``devices``: digest -> {kind, value, keys, seen_at}."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from crm.addresses import DEVICES_MAX, digest_of
from crm.facts import suppression
from crm.facts.turn import Heard
from domain.entries import Event

DEVICES = "devices"
SEEN_AGAIN_MS = 3_600_000  # a device that says the same sooner is not written again
_VALUE_CHARS_MAX = 4_096
_KEY_CHARS_MAX = 200
_WEB_PUSH, _FCM = "web_push", "fcm"


def known(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the devices by digest."""
    held: dict[str, dict[str, Any]] = told.get(DEVICES) or {}
    return held


def on_registered(heard: Heard, event: Event) -> None:
    """Take ``device_registered`` ``{kind, value, keys}``. The endpoint of a browser must be https, and have its keys.

    A device that was thought gone works again: it says so itself.
    """
    said = event.properties
    kind, value = said.get("kind"), said.get("value")
    if kind not in (_WEB_PUSH, _FCM) or not isinstance(value, str) or not 0 < len(value) <= _VALUE_CHARS_MAX:
        return
    keys = _keys(said.get("keys")) if kind == _WEB_PUSH else {}
    if kind == _WEB_PUSH and (not _is_https(value) or len(keys) != 2):
        return
    digest, held = digest_of(value), known(heard.air)
    device = {"kind": kind, "value": value, "keys": keys, "seen_at": heard.at}
    before = held.get(digest)
    if before and {**before, "seen_at": heard.at} == device and heard.at - before["seen_at"] < SEEN_AGAIN_MS:
        return
    if suppression.known(heard.air).get("push", {}).get(digest) == suppression.BOUNCED:
        suppression.lift(heard, "push", digest)
    _keep(heard, {**held, digest: device})


def on_removed(heard: Heard, event: Event) -> None:
    """Take ``device_removed`` ``{value}``."""
    value = event.properties.get("value")
    if isinstance(value, str):
        forget(heard, digest_of(value))


def on_message(heard: Heard, event: Event, outcome: str) -> None:
    """Forget the device of a push that bounced for good."""
    address = event.properties.get("address")
    if event.properties.get("channel") == "push" and isinstance(address, str) and suppression.is_dead(event, outcome):
        forget(heard, address)


def forget(heard: Heard, digest: str) -> None:
    """Forget a device, if it is known."""
    held = known(heard.air)
    if digest in held:
        heard.keep(DEVICES, {name: device for name, device in held.items() if name != digest})


def join(heard: Heard, theirs: Mapping[str, Any]) -> None:
    """Take in another profile's devices; of one that both have, the one seen later."""
    held = dict(known(heard.air))
    for digest, device in known(theirs).items():
        if digest not in held or held[digest]["seen_at"] < device["seen_at"]:
            held[digest] = device
    if held != known(heard.air):
        _keep(heard, held)


def _keep(heard: Heard, held: Mapping[str, dict[str, Any]]) -> None:
    """Keep the devices seen last."""
    latest = sorted(held.items(), key=lambda item: (-item[1]["seen_at"], item[0]))[:DEVICES_MAX]
    heard.keep(DEVICES, dict(latest))


def _keys(stated: object) -> dict[str, str]:
    if not isinstance(stated, Mapping):
        return {}
    named = {name: stated.get(name) for name in ("p256dh", "auth")}
    return {name: key for name, key in named.items() if isinstance(key, str) and 0 < len(key) <= _KEY_CHARS_MAX}


def _is_https(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and " " not in value
    except ValueError:
        return False
