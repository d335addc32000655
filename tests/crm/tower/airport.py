"""One player's tower driven by hand: requests, facts, and a clock that fires the timers it was given."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crm.programme import CrmRules, compile_crm
from crm.tower.airspace import Airspace, Facts
from crm.tower.turn import TowerStep, take_tower_turn
from domain.calendar import as_ms
from domain.decisions import Decision, Delivery
from domain.dispatch import Dispatch
from domain.entries import Asked, ChannelChanged, Entry, Fact, LogEntry, MessageRequest, Receipt, TimerFired

ALL_CHANNELS = ("in_app", "push", "email", "sms", "messenger", "webhook")
REACH = {"email": "0e", "sms": "05", "push": "09", "messenger": "0a"}  # digests of ann's addresses
TEMPLATE = {"channel": "in_app", "title": {"en": "Notice"}, "body": {"en": "..."}}
SEVERAL = {
    "channel": "in_app",
    "title": {"en": "{{ count }} things", "uk": "{{ count }} речі"},
    "body": {"en": "{% for m in messages %}{{ m.title }}: {{ m.body }}; {% endfor %}"},
    "variables": ["count", "messages"],
}
HOUR = 3_600_000
DAY = 24 * HOUR


def at(clock: str, day: str = "2026-03-10") -> int:
    """Return milliseconds of a wall clock in UTC."""
    return as_ms(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC))


def rules(*, timezone: str = "UTC", channels: tuple[str, ...] = ALL_CHANNELS, **policy: Any) -> CrmRules:
    """Compile a policy written as an operator writes it; without any it lets everything through."""
    documents = {
        "policies": {"default": policy},
        "settings": {"main": {"timezone": timezone}},
        "templates": {"notice": TEMPLATE | {"legal": True}, "several": SEVERAL},
    }
    return compile_crm(7, documents, channels=channels)


def request(name: str = "r1", **changes: Any) -> MessageRequest:
    """Make a promo that asks for in-app at noon and expires in three days."""
    asked: dict[str, Any] = {
        "player": "ann",
        "id": name,
        "template": "free-spins",
        "purpose": "promo",
        "channels": ("in_app",),
        "requested_at": at("12:00"),
        "expires_at": at("12:00") + 3 * DAY,
        "content": {"title": "Ten free spins", "body": "Come and play"},
    }
    return MessageRequest(**{**asked, **changes})


def case(*, is_open: bool, since: int = 0) -> dict[str, Any]:
    return {"open": is_open, "since": since, "cases": ["c1"] if is_open else []}


EXCLUDED = {"reason": "self_exclusion", "since": 0, "until": None}


@dataclass
class Airport:
    """A player's tower with a virtual clock."""

    rules: CrmRules
    airspace: Airspace = field(default_factory=lambda: Airspace("ann", facts=Facts(reach=REACH)))
    now: int = field(default_factory=lambda: at("12:00"))
    stopped: bool = False
    decisions: list[Decision] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    timers: set[TimerFired] = field(default_factory=set)
    dispatches: list[Dispatch] = field(default_factory=list)
    voids: list[tuple[str, str]] = field(default_factory=list)
    reviews: dict[str, Any] = field(default_factory=dict)
    closed: dict[str, ChannelChanged] = field(default_factory=dict)

    def take(self, entry: Entry) -> TowerStep:
        """Fold one entry now and keep the timers as the store would."""
        step = take_tower_turn(
            self.rules, self.airspace, LogEntry("0-1", self.now, entry), stopped=self.stopped, closed=self.closed
        )
        self.airspace = step.airspace
        self.decisions += step.decisions
        self.deliveries += step.deliveries
        self.dispatches += step.dispatches
        self.voids += step.voids
        for name, record in step.reviews:
            if record is None:
                self.reviews.pop(name, None)
            else:
                self.reviews[name] = record
        for op in step.timers:
            if op.set:
                self.timers.add(op.timer)
            else:
                assert op.timer in self.timers, "cleared a timer that was never set"
                self.timers.remove(op.timer)
        return step

    def tell(self, name: str, value: Any) -> TowerStep:
        return self.take(Fact("ann", name, value, self.now))

    def ask(self, name: str = "r1", **changes: Any) -> str:
        """Request a message now and return what became of it."""
        self.take(request(name, **{"requested_at": self.now, **changes}))
        return self.outcome(name)

    def ask_together(self, *requests: MessageRequest) -> dict[str, str]:
        """Request several messages in one entry and return what became of each."""
        self.take(Asked("ann", requests))
        return {asked.id: self.outcome(asked.id) for asked in requests}

    def land(self, name: str = "r1", outcome: str = "sent", **more: Any) -> TowerStep:
        """Tell what became of a message outside, now."""
        dispatch = [dispatch for dispatch in self.dispatches if dispatch.id == name][-1]
        told = {"cause": f"msg:{name}:{dispatch.cleared_at}:{outcome}", "channel": dispatch.channel, "at": self.now}
        return self.take(Receipt("ann", name, outcome=outcome, **(told | more)))

    def wait_until(self, moment: int) -> None:
        """Let time pass; timers fire when they are due, in order."""
        while due := [timer for timer in self.timers if timer.due <= moment]:
            first = min(due, key=lambda timer: (timer.due, timer.ref))
            self.timers.remove(first)
            self.now = max(self.now, first.due)
            self.take(first)
        self.now = max(self.now, moment)

    def last(self, name: str = "r1") -> Decision:
        return [decision for decision in self.decisions if decision.request_id == name][-1]

    def outcome(self, name: str = "r1") -> str:
        return self.last(name).outcome

    def sent(self) -> list[tuple[str, int]]:
        """Return what was cleared, with its time, in order."""
        return [(d.request_id, d.at) for d in self.decisions if d.outcome in ("cleared", "rerouted")]
