"""A player's whole turn: tone and models, the game's rules, the CRM's, and what the tower must hear of it. Pure."""

from collections.abc import Callable

from msgspec import Struct, structs

from actors.programme import Programme
from actors.requests import asked, finish
from crm.choices import is_barred
from crm.choices.chance import NO_CHANCE, Chance, Memory
from crm.facts import Heard, hear, on_asked, tells
from crm.facts.exclusions import RAISED_BY, exclude
from crm.facts.reach import REACH, is_same_reach, look
from crm.facts.tones import TONE, Record, ask, tone_in
from crm.identity import after_merge, is_joined
from crm.turn import cause_of, follow_up
from crm.turn import take_turn as take_crm_turn
from domain.context import PlayerContext
from domain.effects import Answered, FactTold, MessageRequested, PatternChanged
from domain.entries import Command, Entry, Event, LogEntry, Merged, MessageRequest, Reviewed
from domain.ids import KEEPER_PREFIX
from domain.player import Snapshot, snapshot_from_parts, with_parts
from domain.step import Draws, Step, joined
from gamification.turn import take_grants, take_keeper_turn, take_turn
from ml.choices.beliefs import Beliefs
from ml.patterns import shows_harm
from ml.turn import Scorer
from ml.turn import take_turn as take_models_turn

FOLLOW_UPS_MAX = 4  # rounds in one turn of: a journey gives, so segments and journeys move
_NOTE_CHARS_MAX = 1_000


class Told(Struct, frozen=True):
    """What a batch of turns needs beside the player: the world at these offsets."""

    programme: Programme
    partition: int
    store_seed: str
    model: Scorer | None = None  # in force; None: nobody is scored
    beliefs: Beliefs = Beliefs()  # in force: what is known of choices
    memory: Memory | None = None  # of a turn that is folded again: what it drew


def decide(state: Snapshot, entry: LogEntry, told: Told) -> Step[Snapshot]:
    """Take a whole turn: tone and models, the game's rules, the CRM's, then what the tower must hear of it."""
    programme = told.programme
    what = entry.entry
    if state.identity.merged_into:
        return after_merge(state, entry)
    if is_joined(state, what):
        return Step(state)
    draws = Draws(told.store_seed, told.partition, entry.offset)
    if state.player.startswith(KEEPER_PREFIX):
        return take_keeper_turn(programme.rules, state, entry, draws)
    is_harm = False
    unlike: tuple[PatternChanged, ...] = ()  # what was seen to be unlike the player
    tone = tone_in(what, state.air, entry.at)
    begun = with_parts(state, air={**state.air, TONE: tone}) if tone and tone != state.air.get(TONE) else state
    if programme.models is None:
        step = take_turn(programme.rules, begun, entry, draws)
    else:
        known = take_models_turn(programme.models, told.model, begun, entry)
        step = take_turn(programme.rules, known.state, entry, draws)
        if known.effects:
            unlike = tuple(effect for effect in known.effects if isinstance(effect, PatternChanged))
            is_harm = shows_harm(unlike, programme.models.patterns)
        if known.effects or known.timers:  # of nearly every event there is nothing to join
            step = joined(known, step)
    chance = (
        Chance(draws, told.beliefs, told.partition, told.memory, is_harm or _bars(what, entry.at))
        if programme.crm.choices.choices
        else NO_CHANCE
    )
    step = _with_crm(programme, state, step, entry, chance, unlike)
    after = step.state
    is_news = tells(programme.crm.facts, what, after.air)
    is_quiet = not is_news and not step.requests and not is_harm
    if is_quiet and not isinstance(what, Command) and not _may_reach_other(state, after):
        return step  # nearly every event
    heard = _heard(programme, what, after, entry.at, tone)
    if programme.tone is not None and isinstance(what, Event):
        ask(heard, what, programme.tone, after.profile.traits)
    if is_harm:  # in this very commit: what the game or a journey has just asked for is refused too
        exclude(heard, "harm", entry.at, {})
    if _may_reach_other(state, after) or not is_same_reach(after.air, heard.air):
        look(heard, after.profile.traits)
    after = with_air(after, heard)
    asks = (*step.requests, *heard.requests)
    requests = [finish(request, after, entry, programme, told.partition) for request in asks]
    effects = [*step.effects, *heard.effects]
    if isinstance(what, Command) and (answer := _ANSWERS.get(what.name)):
        effects.append(answer(_Asking(what, after, entry, programme, heard, requests)))
    on_asked(heard, requests)
    effects += [MessageRequested(r.id, r.template, r.purpose) for r in requests]
    effects += [FactTold(name, value) for name, value in heard.facts.items()]
    return structs.replace(
        step,
        state=with_air(after, heard),
        effects=tuple(effects),
        requests=tuple(requests),
        told=(*step.told, *heard.entries),
        stops=(*step.stops, *heard.stops),
        lifts=(*step.lifts, *heard.lifts),
        mutes=(*step.mutes, *heard.mutes),
    )


