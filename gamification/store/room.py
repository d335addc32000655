"""What the store brings to the game."""

from collections.abc import Iterable

from domain.calendar import as_ms
from domain.conditions import compile_condition
from domain.player import Snapshot
from domain.shop import Shop
from gamification.compiling import holds_of, message_of, rewards_of
from gamification.references import condition_errors, of_kind, reward_errors
from gamification.room import Compiled, Room, Sources
from gamification.store import buying, granting, records, refunding, stock
from gamification.store.config import OUTSIDE, Discount, ItemConfig
from gamification.store.rules import Discount as DiscountRule
from gamification.store.rules import ItemRule, Store
from gamification.store.view import view
from gamification.working import Turn

_FOREVER = 2**62


def errors(sources: Sources) -> Iterable[str]:
    """Yield what an item names and nobody configured."""
    models, segments, documents = sources.models, sources.segments, sources.documents
    currencies = {"points", *models["currencies"]}
    for name, item in of_kind(models, "rewards", ItemConfig).items():
        where = f"rewards/{name}"
        if item.price and item.price.currency not in currencies:
            known, came = " ".join(sorted(currencies)), repr(item.price.currency)
            yield f"{where}: price.currency: expected one of {known}, got {came}"
        yield from reward_errors(where, "gives", item.gives, models)
        yield from condition_errors(where, "audience", compile_condition(item.audience), models, segments)
        for i, discount in enumerate(item.discount):
            tree = compile_condition(discount.audience)
            yield from condition_errors(where, f"discount[{i}].audience", tree, models, segments)
        if item.message and "templates" in documents and item.message.template not in documents["templates"]:
            yield f"{where}: message.template: expected a template, got {item.message.template!r}"
        if item.grant:
            connector = documents.get("connectors", {}).get(item.grant.connector, {})
            if connector.get("kind") != "webhook":
                came = f"{item.grant.connector!r}"
                yield f"{where}: grant.connector: expected a connector of the kind webhook, got {came}"


def compiled(sources: Sources) -> Compiled:
    """Return the items of a version."""
    items = {
        name: _item(name, model, sources.version)
        for name, model in of_kind(sources.models, "rewards", ItemConfig).items()
    }
    return Compiled(Store(items) if items else None)


def _item(name: str, model: ItemConfig, version: int) -> ItemRule:
    active = model.active
    return ItemRule(
        id=name,
        version=version,
        name=model.name,
        description=model.description,
        icon=model.icon or "",
        type=model.type,
        gives=rewards_of(model.gives),
        connector=model.grant.connector if model.grant else "",
        is_outside=model.type in OUTSIDE,
        currency=model.price.currency if model.price else "",
        price=model.price.amount if model.price else 0,
        discounts=tuple(_discount(discount) for discount in model.discount),
        stock=model.stock,
        limit=model.limit.max if model.limit else 0,
        limit_per=model.limit.per if model.limit else "ever",
        audience=holds_of(model.audience),
        starts_at=as_ms(active.starts) if active.starts else 0,
        until=as_ms(active.until) if active.until else _FOREVER,
        refundable_ms=(model.refundable_within or 0) * 1_000,
        confirm_ms=model.confirm_within * 1_000,
        message=message_of(model.message),
    )


def _discount(model: Discount) -> DiscountRule:
    active = model.active
    starts = as_ms(active.starts) if active.starts else 0
    return DiscountRule(
        model.percent, starts, as_ms(active.until) if active.until else _FOREVER, holds_of(model.audience)
    )


def hand_over(turn: Turn, _: str) -> None:
    """The profile ends: its purchases go on at the other one."""
    for purchase in turn.part("shop").purchases:
        if purchase.until:
            turn.clear_timer(granting.TIMER, purchase.id, purchase.until)
    turn.set_part("shop", Shop())


def join(turn: Turn, source: Snapshot) -> None:
    """Take in the other profile's purchases; grants that are under way are waited for here."""
    known = {purchase.id for purchase in turn.part("shop").purchases}
    records.join(turn, source.shop)
    for purchase in turn.part("shop").purchases:
        if purchase.until and purchase.id not in known:
            turn.set_timer(granting.TIMER, purchase.id, purchase.until)


ROOM = Room(
    "store",
    kinds={"rewards": ItemConfig},
    errors=errors,
    compile=compiled,
    commands={"buy": buying.buy, "refund": refunding.refund, "confirm_grant": granting.confirm_grant},
    timers={granting.TIMER: granting.on_due},
    answers={buying.THEN: buying.on_stock},
    givers={"item": buying.give_item},
    keepers={stock.KIND: stock.take},
    hand_over=hand_over,
    join=join,
    view=view,
)
