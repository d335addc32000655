"""``placements/<slot>``: content of a page's slot, chosen for one player as the page is drawn (docs/tower.md).

Nothing is queued and nothing waits: the best candidate that may be shown now is shown, else the fallback, else nothing.
The gate goes first, as for every channel: an excluded player sees a fallback that advertises nothing, or nothing.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Any

from msgspec import Struct
from pydantic import AfterValidator, AwareDatetime, Field, ValidationError, model_validator

from crm.fields import Document, Id, Product, Purpose
from domain.calendar import as_ms
from domain.conditions import Condition, Context, compile_condition, validate_condition

CHANNEL = "in_app"
ADVERTISING = frozenset(("promo", "retention", "reward"))
CANDIDATES_MAX = 50
PLACEMENTS_MAX = 200
_NO_EVENT = {
    "event": "a placement knows the player, not an event",
    "journey": "a placement knows the player, not a journey",
}


def _about_the_player(value: dict[str, Any] | None) -> dict[str, Any] | None:
    validate_condition(value, "where", refused=_NO_EVENT)
    return value


class CandidateConfig(Document):
    """One content. Of those that may be shown the highest priority is, among equals by weight, the same all day."""

    template: Id
    where: Annotated[dict[str, Any] | None, AfterValidator(_about_the_player)] = None
    priority: int = Field(default=0, ge=-1_000, le=1_000)
    weight: float = Field(default=1, gt=0, le=1_000)
    from_: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = None
    product: Product | None = None
    purpose: Purpose

    @model_validator(mode="after")
    def _has_time(self) -> "CandidateConfig":
        if self.from_ and self.until and self.from_ >= self.until:
            raise ValueError("expected `from` before `until`")
        return self


class FallbackConfig(Document):
    """What is shown when nothing else may be."""

    template: Id
    purpose: Purpose = "service"
    product: Product | None = None


class CappingConfig(Document):
    """How often one player sees one content of the slot on one of their days."""

    per_day: int = Field(ge=1, le=1_000)


class PlacementConfig(Document):
    """A slot of a page or an app. With ``choose`` what was learnt takes the place of weights (``choices/<id>``)."""

    candidates: Annotated[tuple[CandidateConfig, ...], Field(max_length=CANDIDATES_MAX)] = ()
    choose: Id | None = None
    fallback: FallbackConfig | None = None
    capping: CappingConfig | None = None


class Candidate(Struct, frozen=True):
    """A compiled candidate; a fallback is one without a condition."""

    template: str
    purpose: str
    product: str = ""
    where: Condition | None = None
    priority: int = 0
    weight: float = 1
    since: int = 0  # ms
    until: int = 0  # ms; 0: for ever


class Placement(Struct, frozen=True):
    """A compiled slot; candidates by priority, the highest first."""

    slot: str
    candidates: tuple[Candidate, ...] = ()
    fallback: Candidate | None = None
    per_day: int = 0  # 0: as often as asked
    choice: str = ""  # which of equal candidates is left to it; "": to their weights


class Learnt(Struct, frozen=True):
    """A choice (``choices/<id>``) as a slot asks it, for one player at one moment."""

    arms: frozenset[str]
    obstacle: Callable[[str], str]  # code of why the player may not get an arm; "": nothing stands against it
    draw: Callable[[tuple[str, ...]], str]  # one of the arms that may be shown


class Choice(Struct, frozen=True):
    """What is shown; None: nothing. ``passed_over`` says why each of the others is not."""

    candidate: Candidate | None = None
    is_fallback: bool = False
    passed_over: tuple[tuple[str, str], ...] = ()  # template, code of why


class Allowed(Struct, frozen=True):
    """What the gates say of the player."""

    is_excluded: bool = False
    said: Mapping[str, bool] = {}  # consents given and withdrawn, by key
    muted: Collection[str] = ()  # marks of the store
    required: Collection[str] = ()  # purposes that need a consent given
    products: bool = False  # for those, the product's consent by channel is needed


def choose(
    placement: Placement,
    context: Context,
    allowed: Allowed,
    *,
    player: str,
    day: int,
    shown: Mapping[str, int],
    learnt: Learnt | None = None,
) -> Choice:
    """Choose what the slot shows to a player now.

    In this order each candidate is passed over: outside its time; the player is excluded (``excluded``); a consent
    is withdrawn or missing; shown often enough today (``cap_reached``); its condition does not hold (``where``); the
    slot's choice does not let the player have it.

    Args:
        context: Its ``now`` is the moment.
        day: The player's local day; who sees which of equal candidates is drawn by it.
        shown: How often each template was shown today in this slot.
        learnt: The slot's choice; it draws one of equal candidates that are its arms.
    """
    passed: list[tuple[str, str]] = []
    open_: list[Candidate] = []
    for candidate in placement.candidates:
        if open_ and candidate.priority < open_[0].priority:
            break
        if reason := _obstacle(candidate, placement, context, allowed, shown, learnt):
            passed.append((candidate.template, reason))
        else:
            open_.append(candidate)
    if open_:
        return Choice(_drawn(open_, f"{placement.slot}|{player}|{day}", learnt), passed_over=tuple(passed))
    fallback = placement.fallback
    if fallback is not None:
        reason = _gate(fallback, allowed)
        if not reason:
            return Choice(fallback, is_fallback=True, passed_over=tuple(passed))
        passed.append((fallback.template, reason))
    return Choice(passed_over=tuple(passed))


def _obstacle(
    candidate: Candidate,
    placement: Placement,
    context: Context,
    allowed: Allowed,
    shown: Mapping[str, int],
    learnt: Learnt | None,
) -> str:
    if context.now < candidate.since or (candidate.until and context.now >= candidate.until):
        return "not_its_time"
    if allowed.is_excluded:
        return "excluded"
    if reason := _gate(candidate, allowed):
        return reason
    if placement.per_day and shown.get(candidate.template, 0) >= placement.per_day:
        return "cap_reached"
    if candidate.where is not None and not candidate.where(context):
        return "where"
    return learnt.obstacle(candidate.template) if learnt is not None and candidate.template in learnt.arms else ""


def _gate(candidate: Candidate, allowed: Allowed) -> str:
    """Return why the player may not be shown this, "" when nothing stands against it."""
    purpose, advertises = candidate.purpose, candidate.purpose in ADVERTISING
    if purpose == "legal":
        return ""
    if allowed.is_excluded and advertises:
        return "excluded"
    by_product = f"{candidate.product}/{CHANNEL}" if candidate.product else ""
    keys = [key for key in (purpose, CHANNEL, by_product) if key]
    if any(key in allowed.muted for key in keys):
        return "consent_withdrawn"
    said = allowed.said
    # What was said of the product by this channel is the more specific; a withdrawal of a broader one stops all.
    if any(said.get(key) is False for key in keys):
        return "consent_withdrawn"
    if purpose in allowed.required:
        if by_product and allowed.products:
            return "" if said.get(by_product) else "consent_missing"
        return "" if any(said.get(key) for key in keys) else "consent_missing"
    return ""


def _drawn(candidates: Sequence[Candidate], seed: str, learnt: Learnt | None) -> Candidate:
    """Return one of equal candidates: by the slot's choice, else by weight, which is the same for the same seed."""
    if learnt is not None and candidates[0].template in learnt.arms:
        by_arm = {candidate.template: candidate for candidate in candidates}
        return by_arm[learnt.draw(tuple(by_arm))]
    if len(candidates) == 1:
        return candidates[0]
    drawn = int.from_bytes(blake2b(seed.encode(), digest_size=8).digest(), "big") / 2**64
    left = drawn * sum(candidate.weight for candidate in candidates)
    for candidate in candidates:
        left -= candidate.weight
        if left < 0:
            return candidate
    return candidates[-1]


