"""What must hold of choices at the end of a run: a draw ends once or is open, and what is counted has happened."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from actors.choices import counted
from domain.effects import ChoiceCounted, ChoiceEnded, Chose, Effect, decode_record
from domain.player import snapshot_from_parts

if TYPE_CHECKING:
    from tests.simulation.world import World

Draw = tuple[str, str, str, int, tuple[int, ...], str]


def effects_of(world: "World", p: int) -> Iterator[Effect]:
    """Yield all that the turns of a partition's players recorded."""
    for rows in world.store.of(p).lanes["players"].history.values():
        for _, fields in rows.all():
            yield from decode_record(fields["d"]).effects


def broken(world: "World") -> Iterator[str]:
    """Yield what breaks the laws. A merge may give a draw another key: draws are compared without it."""
    drawn, ended, open_ = Counter[Draw](), Counter[Draw](), Counter[Draw]()
    rewarded, counts, uncounted = Counter[Draw](), Counter[Draw](), Counter[Draw]()
    for p, shared in world.store.partitions.items():
        sums: Counter[str] = Counter()
        for effect in effects_of(world, p):
            if isinstance(effect, Chose):
                drawn[_draw(effect)] += 1
            elif isinstance(effect, ChoiceEnded):
                ended[_draw(effect)] += 1
                rewarded[_draw(effect)] += effect.outcome == "rewarded"
            if isinstance(effect, ChoiceCounted):
                counts[_draw(effect)] += 1
            if isinstance(effect, ChoiceEnded | ChoiceCounted):
                for name, more in counted(effect):
                    sums[name] += more
        if sums != shared.sums:
            yield f"players {p}: the history has {dict(sums)}, the sums are {shared.sums}"
        for player, fields in shared.lanes["players"].states.items():
            parts = {name: data for name, data in fields.items() if name != "v"}
            for held in snapshot_from_parts(player, 0, parts).choices.open:
                draw = held.choice, held.arm, held.by, held.propensity, held.context, held.generation
                (open_ if held.is_open else uncounted)[draw] += 1
    if drawn != ended + open_:
        yield f"{drawn.total()} draws, {ended.total()} ended and {open_.total()} open: {drawn - ended - open_}"
    if +rewarded != counts + uncounted:
        yield f"{rewarded.total()} rewarded, {counts.total()} counted and {uncounted.total()} to be counted"


def _draw(effect: Chose | ChoiceEnded | ChoiceCounted) -> Draw:
    return effect.choice, effect.arm, effect.by, effect.propensity, effect.context, effect.generation
