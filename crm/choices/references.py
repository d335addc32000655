"""What a place that asks a choice must find there: the arms that it can give, and counting that makes sense for it."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

from crm.choices.config import MessageChoiceConfig, arms_of
from crm.fields import Channel

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_CHANNELS = frozenset(get_args(Channel)) - {"webhook"}


def of_node(choice: str, arms: Collection[str], documents: Documents) -> Iterator[str]:
    """Yield why a node's ways are not those of a choice."""
    found = documents.get("choices", {}).get(choice)
    if found is None:
        yield _unknown("choice", choice)
        return
    known = arms_of(found)
    for arm in sorted(known - set(arms)):
        yield f"arms: expected a way for each arm of {choice!r}, got none for {arm!r}"
    for arm in sorted(set(arms) - known):
        yield f"arms: expected the arms of {choice!r}, got {arm!r}"
    yield from _counted("choice", choice, found)


def of_times(choice: str, documents: Documents) -> Iterator[str]:
    """Yield why a choice cannot say when a delay ends."""
    found = documents.get("choices", {}).get(choice)
    if found is None:
        yield _unknown("choose", choice)
        return
    for arm in sorted(arms_of(found)):
        if not _TIME.fullmatch(arm):
            yield f"choose: expected arms of {choice!r} that are times such as 09:00, got {arm!r}"
    yield from _counted("choose", choice, found)


def of_message(choose: MessageChoiceConfig, channels: Collection[str], documents: Documents) -> Iterator[str]:
    """Yield why choices cannot say what a message is made of, or where it goes first."""
    choices = documents.get("choices", {})
    for name, choice in (("template", choose.template), ("channel", choose.channel)):
        if choice is not None and choice not in choices:
            yield _unknown(f"choose.{name}", choice)
    templates = documents.get("templates", {})
    for arm in sorted(arms_of(choices.get(choose.template or ""))):
        if arm not in templates:
            yield f"choose.template: expected arms of {choose.template!r} that are templates, got {arm!r}"
        elif templates[arm].get("channel") == "webhook":
            yield f"choose.template: expected templates for people, got {arm!r} of a webhook"
    open_ = _CHANNELS.intersection(channels) or _CHANNELS
    for arm in sorted(arms_of(choices.get(choose.channel or "")) - open_):
        yield f"choose.channel: expected arms of {choose.channel!r} among {' '.join(sorted(open_))}, got {arm!r}"


def _unknown(path: str, choice: str) -> str:
    return f"{path}: expected the id of a choice, got {choice!r}"


def _counted(path: str, choice: str, document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("counts_from") == "sent":
        yield f"{path}: expected a choice that counts from chosen, got {choice!r} that counts from sent"