def compile_placements(
    documents: Mapping[str, Mapping[str, Mapping[str, Any]]], errors: list[str]
) -> dict[str, Placement]:
    """Compile the kind ``placements``; what is wrong is added to ``errors`` as ``kind/id: path: problem``."""
    named = documents.get("placements", {})
    if len(named) > PLACEMENTS_MAX:
        errors.append(f"placements: expected at most {PLACEMENTS_MAX} placements, got {len(named)}")
        return {}
    compiled: dict[str, Placement] = {}
    for slot, document in named.items():
        try:
            config = PlacementConfig.model_validate(document)
        except ValidationError as error:
            errors += [f"placements/{slot}: {_problem(found)}" for found in error.errors(include_url=False)]
            continue
        errors += [f"placements/{slot}: {problem}" for problem in _broken_references(config, documents)]
        compiled[slot] = _compiled(slot, config)
    return compiled


def _broken_references(
    config: PlacementConfig, documents: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Iterator[str]:
    """Yield what names a thing that is not there."""
    templates = documents.get("templates", {})
    named = [(f"candidates[{n}]", one.template, one.purpose) for n, one in enumerate(config.candidates)]
    named += [("fallback", config.fallback.template, config.fallback.purpose)] if config.fallback else []
    for path, template, purpose in named:
        if template not in templates:
            yield f"{path}.template: expected the id of a template, got {template!r}"
        elif templates[template].get("channel") == "webhook":
            yield f"{path}.template: expected a template for people, got {template!r} of a webhook"
        elif purpose == "legal" and templates[template].get("legal") is not True:
            # what is legal passes exclusions and consents: only what is marked as a notice may say that it is
            yield f"{path}.template: expected a template with `legal: true`, got {template!r} without it"
    for n, one in enumerate(config.candidates):
        where = compile_condition(one.where, refused=_NO_EVENT)
        for kind, names in (("segment", where.segments), ("metric", where.metrics)):
            for name in sorted(names - documents.get(f"{kind}s", {}).keys()):
                yield f"candidates[{n}].where: expected the id of a {kind}, got {name!r}"
    if config.choose:
        yield from _broken_choice(config, config.choose, documents.get("choices", {}))


def _broken_choice(config: PlacementConfig, name: str, choices: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield why a choice cannot decide between the candidates."""
    if name not in choices:
        yield f"choose: expected the id of a choice, got {name!r}"
        return
    if choices[name].get("counts_from") == "sent":
        yield f"choose: expected a choice that counts from chosen, got {name!r} that counts from sent"
    arms = list(choices[name].get("arms") or {})
    templates = [one.template for one in config.candidates]
    for arm in arms:
        if (found := templates.count(arm)) != 1:
            yield f"choose: expected each arm of {name!r} as the template of one candidate, got {found} with {arm!r}"
    equal = {one.priority for one in config.candidates if one.template in arms}
    if len(equal) > 1:
        yield f"choose: expected arms of one priority, got {' '.join(map(str, sorted(equal)))}"
    for n, one in enumerate(config.candidates):
        if one.priority in equal and one.template not in arms:
            yield f"candidates[{n}]: expected another priority than that of the arms of {name!r}, got {one.priority}"
        if one.template in arms and one.weight != 1:
            yield f"candidates[{n}].weight: expected none beside `choose`, got {one.weight:g}"


def _compiled(slot: str, config: PlacementConfig) -> Placement:
    candidates = [
        Candidate(
            one.template,
            one.purpose,
            one.product or "",
            compile_condition(one.where, refused=_NO_EVENT) if one.where else None,
            one.priority,
            one.weight,
            as_ms(one.from_) if one.from_ else 0,
            as_ms(one.until) if one.until else 0,
        )
        for one in config.candidates
    ]
    fallback = config.fallback
    return Placement(
        slot,
        tuple(sorted(candidates, key=lambda candidate: -candidate.priority)),
        Candidate(fallback.template, fallback.purpose, fallback.product or "") if fallback else None,
        config.capping.per_day if config.capping else 0,
        config.choose or "",
    )


def _problem(found: Mapping[str, Any]) -> str:
    path = ".".join(str(step) for step in found["loc"]) or "document"
    return f"{path}: {str(found['msg']).removeprefix('Value error, ')}"
