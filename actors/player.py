"""The player's actor: one live object per active player, single-threaded turns.

The same class runs in a host among thousands (``placement: shared``) and alone in a Ray actor (``dedicated``).
It knows no store: it folds a batch of its player's entries and answers what must be written.
"""

from hashlib import blake2b
from typing import Any

from msgspec import Struct, field, structs

from actors.programme import Programme
from actors.recent import told as recent_of
from actors.variables import filled_in
from crm.identity import after_merge, is_joined
from crm.templates import render
from crm.tower.airspace import facts_of
from crm.turn import cause_of, follow_up
from crm.turn import take_turn as take_crm_turn
from domain.effects import (
    Answered,
    DuplicateLate,
    DuplicateProposed,
    Effect,
    FactTold,
    HistoryRecord,
    JourneyEntered,
    MessageRequested,
    Posting,
    Reply,
    SetAside,
    encode_record,
    encode_reply,
)
from domain.entries import Command, Entry, Event, Fact, LogEntry, Merged, MessageRequest, Visited, encode_entry
from domain.player import Snapshot, changed_parts, with_parts
from domain.step import Draws, Step, joined
from gamification.turn import take_grants, take_turn

MESSAGE_TTL_MS = 24 * 3_600_000  # a request without an expiry
FOLLOW_UPS_MAX = 4  # rounds in one turn of: a journey gives, so segments and journeys move


class TurnFailed(Exception):
    """An entry of the engine's own failed; its partition stops, nothing is skipped."""


class Turns(Struct, array_like=True):
    """What a batch of one player's turns must write. Crosses the process boundary of a dedicated actor."""

    player: str
    base: int  # version the batch was folded from
    fields: dict[str, bytes] = field(default_factory=dict)  # changed parts of the snapshot
    history: list[tuple[str, bytes]] = field(default_factory=list)  # offset, record
    outputs: list[bytes] = field(default_factory=list)  # for the tower's log
    keys: list[tuple[str, str]] = field(default_factory=list)  # effect key, cause
    timers: list[tuple[bool, int, bytes]] = field(default_factory=list)
    replies: list[tuple[str, bytes]] = field(default_factory=list)  # channel, reply
    accounts: dict[str, int] = field(default_factory=dict)  # other side of the ledger, by "account:currency"
    failed: list[tuple[str, str]] = field(default_factory=list)  # offset, error: set aside
    recent: list[tuple[int, str, str, str]] = field(default_factory=list)  # at, player, what, id: for the live page
    groups: list[tuple[bool, str]] = field(default_factory=list)  # add, group
    relays: list[tuple[str, bytes]] = field(default_factory=list)  # player, entry for their log
    stops: list[str] = field(default_factory=list)  # reason: the player is excluded from this batch on
    duplicates: list[bytes] = field(default_factory=list)  # probable duplicates, for a person
    entered: list[str] = field(default_factory=list)  # walks whose visits brought the player into a journey


class Told(Struct, frozen=True):
    """What a batch of turns needs beside the player: the world at these offsets."""

    programme: Programme
    partition: int
    store_seed: str


