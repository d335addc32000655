"""Names and fields of other systems, turned into ours by configuration. Pure, compiled once a programme version.

What a name means is said, in this order, by ``mappings/<key id>``, ``mappings/default``, the aliases of the document
concerned, and the table of well-known traits. Where two fields mean the same, the one under our name counts, else the
first; the other keeps its own name. Unknown fields are kept as they are.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from api.masks import Changes, EventMask, Rejection
from api.names import snake_case
from api.places import region_of
from api.traits import KNOWN_MASKS, KNOWN_NAMES
from api.values import Around, FieldMask, Unreadable, read_value
from domain.spelling import spelled

Names = dict[str, str]  # spelled -> ours
Document = Mapping[str, Any]

DEFAULT = "default"
ANY_EVENT = "*"
NAME_MAX = 100  # characters of a field's name that is looked up
_KNOWN: Names = {spelled(name): trait for trait, names in KNOWN_NAMES.items() for name in names.split(", ")}


class Mappings(Struct, frozen=True):
    """What holds for the events of one sender."""

    events: Names = {}  # theirs, spelled -> snake_case
    properties: dict[str, Names] = {}  # by event; only events that have any
    any_event: Names = {}  # of events that are not in ``properties``
    traits: Names = field(default_factory=lambda: _KNOWN)
    masks: dict[str, FieldMask] = field(default_factory=lambda: KNOWN_MASKS)  # of traits
    configured: frozenset[str] = frozenset()  # traits with a document
    player: tuple[tuple[str, str], ...] = ()  # ("properties", "customer_id")
    country: str = ""  # of the programme

    def properties_of(self, name: str, properties: dict[str, Any], changes: Changes) -> dict[str, Any]:
        """Return an event's properties under our names."""
        names = self.properties.get(name, self.any_event)
        return renamed(properties, names, "properties", changes) if names and properties else properties

    def traits_of(self, traits: dict[str, Any], context: Document, changes: Changes) -> dict[str, Any]:
        """Return traits under our names, read as their masks say; null, which removes a trait, stays.

        A value that cannot be read is left out, kept or refused, as its ``on_invalid`` says.

        Raises:
            Rejection: ``bad_trait``, with the path.
        """
        named = renamed(traits, self.traits, "traits", changes)
        around: Around | None = None
        found: dict[str, Any] = {}
        for name, value in named.items():
            mask = self.masks.get(name)
            if mask is None or value is None:
                found[name] = value
                continue
            if around is None:
                around = Around(self.country_of(named, context))
            try:
                found[name], done = read_value(value, mask, around)
            except Unreadable as error:
                if mask.on_invalid == "reject":
                    raise Rejection("bad_trait", error.detail, f"traits.{name}") from error
                if mask.on_invalid == "keep":
                    found[name], done = value, f"kept as it came: {error.detail}"
                else:
                    done = f"left out: {error.detail}"
            if done:
                changes.append((f"traits.{name}", done))
        return found

    def country_of(self, traits: Document, context: Document) -> str:
        """Return whose national phone numbers are meant, "" when nothing tells.

        In this order: the trait ``country`` of the same call, the region of its ``locale``, that of the context's
        ``locale``, the programme's ``country``.
        """
        if isinstance(stated := traits.get("country"), str):
            try:
                return str(read_value(stated, KNOWN_MASKS["country"], Around())[0])
            except Unreadable:
                pass  # it names none; the others may
        return region_of(traits.get("locale")) or region_of(context.get("locale")) or self.country


def compiled(documents: Mapping[str, Mapping[str, Document]], masks: Mapping[str, EventMask]) -> dict[str, Mappings]:
    """Return what holds by key id; ``default`` for every other sender."""
    mappings = documents.get("mappings", {})
    general = mappings.get(DEFAULT, {})
    base = _of_traits(documents)
    return {
        name: _compiled(base, (general, mappings[name]) if name != DEFAULT else (general,), masks)
        for name in ({*mappings} - {DEFAULT})
    } | {DEFAULT: _compiled(base, (general,), masks)}


def renamed(values: dict[str, Any], names: Names, root: str, changes: Changes) -> dict[str, Any]:
    """Return the values under our names, in their order; the same dict when all are."""
    found: dict[str, Any] = {}
    moved = False
    for name, value in values.items():
        ours = names.get(spelled(name), name) if len(name) <= NAME_MAX else name
        if ours != name and ours not in values and ours not in found:
            found[ours] = value
            moved = True
            changes.append((f"{root}.{ours}", f"renamed from {name!r}"))
        else:
            found[name] = value
    return found if moved else values


def _of_traits(documents: Mapping[str, Mapping[str, Document]]) -> Mappings:
    """Return the table of traits with the configuration's on top."""
    names, masks = dict(_KNOWN), dict(KNOWN_MASKS)
    traits = documents.get("traits", {})
    for name, document in traits.items():
        if document.get("type"):
            masks[name] = FieldMask.of(dict(document), on_invalid="drop")
        else:
            masks.pop(name, None)
    for name, document in traits.items():
        names |= {spelled(alias): name for alias in document.get("aliases") or ()}
    names |= {spelled(name): name for name in traits}
    country = str(documents.get("settings", {}).get("main", {}).get("country") or "")
    return Mappings(traits=names, masks=masks, configured=frozenset(traits), country=country)


def _compiled(base: Mappings, documents: tuple[Document, ...], masks: Mapping[str, EventMask]) -> Mappings:
    events: Names = {}
    traits = dict(base.traits)
    any_event: Names = {}
    properties = {name: _names(mask.aliases) for name, mask in masks.items() if mask.aliases}
    player: tuple[str, ...] = ()
    stated: dict[str, Names] = {}
    for document in documents:
        events |= {spelled(theirs): snake_case(ours) for theirs, ours in (document.get("events") or {}).items()}
        traits |= {spelled(theirs): ours for theirs, ours in (document.get("traits") or {}).items()}
        player = tuple(document.get("player") or ()) or player
        for event, names in (document.get("properties") or {}).items():
            table = any_event if event == ANY_EVENT else stated.setdefault(snake_case(event), {})
            table |= {spelled(theirs): ours for theirs, ours in names.items()}
    return Mappings(
        events,
        {name: {**any_event, **properties.get(name, {}), **stated.get(name, {})} for name in {*properties, *stated}},
        any_event,
        traits,
        base.masks,
        base.configured,
        tuple((root, name) for root, _, name in (path.partition(".") for path in player)),
        base.country,
    )


def _names(aliases: Mapping[str, tuple[str, ...]]) -> Names:
    others = {spelled(other): name for name, names in aliases.items() for other in names}
    return {**others, **{spelled(name): name for name in aliases}}