def _bars(what: Entry, at: int) -> bool:
    """Tell whether the entry itself excludes the player, or brings a profile that is excluded."""
    if isinstance(what, Merged):
        air = {name: data for name, data in what.parts.items() if name == "air"}
        return is_barred(snapshot_from_parts(what.source, 0, air).air, at)
    return isinstance(what, Event) and what.name in RAISED_BY


def with_air(state: Snapshot, heard: Heard) -> Snapshot:
    """Return the player with what was heard; the same object if nothing was."""
    return state if heard.air is state.air else with_parts(state, air=dict(heard.air))


def _may_reach_other(before: Snapshot, after: Snapshot) -> bool:
    """Tell whether the player's addresses may be others than before, or were never looked at."""
    traits = after.profile.traits
    if after.identity.merged_into:
        return False
    return traits is not before.profile.traits or (bool(traits) and REACH not in after.air)


def _heard(programme: Programme, what: Entry, after: Snapshot, at: int, tone: Record | None) -> Heard:
    """Hear what the entry tells, asking conditions of the player as the turn has left them."""
    crm = programme.crm
    scene = PlayerContext(
        after,
        what if isinstance(what, Event) else None,
        metric=lambda metric_id: programme.metrics.metric(after, metric_id, at),
        segment=after.segments.member.__contains__,
        now=at,
        zone=crm.timezone,
    )
    return hear(crm.facts, what, after.air, at=at, cause=entry_id(what), scene=scene, tone=tone)


def _with_crm(
    programme: Programme,
    before: Snapshot,
    step: Step[Snapshot],
    entry: LogEntry,
    chance: Chance,
    unlike: tuple[PatternChanged, ...],
) -> Step[Snapshot]:
    """Add the CRM's part. What a journey gives or changes may move segments and journeys again, a few times over."""
    crm, world = programme.crm, programme.metrics
    judged = step.state
    more = take_crm_turn(crm, world, before, judged, entry, chance, unlike)
    if more.state is judged and not more.effects:
        return joined(step, more) if more.timers or more.relays else step
    step = joined(step, more)
    for round_ in range(FOLLOW_UPS_MAX):
        if not more.grants and more.state.profile is judged.profile:
            break
        granted = take_grants(programme.rules, more.state, entry.at, cause_of(entry.entry), more.grants)
        step = joined(step, granted)
        if round_ == FOLLOW_UPS_MAX - 1:  # they chase each other: the next turn judges all segments anew
            rest = structs.replace(step.state.segments, version=-1)
            return structs.replace(step, state=with_parts(step.state, segments=rest))
        seen, judged = judged, granted.state
        more = follow_up(crm, world, seen, judged, entry, chance)
        step = joined(step, more)
    return step


def entry_id(entry: object) -> str:
    """Return the id an entry is known by in the history."""
    return cause_of(entry) or type(entry).__name__


class _Asking(Struct):
    """A command's turn, as its answer sees it."""

    command: Command
    state: Snapshot
    entry: LogEntry
    programme: Programme
    heard: Heard
    requests: list[MessageRequest]  # an answer may add one


def _message(asking: _Asking) -> Answered:
    request = asked(asking.command, asking.state, asking.entry, asking.programme)
    if isinstance(request, Answered):
        return request
    asking.requests.append(request)
    return Answered(code="ok", data={"request_id": request.id})


def _review(asking: _Asking) -> Answered:
    """Tell the tower what a person decided; whether it still waits for that is the tower's to say."""
    args, player = asking.command.args, asking.state.player
    request, approved = args.get("request_id"), args.get("approved")
    if not isinstance(request, str) or not request or not isinstance(approved, bool):
        detail = f"expected a request_id and approved, true or false, got {request!r} and {approved!r}"
        return Answered("invalid_arguments", detail[:300])
    by, note = str(args.get("by") or asking.command.source), str(args.get("note") or "")[:_NOTE_CHARS_MAX]
    asking.heard.entries.append(Reviewed(player, request, approved, by, note, asking.command.id))
    return Answered("ok", data={"request_id": request})


def _done(_: _Asking) -> Answered:
    return Answered(code="ok")


_ANSWERS: dict[str, Callable[[_Asking], Answered]] = {
    "message": _message,
    "review_message": _review,
    "exclude": _done,
    "readmit": _done,
}
