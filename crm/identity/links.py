"""Other ids of this person, as events tell them: a login on a device that played before, an alias, a device."""

from typing import Any

from msgspec import structs

from crm.working import Turn
from domain.effects import IdentityLinked
from domain.entries import Event, MergeAsked, MergeRefused
from domain.ids import ANONYMOUS_PREFIX, is_anonymous, is_nobody, survivor
from domain.player import Identity

ALIASED = "aliased"  # the event that an ``alias`` call becomes
LINKS_MAX = 100  # other ids of one player; one more is not asked to join, and the history says so once
DEVICES_MAX = 20  # the last ones are kept
ID_CHARS_MAX = 200  # of a device's or previous id; longer ones are ignored
FULL = ""  # in place of an id: an id was not linked for want of room


def concerns(identity: Identity, event: Event) -> bool:
    """Tell whether the event names an id or a device that is not known yet."""
    links, other = identity.links, event.anonymous
    if other and other not in links and FULL not in links and other != event.player:
        return True
    if event.name == ALIASED:
        return True
    return bool(event.context) and (device := device_of(event)) != "" and device not in identity.devices


def note(turn: Turn, event: Event) -> None:
    """Ask the ids that the event names to join, each once, and keep the device."""
    for other in _named(event):
        if other != turn.player:
            ask(turn, other, event.id)
    device = device_of(event)
    if device and device not in turn.identity.devices:
        turn.identity = structs.replace(turn.identity, devices=(*turn.identity.devices, device)[-DEVICES_MAX:])


def ask(turn: Turn, other: str, cause: str) -> bool:
    """Link another id and ask it to join, whichever of the two will live on; False when there is no room for it.

    The one that lives on has the last word: asked by one that cannot, it turns the question round (``merging``).
    """
    links = turn.identity.links
    if other in links or other in turn.identity.sources:
        return True
    if len(links) >= LINKS_MAX:
        if FULL not in links:
            mark(turn, FULL, "elsewhere")
            turn.effects.append(IdentityLinked(other, "too_many_links"))
        return False
    if survivor(turn.player, other):
        mark(turn, other, "asked")
        turn.effects.append(IdentityLinked(other))
    else:
        mark(turn, other, "proposed")
    turn.relays.append(MergeAsked(other, turn.player, cause))
    return True


def mark(turn: Turn, other: str, status: str) -> None:
    """Note what became of another id."""
    turn.identity = structs.replace(turn.identity, links={**turn.identity.links, other: status})


def on_refused(turn: Turn, refused: MergeRefused) -> None:
    """Note that the other id is someone else's; it is not asked again."""
    if turn.identity.links.get(refused.source) == "asked":
        mark(turn, refused.source, "elsewhere")


def device_of(event: Event) -> str:
    """Return the id of the device the event came from, "" when it names none."""
    device = event.context.get("device")
    return _text(device.get("id")) if isinstance(device, dict) else ""


def _named(event: Event) -> tuple[str, ...]:
    """Return the ids that the event says are the same person.

    An ``alias`` does not say what its previous id is, so both readings are asked. An anonymous sender cannot name a
    user: nobody may put themselves into a profile that they have not logged in to.
    """
    named = [event.anonymous] if event.anonymous else []
    previous = _text(event.properties.get("previous_id")) if event.name == ALIASED else ""
    if previous and not is_nobody(previous):
        if is_anonymous(previous):
            named.append(previous)
        else:
            named.append(ANONYMOUS_PREFIX + previous)
            if not is_anonymous(event.player):
                named.append(previous)
    return tuple(named)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= ID_CHARS_MAX else ""
