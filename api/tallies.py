"""How many players are in each segment and at each node of a journey, for what asks often: metrics and the live page.

Counting takes a command for each group and partition, so the figures are kept for some seconds, longer where counting
takes longer: at most some two per cent of a gateway's time goes into it, however often somebody asks.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from msgspec import Struct

from api.choices import counted
from api.context import Context
from api.groups import group_counts, node_group, nodes_of
from api.reports import tallied, today_of
from api.views import live_programme
from crm.choices.rules import ChoiceRule
from ml.choices.beliefs import ONE, Counts, of_chance, together
from store.keys import outbox, walk_cursors
from store.programmes import Programmes

KEPT_MS = 3_000
KEPT_PER_MS = 50  # and this long for each ms that counting took


class ArmTally(Struct, frozen=True):
    """What came of an arm of a choice."""

    learnt: int  # outcomes that are learnt from
    apart: int  # outcomes of players held out, and of those who could get no other arm
    void: int  # ended without saying anything
    reward: float  # of the outcomes that are learnt from


class Tallies(Struct, frozen=True):
    """The players of the CRM, counted at one moment."""

    at: int = 0  # ms
    segments: dict[str, int] = {}
    journeys: dict[str, dict[str, int]] = {}  # journey -> node -> players, nodes of earlier versions too
    walks: int = 0  # ways of partitions through their players that are under way
    relays: int = 0  # entries that wait to be carried to another partition
    decisions: dict[tuple[str, str], int] = {}  # of the tower on this UTC day, by outcome and reason
    choices: dict[tuple[str, str], ArmTally] = {}  # what came of draws, by choice and arm
    kept_ms: int = 0


_kept: WeakKeyDictionary[Programmes, Tallies] = WeakKeyDictionary()
_counting: WeakKeyDictionary[Programmes, asyncio.Lock] = WeakKeyDictionary()


async def tallies(context: Context) -> Tallies:
    """Return the figures, some seconds old at most."""
    lock = _counting.setdefault(context.programmes, asyncio.Lock())
    async with lock:  # who comes meanwhile waits for the same figures
        kept = _kept.get(context.programmes)
        if kept is None or not 0 <= context.clock.now_ms() - kept.at < kept.kept_ms:
            kept = _kept[context.programmes] = await _counted(context)
        return kept


async def _counted(context: Context) -> Tallies:
    began = context.clock.now_ms()
    _, documents = await context.programmes.current()
    segments, nodes = sorted(documents.get("segments", {})), await nodes_of(context)
    groups = [f"segments/{name}" for name in segments]
    groups += [node_group(journey, node) for journey, theirs in nodes.items() for node in theirs]
    counts = await group_counts(context, groups)
    pipe: Any = context.redis.pipeline(transaction=False)
    for p in range(context.partitions):
        pipe.hlen(walk_cursors(p))
        pipe.xlen(outbox(p))
    lengths = await pipe.execute()
    decisions: Counter[tuple[str, str]] = Counter()
    for fields, count in (await tallied(context, [today_of(began)])).popitem()[1].items():
        decisions[fields[0], fields[1]] += count
    rules = (await live_programme(context)).crm.choices.choices if documents.get("choices") else {}
    ended = context.clock.now_ms()
    return Tallies(
        at=ended,
        segments={name: counts[f"segments/{name}"] for name in segments},
        journeys={
            journey: {node: counts[node_group(journey, node)] for node in theirs} for journey, theirs in nodes.items()
        },
        walks=sum(lengths[::2]),
        relays=sum(lengths[1::2]),
        decisions=dict(decisions),
        choices=_of_choices(rules, await counted(context)) if rules else {},
        kept_ms=max(KEPT_MS, KEPT_PER_MS * (ended - began)),
    )


def _of_choices(rules: Mapping[str, ChoiceRule], counts: Counts) -> dict[tuple[str, str], ArmTally]:
    """Return what came of the arms of the live programme's choices."""
    found: dict[tuple[str, str], ArmTally] = {}
    for name, rule in sorted(rules.items()):
        for arm in rule.plan.arms:
            bys = counts.get(rule.plan.key, {}).get(arm, {})
            learnt, all_of_it = of_chance(bys), together(bys.values())
            found[name, arm] = ArmTally(learnt.n, all_of_it.n - learnt.n, all_of_it.void, learnt.r / ONE)
    return found