class Player:
    """One player. ``snapshot`` is the state of the last batch that was kept."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def take(
        self, entries: list[LogEntry], told: Told, *, late: frozenset[str] = frozenset(), unrun: bool = False
    ) -> tuple[Turns, Snapshot]:
        """Fold the entries in order; what to write, and the state it leads to.

        ``snapshot`` is left as it was: the caller keeps the new one once it is committed.

        Args:
            late: Cause and key, a line each, of rewards that the same event took before: recorded, not applied.
            unrun: Set the (only) entry aside without running it.

        Raises:
            TurnFailed: an internal entry failed. A client's entry that fails is set aside with its error.
        """
        turns = Turns(self.snapshot.player, self.snapshot.version)
        state = self.snapshot
        for entry in entries:
            state = self._turn(state, entry, told, turns, late, unrun)
        if state is not self.snapshot:
            turns.fields = changed_parts(self.snapshot, state)
        if turns.fields:
            state = with_parts(state, version=self.snapshot.version + 1)
        return turns, state

    def _turn(
        self, state: Snapshot, entry: LogEntry, told: Told, turns: Turns, late: frozenset[str], unrun: bool
    ) -> Snapshot:
        """Take one turn; a client's entry that raises leaves the state as it was."""
        what = entry.entry
        if unrun and not isinstance(what, Event | Command):
            raise TurnFailed(f"{type(what).__name__} at {entry.offset}: its process died at it again and again")
        if unrun:
            return _set_aside(state, entry, "its process died at this entry again and again; it was not run", turns)
        try:
            step = decide(state, entry, told)
        except Exception as error:  # the one permitted catch around a turn (STYLE section 7)
            if not isinstance(what, Event | Command):
                raise TurnFailed(f"{type(what).__name__} at {entry.offset}: {error!r}") from error
            return _set_aside(state, entry, repr(error), turns)
        if taken := next((key.key for key in step.keys if f"{key.cause}\n{key.key}" in late), ""):
            record_turn(turns, entry, (DuplicateLate(taken),))
            return state
        if step.keys:
            turns.keys += [(key.key, key.cause) for key in step.keys]
        if step.timers:
            turns.timers += [(op.set, op.timer.due, encode_entry(op.timer)) for op in step.timers]
        if step.requests:
            turns.outputs += [encode_entry(request) for request in step.requests]
        if step.groups:
            turns.groups += [(op.add, op.group) for op in step.groups]
        if step.relays:
            turns.relays += [(relayed.player, encode_entry(relayed)) for relayed in step.relays]
        for effect in step.effects:
            if isinstance(effect, Posting):
                account = f"{effect.account}:{effect.currency}"
                turns.accounts[account] = turns.accounts.get(account, 0) - effect.amount
            elif isinstance(effect, FactTold):
                fact = Fact(state.player, effect.name, effect.value, entry.at, entry_id(what))
                turns.outputs.append(encode_entry(fact))
                # The id that joined was stopped for good: so is this one. A cool-off is the tower's to keep and end.
                if effect.name == "excluded" and _comes_from_a_merge(what) and (value := effect.value):
                    turns.stops += [str(value["reason"])] if value["until"] is None else []
            elif isinstance(effect, DuplicateProposed):
                turns.duplicates.append(
                    encode_record(HistoryRecord(entry_id(what), "duplicate_proposed", entry.at, (effect,)))
                )
            elif isinstance(effect, JourneyEntered) and isinstance(what, Visited) and effect.journey == what.ref:
                turns.entered.append(what.walk)
        record_turn(turns, entry, step.effects)
        return step.state


def decide(state: Snapshot, entry: LogEntry, told: Told) -> Step[Snapshot]:
    """Take a whole turn: the game's rules, the CRM's, then what the tower must hear of it."""
    programme = told.programme
    what = entry.entry
    if state.identity.merged_into:
        return after_merge(state, entry)
    if is_joined(state, what):
        return Step(state)
    step = take_turn(programme.rules, state, entry, Draws(told.store_seed, told.partition, entry.offset))
    step = _with_crm(programme, state, step, entry)
    facts = facts_of(what, step.state.air, at=entry.at)
    if not facts and not step.requests and not isinstance(what, Command):
        return step  # nearly every event
    effects = list(step.effects)
    requests = [finish(request, step.state, entry, told) for request in step.requests]
    if isinstance(what, Command) and what.name == "message":
        request = _asked(what, step.state, entry, told)
        if isinstance(request, Answered):
            effects.append(request)
        else:
            requests.append(request)
            effects.append(Answered(code="ok", data={"request_id": request.id}))
    effects += [MessageRequested(r.id, r.template, r.purpose) for r in requests]
    snapshot = step.state
    if facts:
        snapshot = with_parts(snapshot, air=snapshot.air | {fact.name: fact.value for fact in facts})
        effects += [FactTold(fact.name, fact.value) for fact in facts]
    if isinstance(what, Command) and what.name in ("exclude", "readmit"):
        effects.append(Answered(code="ok"))
    return structs.replace(step, state=snapshot, effects=tuple(effects), requests=tuple(requests))


def _with_crm(programme: Programme, before: Snapshot, step: Step[Snapshot], entry: LogEntry) -> Step[Snapshot]:
    """Add the CRM's part. What a journey gives or changes may move segments and journeys again, a few times over."""
    crm, world = programme.crm, programme.metrics
    judged = step.state
    more = take_crm_turn(crm, world, before, judged, entry)
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
        more = follow_up(crm, world, seen, judged, entry)
        step = joined(step, more)
    return step


