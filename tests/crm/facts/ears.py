"""A player's part ``air``, heard entry by entry, with the store's gates as the store keeps them."""

from collections.abc import Mapping
from typing import Any

from crm.facts import FactRules, Heard, hear, tells
from crm.facts.reach import is_same_reach, look
from crm.facts.rules import compile_facts
from crm.facts.tones import tone_in
from crm.tower.config import PolicyConfig
from crm.tower.policy import compile_policy
from domain.effects import ConsentChanged
from domain.entries import Command, Entry, Event, Merged, encode_entry
from domain.player import Snapshot, all_parts

NOON = 1_772_452_800_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def rules(**policy: Any) -> FactRules:
    """Compile a policy as an operator writes it."""
    config = PolicyConfig.model_validate(policy)
    compiled = compile_policy(config)
    return compile_facts(
        compiled.contexts,
        built_in=compiled.contexts.keys() - config.contexts.keys(),
        double_opt_in=compiled.double_opt_in,
        confirm_template=compiled.confirm_template,
    )


class Ears:
    """One player who is listened to; time moves only by hand."""

    def __init__(self, fact_rules: FactRules | None = None, *, traits: Mapping[str, Any] | None = None) -> None:
        self.rules = fact_rules or FactRules()
        self.air: dict[str, Any] = {}
        self.traits = dict(traits or {})
        self.now = NOON
        self.stops: dict[str, str] = {}
        self.muted: set[str] = set()
        self.heard: list[Heard] = []
        if traits:
            self._reach(Heard("ann", {}, NOON, ""))

    def take(self, entry: Entry) -> Heard:
        """Hear one entry, if it tells anything, and keep what comes of it."""
        cause = str(getattr(entry, "id", getattr(entry, "cause", "")))
        if not tells(self.rules, entry, self.air):
            return Heard("ann", self.air, self.now, cause)
        tone = tone_in(entry, self.air, self.now)
        heard = hear(self.rules, entry, self.air, at=self.now, cause=cause, tone=tone)
        if not is_same_reach(self.air, heard.air):
            look(heard, self.traits)
        self._keep(heard)
        return heard

    def event(self, name: str, *, at: int | None = None, **properties: Any) -> Heard:
        at = self.now if at is None else at
        return self.take(Event("ann", f"e{len(self.heard)}", name, at, properties))

    def says(self, **traits: Any) -> Heard:
        return self.take(Event("ann", f"e{len(self.heard)}", "identified", self.now, traits=traits))

    def message(self, outcome: str, **properties: Any) -> Heard:
        """Let something become of a message."""
        source = properties.pop("source_", "channel:email")
        said = {"message_id": "req_1", "channel": "email", **properties}
        event = Event(
            "ann", f"msg:req_1:1:{outcome}", f"message_{outcome}", self.now, said, type="message", source=source
        )
        return self.take(event)

    def asks(self, name: str, **args: Any) -> Heard:
        return self.take(Command("ann", "cmd:1", name, args))

    def joins(self, other: "Ears") -> Heard:
        parts = all_parts(Snapshot("anon:a", air=other.air))
        entry = Merged("ann", "anon:a", {"air": parts["air"]}, "m1")
        assert encode_entry(entry)
        return self.take(entry)

    def consents(self) -> list[ConsentChanged]:
        return [e for heard in self.heard for e in heard.effects if isinstance(e, ConsentChanged)]

    def _reach(self, heard: Heard) -> None:
        look(heard, self.traits)
        self.air = dict(heard.air)

    def _keep(self, heard: Heard) -> None:
        self.heard.append(heard)
        self.air = dict(heard.air)
        for reason in heard.lifts:
            self.stops.pop(reason, None)
        for stop in heard.stops:
            reason, _, until = stop.partition("|")
            self.stops[reason] = until
        for is_set, mark in heard.mutes:
            (self.muted.add if is_set else self.muted.discard)(mark)
