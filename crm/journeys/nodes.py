"""What each kind of node does when a player comes to it, and where it leads."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from crm.journeys import choosing
from crm.journeys.node_config import (
    BranchNode,
    ChooseNode,
    DelayNode,
    ExitNode,
    FromConfig,
    JourneyNode,
    MessageNode,
    ProfileNode,
    RewardNode,
    SplitNode,
    WaitNode,
    WebhookNode,
)
from crm.journeys.reasons import Ending, Outcome, Reason
from crm.journeys.rules import Node
from domain.calendar import known_zone
from domain.effects import TraitsChanged
from domain.step import Grant

if TYPE_CHECKING:
    from crm.journeys.walk import Walk

TRAITS_MAX = 256  # of a profile, as the events' own traits
_HASH_SPAN = 2**64


class Way(NamedTuple):
    """Where the player goes; None: the journey is walked to its end."""

    to: str | None


def run(walk: "Walk", node: Node) -> Way | None:
    """Do what a node does that does not wait; None: it ended the walk."""
    match node.config:
        case MessageNode() as message:
            return _message(walk, message)
        case BranchNode():
            return _branch(walk, node)
        case SplitNode():
            return _split(walk, node)
        case ChooseNode() as choose:
            return Way(choosing.way_of(walk, choose, key_of(walk)))
        case RewardNode() as reward:
            return _reward(walk, reward)
        case ProfileNode() as profile:
            return _profile(walk, profile)
        case WebhookNode() as webhook:
            return _webhook(walk, webhook)
        case JourneyNode() as journey:
            return _begin(walk, journey)
        case ExitNode() as leaving:
            walk.end(Ending(leaving.outcome), leaving.reason or Reason.LAST_NODE)
            return None
        case DelayNode() | WaitNode():
            raise AssertionError(f"a {node.config.kind} waits")


def arrive(walk: "Walk", node: Node, due: int | None) -> Way | None:
    """Begin to wait at a node; a way when there is nothing to wait for.

    Args:
        due: When time takes the player on; None: the walk's data has no such moment.
    """
    match node.config:
        case DelayNode(next=target) if due is None or due <= walk.turn.at:
            walk.step(Outcome.DELAYED, Reason.NO_DATE if due is None else Reason.PAST, target)
            return Way(target)
        case WaitNode() if node.wanted is not None and node.wanted.holds(walk.turn):
            target = on_event(node)
            walk.step(Outcome.WAITED, Reason.CONDITION, target)
            return Way(target)
        case JourneyNode() as journey:
            _begin(walk, journey)
        case _:
            pass
    return None


def on_event(node: Node) -> str | None:
    """Return where a wait leads when what it waits for happens."""
    assert isinstance(node.config, WaitNode)
    return node.config.on_event or node.config.next


def when_due(node: Node) -> tuple[Outcome, Reason, str | None]:
    """Return how time ends a delay or a wait, and where it leads."""
    if isinstance(node.config, WaitNode):
        return Outcome.WAITED, Reason.TIMEOUT, node.config.on_timeout or node.config.next
    return Outcome.DELAYED, Reason.TIME, node.config.next


def _message(walk: "Walk", message: MessageNode) -> Way:
    template, key = message.template or "", key_of(walk)
    if walk.held.messages >= walk.journey.config.limits.max_messages:
        walk.step(Outcome.SKIPPED, Reason.MESSAGE_LIMIT, message.next, template)
        return Way(message.next)
    picked = choosing.of_message(walk, message, key)
    if isinstance(picked, Reason):
        walk.step(Outcome.SKIPPED, picked, message.next, template)
    elif picked.template not in walk.round.rules.templates:
        walk.step(Outcome.SKIPPED, Reason.TEMPLATE_REMOVED, message.next, picked.template)
    else:
        walk.turn.ask_for_message(
            picked.template,
            message.purpose,
            key,
            {**_variables(walk, message.variables), **({"tone": message.tone} if message.tone else {})},
            channels=picked.channels,
            life_ms=message.expires * 1000,
            priority=message.priority,
            conflict_group=message.conflict_group,
            source=walk.source,
            product=message.product or "",
            goal=message.goal.model_dump(mode="json", exclude_none=True) if message.goal else None,
            ask_person=message.ask_person,
            tells=picked.tells,
        )
        picked.open(walk, key, message.expires * 1000)
        walk.change(messages=walk.held.messages + 1)
        walk.step(Outcome.SENT, picked.by, message.next, picked.template)
    return Way(message.next)


def _webhook(walk: "Walk", webhook: WebhookNode) -> Way:
    if webhook.template and webhook.template not in walk.round.rules.templates:
        walk.step(Outcome.SKIPPED, Reason.TEMPLATE_REMOVED, webhook.next, webhook.template)
        return Way(webhook.next)
    payload = {
        name: value for name, source in (webhook.payload or {}).items() if (value := _value(walk, source)) is not None
    }
    walk.turn.ask_for_message(
        webhook.template or "",
        "service",
        key_of(walk),
        {**_variables(walk, {}), "payload": payload},
        channels=("webhook",),
        # not the walk's own source: a call to another system is not taken back when the walk ends
        source=walk.source.rpartition("#")[0],
    )
    walk.step(Outcome.CALLED, "", webhook.next, webhook.template or "")
    return Way(webhook.next)


def _branch(walk: "Walk", node: Node) -> Way:
    for n, (condition, target) in enumerate(node.paths):
        if condition.holds(walk.turn):
            walk.step(Outcome.BRANCHED, Reason.CONDITION, target, f"paths[{n}]")
            return Way(target)
    target = node.config.skips_to
    walk.step(Outcome.BRANCHED, Reason.DEFAULT, target)
    return Way(target)


def _split(walk: "Walk", node: Node) -> Way:
    assert isinstance(node.config, SplitNode)
    at = share_of(node.config.salt, walk.journey.id, node.id, walk.turn.player)
    name, target = next((name, target) for bound, name, target in node.shares if at < bound)
    walk.step(Outcome.SPLIT, Reason.SHARE, target, name)
    return Way(target)


def share_of(salt: str, journey: str, node: str, player: str) -> float:
    """Return the player's place in 0..1 at a split: the same for ever, and independent between splits."""
    digest = blake2b(f"{salt}|{journey}|{node}|{player}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _HASH_SPAN * (1 - 2**-53)  # 2**64 - 1 rounds up to 1


def _reward(walk: "Walk", reward: RewardNode) -> Way:
    rule, held = _rule(walk), walk.held
    key = f"{rule}.{held.number}.{held.taken}"
    walk.turn.grants.append(Grant(reward.currency, reward.amount, rule, reward.budget or "", key))
    walk.step(Outcome.REWARDED, "", reward.next, f"{reward.amount} {reward.currency}")
    return Way(reward.next)


def _profile(walk: "Walk", profile: ProfileNode) -> Way:
    traits = dict(walk.turn.profile.traits)
    changed: dict[str, Any] = {}
    reason: Reason | str = ""
    for name, source in profile.set.items():
        value = _value(walk, source)
        if value is None and source is not None:
            reason = Reason.VALUE_MISSING
        elif value is None:
            if traits.pop(name, None) is not None:
                changed[name] = None
        elif name not in traits and len(traits) >= TRAITS_MAX:
            reason = Reason.TOO_MANY_TRAITS
        elif name not in traits or traits[name] != value or type(traits[name]) is not type(value):
            traits[name] = changed[name] = value
    if changed:
        zone, locale = changed.get("timezone"), changed.get("locale")
        walk.turn.set_profile(
            structs.replace(
                walk.turn.profile,
                traits=traits,
                timezone=zone if isinstance(zone, str) and known_zone(zone) else walk.turn.profile.timezone,
                locale=locale if isinstance(locale, str) else walk.turn.profile.locale,
            )
        )
        walk.turn.effects.append(TraitsChanged(changed, _rule(walk)))
    walk.step(Outcome.CHANGED, reason, profile.next, " ".join(sorted(changed)))
    return Way(profile.next)


def _begin(walk: "Walk", journey: JourneyNode) -> Way:
    walk.round.begins.append((journey, walk))
    walk.step(Outcome.BEGUN, "", "" if journey.wait else journey.next, journey.journey)
    return Way(journey.next)


def key_of(walk: "Walk") -> str:
    """Name this pass of this node: what it asks for is asked for once."""
    return f"journeys/{walk.journey.id}/{walk.held.number}/{walk.held.taken}"


def _rule(walk: "Walk") -> str:
    return f"journeys/{walk.journey.id}/{walk.held.node}"


def _variables(walk: "Walk", own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a template may name beside the player: the event that began the walk, the walk, the node's own."""
    held = walk.held
    return {
        "event": {"id": held.cause, "properties": held.data},
        "journey": {
            "id": walk.journey.id,
            "name": walk.journey.name,
            "number": held.number,
            "data": held.data,
            "steps": {step.id: step.id in held.steps for step in walk.journey.steps},
            "steps_done": walk.steps_done(),
        },
        **{name: value for name, source in own.items() if (value := _value(walk, source)) is not None},
    }


def _value(walk: "Walk", source: Any) -> Any:
    """Return a constant, or what the turn's event or the walk's data has at a path; None: nothing of use."""
    if not isinstance(source, FromConfig):
        return source
    root, *keys = source.from_.split(".")
    held: Any = walk.held.data
    if root == "event":
        held, keys = (walk.turn.event.properties if walk.turn.event is not None else {}), keys[1:]
    for key in keys:
        held = held.get(key) if isinstance(held, Mapping) else None
    return held if isinstance(held, (str, int, float, bool)) else None