def finish(request: MessageRequest, state: Snapshot, entry: LogEntry, told: Told) -> MessageRequest:
    """Give a rule's request its final id and its words; the rule's own id names the cause."""
    return MessageRequest(
        player=state.player,
        id=request_id(told.partition, state.player, request.id),
        template=request.template,
        purpose=request.purpose,
        channels=request.channels,
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        content=_content(request.template, request.content, state, entry, told),
        priority=request.priority,
        conflict_group=request.conflict_group,
        cause=request.cause,
    )


def request_id(partition: int, player: str, cause: str) -> str:
    """Return the id of the message request that a cause gives: the same cause, the same request."""
    return f"req_{partition:x}_{blake2b(f'{player}|{cause}'.encode(), digest_size=12).hexdigest()}"


def _comes_from_a_merge(entry: object) -> bool:
    """Tell whether the entry is of an id that joined this one, so that the store knows its stop under that id only."""
    return isinstance(entry, Merged) or (isinstance(entry, Command) and entry.forwarded != "")


def entry_id(entry: object) -> str:
    """Return the id an entry is known by in the history."""
    return cause_of(entry) or type(entry).__name__


def record_turn(turns: Turns, entry: LogEntry, effects: tuple[Effect, ...]) -> None:
    """Write down what the turn did, show it to the player and answer who waits for it."""
    what = entry.entry
    reply_to = getattr(what, "reply_to", "")
    if not effects and not reply_to:
        return
    record = HistoryRecord(entry_id(what), _name_of(what), entry.at, effects)
    if effects:
        data = encode_record(record)
        turns.history.append((entry.offset, data))
        turns.recent += [(entry.at, turns.player, about, name) for about, name in recent_of(effects)]
    if reply_to:
        turns.replies.append((reply_to, encode_reply(Reply(turns.player, entry.offset, record))))


def _name_of(entry: Entry) -> str:
    """Return what the history calls an entry: an event's or command's name, a timer's or visit's kind, else its tag."""
    return getattr(entry, "name", "") or getattr(entry, "kind", "") or str(entry.__struct_config__.tag)


def _set_aside(state: Snapshot, entry: LogEntry, error: str, turns: Turns) -> Snapshot:
    turns.failed.append((entry.offset, error))
    record_turn(turns, entry, (SetAside(error),))
    return state


def _asked(command: Command, state: Snapshot, entry: LogEntry, told: Told) -> MessageRequest | Answered:
    """Make the request that ``POST /v1/messages`` asks for, or say why not."""
    args = command.args
    template = str(args.get("template", ""))
    if template not in told.programme.crm.templates:
        return Answered(code="unknown_template", detail=f"there is no template {template!r} in the live programme")
    channels = args.get("channels", "best")
    return MessageRequest(
        player=state.player,
        id=str(args["request_id"]),
        template=template,
        purpose=str(args.get("purpose", "promo")),
        channels=tuple(channels) if isinstance(channels, list) else (str(channels),),
        requested_at=entry.at,
        expires_at=int(args.get("expires_at") or entry.at + MESSAGE_TTL_MS),
        content=_content(template, dict(args.get("variables") or {}), state, entry, told),
        priority=args.get("priority"),
        conflict_group=str(args.get("conflict_group") or ""),
        cause=command.id,
    )


def _content(template: str, given: dict[str, Any], state: Snapshot, entry: LogEntry, told: Told) -> dict[str, Any]:
    """Return a template's words for the player; ``given`` is what the rule or the caller brings."""
    crm = told.programme.crm
    if not template:  # a journey calls another system plainly: what it brings is the message
        return {"title": "", "body": "", "payload": given.get("payload") or {}}
    if not template:  # a webhook's plain payload
        return {"title": "", "body": "", "payload": given.get("payload", {})}
    if template not in crm.templates:
        return {"title": template, "body": ""}
    event = entry.entry if isinstance(entry.entry, Event) else None
    written = crm.templates[template]
    variables = filled_in(written, given, (told.programme, state, entry.at, event))
    return render(written, locale=state.profile.locale, fallback_locale=crm.locale, variables=variables)
