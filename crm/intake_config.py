"""Configuration of what comes in: ``events`` (masks), ``traits`` and ``mappings`` (docs/events.md)."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from domain.spelling import UNITS, spelled

FieldType = Literal[
    "money", "integer", "number", "string", "boolean", "timestamp", "date", "phone", "email", "enum", "object", "array"
]
TraitType = Literal[FieldType, "country", "locale", "timezone"]
ANY_EVENT = "*"
_RANGED = ("money", "integer", "number")

Name = Annotated[str, Field(min_length=1, max_length=100)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Unit = Annotated[str, Field(max_length=20)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _FieldConfig(_Document):
    """What a value must be. ``money`` becomes integer minor units whatever the sender wrote."""

    aliases: tuple[Name, ...] = Field(default=(), max_length=50)  # other names of it, in any script
    description: Annotated[str, Field(max_length=1000)] = ""
    values: tuple[Name, ...] = Field(default=(), max_length=200)  # of an enum
    unit: Unit | None = None  # of a number: what it is stored in
    min: int | float | None = None  # in minor units for money, in ``unit`` where there is one
    max: int | float | None = None
    currency: Currency | None = None  # of money whose sender does not say

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str | None) -> str | None:
        if value is not None and value not in UNITS:
            raise ValueError(f"expected a unit out of {' '.join(UNITS)}, got {value!r}")
        return value

    @field_validator("aliases")
    @classmethod
    def _spellable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for alias in value:
            if not spelled(alias):
                raise ValueError(f"expected letters or digits in a name, got {alias!r}")
        return value

    @model_validator(mode="after")
    def _belongs_together(self) -> "_FieldConfig":
        kind = getattr(self, "type", None)
        if (kind == "enum") != bool(self.values):
            raise ValueError("expected `values` with the type enum, and with no other")
        if self.unit is not None and kind != "number":
            raise ValueError(f"expected `unit` with the type number only, got {kind}")
        if (self.min is not None or self.max is not None) and kind not in _RANGED:
            raise ValueError(f"expected `min` and `max` with {', '.join(_RANGED)} only, got {kind}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"expected `min` <= `max`, got {self.min} and {self.max}")
        if self.currency is not None and kind != "money":
            raise ValueError(f"expected `currency` with the type money only, got {kind}")
        return self


class PropertyConfig(_FieldConfig):
    """What a property of an event holds. What cannot be read as its type refuses the event."""

    type: FieldType
    required: bool = False


class EventConfig(_Document):
    """An event's mask. ``client`` lets browsers and games send it, with a public key or a player's token."""

    client: bool = False
    properties: Annotated[dict[Name, PropertyConfig], Field(max_length=200)] = {}
    currency: Currency | None = None  # of its money where neither the event nor the property says

    @model_validator(mode="after")
    def _one_meaning(self) -> "EventConfig":
        aliases = {name: config.aliases for name, config in self.properties.items()}
        if fault := _ambiguous(aliases):
            raise ValueError(fault)
        return self


class TraitConfig(_FieldConfig):
    """``traits/<name>``: what one trait holds, and what happens to a value that cannot be read.

    ``drop`` leaves it out, ``keep`` takes it as it is, ``reject`` refuses the whole event.
    """

    type: TraitType | None = None  # None: anything, the document only gives it other names
    on_invalid: Literal["drop", "keep", "reject"] = "drop"


class MappingConfig(_Document):
    """``mappings/default`` for every event, ``mappings/<key id>`` on top of it for those sent with that key."""

    description: Annotated[str, Field(max_length=1000)] = ""
    events: Annotated[dict[Name, Name], Field(max_length=1000)] = {}  # their name -> ours
    properties: Annotated[dict[Name, Annotated[dict[Name, Name], Field(max_length=500)]], Field(max_length=500)] = {}
    traits: Annotated[dict[Name, Name], Field(max_length=1000)] = {}
    player: tuple[Annotated[str, Field(pattern=r"^(properties|traits)\..{1,100}$")], ...] = Field(
        default=(), max_length=10
    )  # where the player's id is when there is neither userId nor anonymousId

    @field_validator("events", "traits")
    @classmethod
    def _spellable(cls, value: dict[str, str]) -> dict[str, str]:
        return _spelled_once(value)

    @field_validator("properties")
    @classmethod
    def _each_spellable(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for event, names in value.items():
            if event != ANY_EVENT and not spelled(event):
                raise ValueError(f"expected an event's name or {ANY_EVENT!r}, got {event!r}")
            _spelled_once(names)
        return value


KINDS: dict[str, type[BaseModel]] = {"events": EventConfig, "traits": TraitConfig, "mappings": MappingConfig}


def conflicts(documents: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Say which names two traits claim, as "traits/id: aliases: problem"; one name must mean one trait."""
    owners: dict[str, str] = {}
    traits = documents.get("traits", {})
    for name in sorted(traits):
        owners[spelled(name)] = name
    for name in sorted(traits):
        for alias in traits[name].get("aliases", ()):
            owner = owners.setdefault(spelled(alias), name)
            if owner != name:
                yield f"traits/{name}: aliases: expected a name of its own, {alias!r} is traits/{owner}"


def _ambiguous(aliases: Mapping[str, tuple[str, ...]]) -> str:
    owners = {spelled(name): name for name in aliases}
    for name, others in aliases.items():
        for alias in others:
            owner = owners.setdefault(spelled(alias), name)
            if owner != name:
                return f"properties.{name}.aliases: expected a name of its own, {alias!r} is {owner!r}"
    return ""


def _spelled_once(names: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for theirs, ours in names.items():
        if not spelled(theirs) or not spelled(ours):
            raise ValueError(f"expected letters or digits in a name, got {theirs!r}: {ours!r}")
        if seen.setdefault(spelled(theirs), ours) != ours:
            raise ValueError(f"{theirs!r}: expected one meaning, got {seen[spelled(theirs)]!r} and {ours!r}")
    return names
