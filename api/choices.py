"""What was learnt about choices: each arm, the draws as they were beside the best single arm, and what is proven."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import msgspec
from fastapi import APIRouter, Depends

from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers, page
from api.views import live_programme
from crm.choices.rules import ChoiceRule
from domain.errors import NotFound
from ml.choices.beliefs import Beliefs, Counts
from ml.choices.estimates import OUTCOMES_MIN, ChoiceReport, report
from ml.choices.words import sentences
from store.beliefs import BeliefsStore
from store.documents import Documents
from store.programmes import Programmes

router = APIRouter(prefix="/v1/choices", tags=["Choices"])

PLACES_4 = 4  # of a figure, as it is shown
_ESTIMATE = {"value": 0.104, "low": 0.089, "high": 0.121}
_ARM = {
    "arm": "free-spins",
    "promotional": True,
    "outcomes": 1204,
    "share": 0.61,
    "mean": _ESTIMATE,
    "everybody": _ESTIMATE,
    "modelled": 0.103,
    "best": 0.93,
    "void": 41,
}
_HEAD = {
    "id": "winback",
    "arms": ["cashback", "free-spins", "nothing"],
    "asked_by": ["journeys/win-back/offer"],
    "outcome": {"event": "deposit_completed", "within_s": 259200, "most": None},
    "outcomes": 1974,
    "best_arm": "free-spins",
    "in_words": ["Proven: choosing is worth more than holding out: 0.104 with it, 0.071 of those held out, ..."],
}
_REPORT = {
    **_HEAD,
    "arms": [_ARM],
    "context": ["recency"],
    "personal": False,
    "explore": 0.05,
    "void": 80,
    "policy": _ESTIMATE,
    "best_single": _ESTIMATE,
    "over_best": {"value": 0.004, "low": -0.009, "high": 0.017},
    "uniform": _ESTIMATE,
    "over_uniform": 0.011,
    "holdout": {"share": 0.05, "arm": "nothing", "outcomes": 98, "mean": _ESTIMATE},
    "others": _ESTIMATE,
    "over_holdout": {"value": 0.033, "low": 0.011, "high": 0.055},
    "enough": True,
    "earlier": 312,
    "beliefs": 7,
    "believed": 1960,
}

ReportsReader = Annotated[Principal, Depends(require("reports:read"))]


@router.get(
    "",
    summary="The choices of the live programme, and what is known of each",
    description="`in_words` says what is proven and what is not. `asked_by` is where the programme asks the choice.",
    responses=answers({"items": [_HEAD], "next": None}, 401, 403, 503),
)
async def list_choices(context: Ctx, _: ReportsReader) -> dict[str, Any]:
    rules = (await live_programme(context)).crm.choices.choices
    counts = await counted(context) if rules else {}
    documents = (await context.programmes.current())[1]
    return page([_head(rule, report(rule.plan, counts), documents) for _, rule in sorted(rules.items())])


@router.get(
    "/{id}",
    summary="What a choice was worth",
    description="Rewards are 0 to 1; intervals hold 95 %. Of an arm: `mean` of those who got it, `everybody` what it "
    "would have been worth had everybody got it (by the logged probabilities), `modelled` the same, doubly robust, "
    "`best` the probability that it is the best one. `policy` is what the draws were worth as they were, `best_single` "
    "had everybody got the arm that is likeliest to be the best, `uniform` had all arms been drawn alike; `holdout` "
    "and `others` are players held out and all others. `void` ended without saying anything and is in no figure; "
    "`earlier` outcomes are of a former context or outcome. Figures are of the store, seconds old; draws use "
    "`beliefs`, the number last published, which knows of `believed` outcomes.",
    responses=answers(_REPORT, 401, 403, 404, 503),
)
async def read_choice(id: str, context: Ctx, _: ReportsReader) -> dict[str, Any]:
    rule = (await live_programme(context)).crm.choices.choices.get(id)
    if rule is None:
        raise NotFound(f"the live programme has no choice {id[:120]!r}", code="choice_not_found")
    counts = await counted(context)
    documents = (await context.programmes.current())[1]
    beliefs = await live_beliefs(context)
    return _report(rule, report(rule.plan, counts), documents) | {
        "earlier": _earlier(rule, counts),
        "beliefs": beliefs.number,
        "believed": sum(sums.n for sums in beliefs.of(rule.plan).values()),
    }


async def counted(context: Context) -> Counts:
    """Return what all partitions counted so far."""
    return await BeliefsStore(context.redis, context.intake).sums()


_beliefs: WeakKeyDictionary[Programmes, Beliefs] = WeakKeyDictionary()


async def live_beliefs(context: Context) -> Beliefs:
    """Return what was learnt, as it was last published; read when its number has changed."""
    store = BeliefsStore(context.redis, context.intake)
    number, held = await store.live_number(), _beliefs.get(context.programmes, Beliefs())
    if held.number != number:
        # a number that is gone by now was overtaken between the two calls; what is held does for this once
        with contextlib.suppress(NotFound):
            held = _beliefs[context.programmes] = await store.get(number)
    return held


def askers(name: str, documents: Documents) -> Iterator[str]:
    """Yield where a programme's documents ask a choice: ``journeys/<id>/<node>``, ``campaigns/<id>``, ..."""
    for journey, document in sorted(documents.get("journeys", {}).items()):
        for node in document.get("nodes") or ():
            if name == node.get("choice") or name in _chosen(node.get("choose")):
                yield f"journeys/{journey}/{node['id']}"
    for campaign, document in sorted(documents.get("campaigns", {}).items()):
        if name in _chosen((document.get("message") or {}).get("choose")):
            yield f"campaigns/{campaign}"
    for slot, document in sorted(documents.get("placements", {}).items()):
        if name in _chosen(document.get("choose")):
            yield f"placements/{slot}"


