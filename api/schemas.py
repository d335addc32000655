"""``/v1/events/schemas`` and ``/v1/traits/schemas``: what is configured, what was learned, and proposals made of it.

A proposal is a document as ``PUT /v1/config/events/<name>`` or ``.../traits/<name>`` takes it. It asks for no more than
what was seen; a person decides.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from msgspec import Struct

from actors.programme import check_id
from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers, page
from api.traits import KNOWN_MASKS
from domain.errors import Invalid, NotFound
from store.learned import TRAITS, Count

REQUIRED_FROM = 50  # looked at, and present in all: proposed as required
MAJORITY = 0.9  # of the values; below it a property is left out of the proposal
MONEY = frozenset(
    ("amount", "price", "total", "revenue", "stake", "win", "payout", "deposit", "withdrawal", "cost", "fee", "bonus")
)  # last words of names of amounts
_TEXTS = ("string", "decimal", "date", "timestamp", "email", "phone")

router = APIRouter(tags=["schemas"])
Reader = Annotated[Principal, Depends(require("config:read"))]
Writer = Annotated[Principal, Depends(require("config:write"))]


class Proposed(Struct, frozen=True):
    """What one field should be, and how sure that is."""

    type: str  # "" when the values do not agree
    confidence: float  # share of the values that the type reads
    present: int  # of those looked at
    note: str = ""


@router.get("/v1/events/schemas", responses=answers({"items": [], "next": None}, 401, 403))
async def index(context: Ctx, _: Reader) -> dict[str, Any]:
    """List the events that are configured or were learned, by name."""
    await context.learning.flush()
    learned = await context.learned.names()
    counts = dict(zip(learned, await context.learned.seen(learned), strict=True))
    return page(
        [
            {
                "name": name,
                "status": "configured" if name in context.programme.masks else "learned",
                "seen": counts.get(name, (0, 0))[0],
                "sampled": counts.get(name, (0, 0))[1],
            }
            for name in sorted({*context.programme.masks, *learned})
        ]
    )


@router.get("/v1/events/schemas/{name}/proposal", responses=answers({"proposal": {}}, 401, 403, 404))
async def proposal(name: str, context: Ctx, _: Reader) -> dict[str, Any]:
    """Propose a mask for an event, from what was seen of it."""
    counted = await _counted(context, name)
    fields = {field: proposed_of(field, types, "currency" in counted.fields) for field, types in counted.fields.items()}
    document = {
        "properties": {
            field: {"type": found.type, **({"required": True} if _required(found, counted) else {})}
            for field, found in sorted(fields.items())
            if found.type
        }
    }
    notes = [f"{field}: {found.note}" for field, found in sorted(fields.items()) if found.note]
    try:
        check_id(name)
    except Invalid:
        document = {}
        notes.insert(0, f"documents have Latin names: map it first (mappings/default: events: {{{name!r}: <name>}})")
    return {
        "name": name,
        "status": "configured" if name in context.programme.masks else "learned",
        "seen": counted.seen,
        "sampled": counted.sampled,
        "proposal": document or None,
        "properties": {field: _shown(found, counted, field) for field, found in sorted(fields.items())},
        "notes": notes,
    }


@router.delete("/v1/events/schemas/{name}", status_code=204)
async def forget(name: str, context: Ctx, _: Writer) -> Response:
    """Forget what was learned of an event, when it changed its shape; gateways begin to learn it again."""
    await context.learning.flush()
    if not await context.learned.forget(name):
        raise _unknown(name)
    context.learning.forget(name)
    return Response(status_code=204)


@router.get("/v1/traits/schemas", responses=answers({"items": [], "next": None}, 401, 403))
async def traits(context: Ctx, _: Reader) -> dict[str, Any]:
    """List the traits that are configured, known to every installation, or were learned, with a proposal for these."""
    await context.learning.flush()
    counted = await context.learned.of(TRAITS) or Count()
    configured = context.programme.documents.get("traits", {})
    items: list[dict[str, Any]] = []
    for name in sorted({*configured, *KNOWN_MASKS, *counted.fields}):
        item: dict[str, Any] = {"name": name, "status": "learned"}
        if name in configured:
            item |= {"status": "configured", "document": configured[name]}
        elif name in KNOWN_MASKS:
            mask = KNOWN_MASKS[name]
            item |= {"status": "known", "document": {"type": mask.type, "on_invalid": mask.on_invalid}}
        if name in counted.fields:
            found = proposed_of(name, counted.fields[name], currency=False)
            item |= _shown(found, counted, name)
            if item["status"] == "learned":
                item["proposal"] = {"type": found.type} if found.type else None
        items.append(item)
    return page(items)


def proposed_of(field: str, types: dict[str, int], currency: bool) -> Proposed:
    """Return what a field's values agree on, or a type that reads nearly all of them.

    Text that is written like a number stays text (an id may begin with 0), unless numbers came too or it is money.

    Args:
        currency: Whether the events say a currency, so that a decimal amount can be money.
    """
    present = sum(types.values())
    money = currency and field.split("_")[-1] in MONEY
    kind, n = _agreed(types, money)
    confidence = round(n / present, 4)
    if n < MAJORITY * present:
        return Proposed("", confidence, present, f"values do not agree: {_listed(types)}")
    if n < present:
        return Proposed(kind, confidence, present, f"some would be refused: {_listed(types)}")
    note = "decimals are taken as major units of the event's currency" if kind == "money" else ""
    return Proposed(kind, confidence, present, note)


def _agreed(types: dict[str, int], money: bool) -> tuple[str, int]:
    """Return the type that reads the most values, and how many."""
    numbers = types.get("integer", 0) + types.get("number", 0)
    numeric = numbers + types.get("decimal", 0)
    texts = sum(types.get(kind, 0) for kind in _TEXTS)
    found = {kind: n for kind, n in types.items() if kind not in ("integer", "number", "decimal")}
    if numeric and money and numeric > types.get("integer", 0):
        found["money"] = numeric
    elif numbers:
        found["integer" if numeric == types.get("integer") else "number"] = numeric
    kind, n = max(found.items(), key=lambda item: item[1], default=("string", 0))
    return (kind, n) if n >= texts else ("string", texts)


async def _counted(context: Context, name: str) -> Count:
    await context.learning.flush()
    counted = await context.learned.of(name) if name != TRAITS else None
    if counted is None:
        raise _unknown(name)
    return counted


def _unknown(name: str) -> NotFound:
    return NotFound(f"nothing was learned of an event {name[:100]!r}: it has a mask, or has not come yet")


def _required(found: Proposed, counted: Count) -> bool:
    return counted.sampled >= REQUIRED_FROM and found.present >= counted.sampled and found.confidence == 1.0


def _shown(found: Proposed, counted: Count, field: str) -> dict[str, Any]:
    return {
        "types": dict(sorted(counted.fields[field].items())),
        "present": found.present,
        "present_share": round(min(1.0, found.present / counted.sampled), 4) if counted.sampled else 0.0,
        "type": found.type or None,
        "confidence": found.confidence,
    }


def _listed(types: dict[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(types.items(), key=lambda item: -item[1]))
