"""A programme with one choice, asked in the ways that there are; players whose turns are taken, and what they count."""

from collections import Counter
from typing import Any

from msgspec import structs

from actors.player import Player
from actors.programme import compile_programme
from actors.turns import Turns
from domain.choices import OpenChoice
from domain.effects import ChoiceEnded, Chose, Effect, JourneyStepped
from domain.entries import Event, Landed, LogEntry, MessageRequest, TimerFired, decode_entry
from domain.player import Snapshot
from ml.choices.beliefs import ArmSums, Beliefs
from tests.crm.town import NOON, Town

HOUR, DAY = 3_600_000, 86_400_000
WINBACK: dict[str, Any] = {
    "arms": {"cashback": {"promotional": True}, "free-spins": {"promotional": True}, "nothing": {}},
    "outcome": {"event": "deposit_completed", "within": "3d"},
}
TEXT = {"title": {"en": "Hi"}, "body": {"en": "There"}}
TEMPLATES = {name: {"channel": "in_app", **TEXT} for name in ("cashback", "free-spins", "nothing")}
BY_NODE = {
    "entry": {"event": "went_quiet"},
    "nodes": [
        {
            "id": "best", "kind": "choose", "choice": "winback",
            "arms": {"cashback": "money", "free-spins": "spins", "nothing": None},
        },
        {"id": "money", "kind": "reward", "amount": 5},
        {"id": "spins", "kind": "reward", "amount": 7},
    ],
}  # fmt: skip


def by_message(**message: Any) -> dict[str, Any]:
    """Return a journey of one message whose template is drawn."""
    node = {"id": "say", "kind": "message", "purpose": "promo", "choose": {"template": "winback"}, **message}
    return {"entry": {"event": "went_quiet"}, "nodes": [node]}


def documents(choice: dict[str, Any] | None = None, journey: dict[str, Any] | None = None, **more: Any) -> Any:
    return {
        "choices": {"winback": WINBACK | (choice or {})},
        "templates": TEMPLATES,
        "journeys": {"back": journey or BY_NODE},
    } | more


class Chooser(Town):
    """A town whose players choose. ``sums`` is what the store's hash would hold."""

    def __init__(
        self, choice: dict[str, Any] | None = None, journey: dict[str, Any] | None = None, **more: Any
    ) -> None:
        super().__init__(compile_programme(1, documents(choice, journey, **more)))
        self.sums: Counter[str] = Counter()

    def publish(self, version: int, made: Any) -> None:
        self.told = structs.replace(self.told, programme=compile_programme(version, made))

    def believes(self, **arms: tuple[int, int]) -> None:
        """Publish how often each arm was rewarded: of how many, how many; ``_`` in a name is ``-``."""
        key = self.told.programme.crm.choices.choices["winback"].plan.key
        one = 1_000_000
        known = {a.replace("_", "-"): ArmSums(n, r * one, r * one) for a, (n, r) in arms.items()}
        self.told = structs.replace(self.told, beliefs=Beliefs(self.told.beliefs.number + 1, {key: known}))

    def _keep(self, player: str, turns: Turns) -> list[Effect]:
        for name, more in turns.sums:
            self.sums[name] += more
        return super()._keep(player, turns)

    def goes_quiet(self, player: str = "ann") -> Chose:
        """Have a player asked; the draw."""
        (chose,) = (effect for effect in self.does(player, "went_quiet") if isinstance(effect, Chose))
        return chose

    def deposits(self, player: str = "ann", **properties: Any) -> list[ChoiceEnded]:
        return self.ended(self.does(player, "deposit_completed", properties=properties))

    def open(self, player: str = "ann") -> tuple[OpenChoice, ...]:
        return self.of(player).choices.open

    def waits(self, ms: int) -> list[Effect]:
        """Let time pass; what the timers brought."""
        until, seen = self.now + ms, list[Effect]()
        while True:
            due = [(t.due, body, t) for body in self.timers if isinstance(t := decode_entry(body), TimerFired)]
            if not due or min(due)[0] > until:
                break
            at, body, timer = min(due, key=lambda item: item[:2])
            self.timers.discard(body)
            self.now = max(self.now, at)
            seen += self.take(timer)
        self.now = until
        return seen

    def request(self) -> MessageRequest:
        """Return the last message that was asked of the tower."""
        return [entry for entry in self.outputs if isinstance(entry, MessageRequest)][-1]

    def lands(self, outcome: str = "sent", channel: str = "in_app", player: str = "ann") -> list[Effect]:
        """Have the tower tell of the last message."""
        return self.take(Landed(player, self.request().id, outcome, channel, self.now))

    def receipt(self, outcome: str, player: str = "ann", channel: str = "email") -> list[Effect]:
        """Have a courier tell of the last message."""
        told = {"message_id": self.request().id, "channel": channel}
        event = Event(player, f"msg:{self.count}", f"message_{outcome}", self.now, told, type="message")
        return self.take(event)

    @staticmethod
    def ended(effects: list[Effect]) -> list[ChoiceEnded]:
        return [effect for effect in effects if isinstance(effect, ChoiceEnded)]

    @staticmethod
    def stepped(effects: list[Effect]) -> list[tuple[str, str, str, str]]:
        return [
            (effect.node, effect.outcome, effect.reason, effect.detail)
            for effect in effects
            if isinstance(effect, JourneyStepped)
        ]


def again(chooser: Chooser, log: list[LogEntry], player: str = "ann") -> Snapshot:
    """Fold a player's log again from nothing."""
    return Player(Snapshot(player)).take(log, chooser.told)[1]


__all__ = ["DAY", "HOUR", "NOON", "WINBACK", "Chooser", "again", "by_message", "documents"]