def _chosen(said: Any) -> tuple[Any, ...]:
    """Return the choices that a ``choose`` names: one, or one each of template and channel."""
    if isinstance(said, Mapping):
        return tuple(said.values())
    return () if said is None else (said,)


def _head(rule: ChoiceRule, told: ChoiceReport, documents: Documents) -> dict[str, Any]:
    return {
        "id": rule.id,
        "arms": list(rule.plan.arms),
        "asked_by": list(askers(rule.id, documents)),
        "outcome": {
            "event": rule.event,
            "within_s": rule.within_ms // 1000,
            "most": rule.most if rule.value else None,
        },
        "outcomes": told.outcomes,
        "best_arm": told.best_arm if told.outcomes else None,
        "in_words": sentences(told),
    }


def _report(rule: ChoiceRule, told: ChoiceReport, documents: Documents) -> dict[str, Any]:
    figures = _rounded(msgspec.to_builtins(told))
    arms = [{**arm, "promotional": rule.arms[arm["arm"]].promotional} for arm in figures["arms"]]
    held = {"outcomes": figures.pop("holdout_outcomes"), "mean": figures.pop("holdout")}
    return {
        **{name: figures[name] for name in ("void", "policy", "best_single", "over_best", "uniform", "over_uniform")},
        **{name: figures[name] for name in ("others", "over_holdout")},
        **_head(rule, told, documents),
        "arms": arms,
        "context": list(rule.plan.context),
        "personal": rule.plan.personal,
        "explore": rule.plan.explore,
        "holdout": {"share": rule.holdout_share, "arm": rule.holdout_arm, **held} if rule.holdout_arm else None,
        "enough": all(arm.outcomes >= OUTCOMES_MIN for arm in told.arms),
    }


def _earlier(rule: ChoiceRule, counts: Counts) -> int:
    """Return how many outcomes were counted when the choice had another context or outcome."""
    return sum(
        sums.n
        for key, arms in counts.items()
        if key.startswith(f"{rule.id}|") and key != rule.plan.key
        for bys in arms.values()
        for sums in bys.values()
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, PLACES_4)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
