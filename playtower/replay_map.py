"""The map of a recorded log: which columns of a row are the player, the event, its time and its properties.

A map is data (YAML), compiled once into one function from a row to the JSON body of an event. Numbers may come as text
(CSV columns are read as text, so that a type never depends on the first block of a file).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from domain.calendar import known_zone
from domain.errors import Invalid

Row = Mapping[str, Any]
Read = Callable[[Row], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": Decimal(1000), "ms": Decimal(1), "us": Decimal("0.001"), "ns": Decimal("0.000001")}
_NO_MINOR_UNITS = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"]
)
_THREE_DIGITS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
_INTEGER_MAX = 2**53
_MS_MAX = 253_402_300_799_999  # the end of 9999

Name = Annotated[str, Field(min_length=1, max_length=200)]
Scalar = str | int | float | bool


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class When(_Document):
    """A question about one column. A cell without a value only answers ``exists``."""

    column: Name
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "starts_with", "exists"]
    value: Scalar | list[Scalar] = True

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.op == "in") != isinstance(self.value, list):
            raise ValueError(f"expected a list with `in` and one value otherwise, got {self.op} {self.value!r}")
        if self.op == "starts_with" and not isinstance(self.value, str):
            raise ValueError(f"expected a text with starts_with, got {self.value!r}")
        return self


class EventRule(_Document):
    """The event's name where ``when`` holds; without it, always."""

    name: Name
    when: When | None = None


class TimeColumn(_Document):
    """Where the time is: numbers in a ``unit``, text in a ``format`` (else ISO 8601), naive times in ``timezone``."""

    column: Name
    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: str | None = None
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if known_zone(value) is None:
            raise ValueError(f"expected an IANA zone such as Europe/London, got {value[:60]!r}")
        return value


class Property(_Document):
    """One property: a column, a product of columns, or the same value in every event."""

    column: Name | None = None
    product: Annotated[tuple[Name, ...], Field(min_length=2, max_length=10)] | None = None
    value: Scalar | None = None
    type: Literal["auto", "integer", "number", "string", "boolean", "money"] = "auto"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    absolute: bool = False  # without its sign: an amount returned is told by the event's name

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.column, self.product, self.value)) != 1:
            raise ValueError("expected exactly one of column, product, value")
        if (self.type == "money") != (self.currency is not None):
            raise ValueError("expected a currency with type: money, and only there")
        return self


class ReplayMap(_Document):
    """A whole map. Texts with ``{column}`` in them are templates; ``{row}`` and ``{file}`` are known too."""

    player: Name
    event: Name | Annotated[tuple[EventRule, ...], Field(min_length=1, max_length=100)]
    timestamp: TimeColumn
    properties: Annotated[dict[Name, Property], Field(max_length=100)] = {}
    message_id: Name = "{file}:{row}"

    @property
    def columns(self) -> list[str]:
        """The columns the map reads, each once, in the order of their first use."""
        player = [self.player] if "{" not in self.player else _fields(self.player)
        rules = [] if isinstance(self.event, str) else [rule.when.column for rule in self.event if rule.when]
        sources = [name for p in self.properties.values() for name in (p.column, *(p.product or ())) if name]
        named = [*player, *rules, self.timestamp.column, *sources, *_fields(self.message_id)]
        return [name for name in dict.fromkeys(named) if name not in ("row", "file")]


class Unmapped(Exception):
    """A row that is no event; ``code`` says why, and is counted."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Mapper:
    """A compiled map.

    Args:
        file: What ``{file}`` is in message ids.
    """

    def __init__(self, mapping: ReplayMap, file: str) -> None:
        self._player = _template(mapping.player) if "{" in mapping.player else _text_of(mapping.player)
        self._event = _event(mapping.event)
        self._occurred_ms = _time(mapping.timestamp)
        self._message_id = _template(mapping.message_id.replace("{file}", file.replace("{", "{{").replace("}", "}}")))
        self._properties = [(name, _property(p)) for name, p in mapping.properties.items()]
        currencies = {p.currency for p in mapping.properties.values() if p.currency}
        self._constants = {"currency": currencies.pop()} if len(currencies) == 1 else {}

    def occurred_ms(self, row: Row) -> int | None:
        """Return the row's time in milliseconds since the epoch, None when it has none that can be read."""
        return self._occurred_ms(row)

    def event(self, row: Row, number: int) -> dict[str, Any]:
        """Return the body of the row's event; without ``userId`` where the row names no player (the engine refuses it).

        Raises:
            Unmapped: no rule names the event, or there is no time to be read.
        """
        name = self._event(row)
        if name is None:
            raise Unmapped("no_event")
        occurred_ms = self._occurred_ms(row)
        if occurred_ms is None:
            raise Unmapped("bad_timestamp")
        body: dict[str, Any] = {
            "type": "track",
            "event": name,
            "messageId": self._message_id({**row, "row": number}) or f"row:{number}",
            "timestamp": _iso(occurred_ms),
        }
        player = self._player(row)
        if player:
            body["userId"] = player
        properties: dict[str, Any] = dict(self._constants)
        for key, read in self._properties:
            value = read(row)
            if value is not None:
                properties[key] = value
        body["properties"] = properties
        return body


def read_map(path: Path) -> ReplayMap:
    """Read and validate a map file.

    Raises:
        Invalid: it is not YAML or not a map; the message names the file and the place.
    """
    try:
        return ReplayMap.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Invalid(f"{path}: cannot be read: {error.strerror}", code="bad_map") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Invalid(f"{path}: expected YAML: {error}", code="bad_map") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{path}: {place}: {first['msg']}", code="bad_map") from error


def _fields(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def _cell(column: str) -> Read:
    """Return a reader of one column; ``a.b`` reaches into a JSON object when there is no column of that very name."""
    if "." not in column:
        return lambda row: row.get(column)
    keys = column.split(".")

    def read(row: Row) -> Any:
        if column in row:
            return row[column]
        value: Any = row
        for key in keys:
            if not isinstance(value, Mapping):
                return None
            value = value.get(key)
        return value

    return read


def _text(value: Any) -> str:
    """Return a cell as an id is written: a float column of whole numbers (pandas' nullable ints) has no ``.0``."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _text_of(column: str) -> Callable[[Row], str]:
    cell = _cell(column)
    return lambda row: _text(cell(row))


def _template(template: str) -> Callable[[Row], str]:
    """Return a filler of the template; one empty cell makes the whole empty."""
    parts = [(literal, _text_of(name) if name else None) for literal, name, _, _ in Formatter().parse(template)]

    def fill(row: Row) -> str:
        text = ""
        for literal, read in parts:
            text += literal
            if read is not None:
                value = read(row)
                if not value:
                    return ""
                text += value
        return text

    return fill


def _event(event: str | tuple[EventRule, ...]) -> Callable[[Row], str | None]:
    if isinstance(event, str):
        return lambda _: event
    rules = [(rule.name, _when(rule.when) if rule.when else None) for rule in event]

    def first(row: Row) -> str | None:
        for name, holds in rules:
            if holds is None or holds(row):
                return name
        return None

    return first


def _when(when: When) -> Callable[[Row], bool]:
    cell, op, value = _cell(when.column), when.op, when.value
    if op == "exists":
        return lambda row: (_text(cell(row)) != "") is bool(value)
    sample = value[0] if isinstance(value, list) and value else value
    numeric = isinstance(sample, int | float) and not isinstance(sample, bool)
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "eq": lambda a, b: a == b,
        "ne": lambda a, b: a != b,
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
        "in": lambda a, b: a in b,
        "starts_with": lambda a, b: a.startswith(b),
    }
    holds = compare[op]

    def answer(row: Row) -> bool:
        found = cell(row)
        if numeric:
            found = _number(found)
        elif found is not None and not isinstance(sample, bool):
            found = _text(found)
        return found is not None and holds(found, value)

    return answer


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, Decimal):
        value = float(value)
    return value if isinstance(value, int | float) and isfinite(value) else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    return _exact(value)


@lru_cache(maxsize=8192, typed=True)  # prices and quantities repeat
def _exact(value: int | float | str | Decimal) -> Decimal | None:
    try:
        number = Decimal(value if isinstance(value, int) else str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _property(prop: Property) -> Read:
    source = _source(prop)
    convert = _converter(prop)
    return lambda row: convert(source(row))


def _source(prop: Property) -> Read:
    if prop.column is not None:
        return _cell(prop.column)
    if prop.product is None:
        return lambda _: prop.value
    cells = [_cell(name) for name in prop.product]

    def product(row: Row) -> Decimal | None:
        result = Decimal(1)
        for cell in cells:
            factor = _decimal(cell(row))  # decimal: 3 x 0.35 is 1.05, not 1.0499999999999998
            if factor is None:
                return None
            result *= factor
        return result

    return product


def _converter(prop: Property) -> Callable[[Any], Any]:
    sign = abs if prop.absolute else (lambda number: number)
    if prop.type == "money":
        digits = 0 if prop.currency in _NO_MINOR_UNITS else 3 if prop.currency in _THREE_DIGITS else 2
        scale = Decimal(10) ** digits

        def minor(value: Any) -> int | None:
            number = _decimal(value)
            return (
                None
                if number is None or abs(number) > _INTEGER_MAX
                else sign(int((number * scale).to_integral_value()))
            )

        return minor
    if prop.type in ("integer", "number"):
        whole = prop.type == "integer"

        def number_of(value: Any) -> int | float | None:
            number = _number(value)
            if number is None or abs(number) > _INTEGER_MAX:
                return None
            return sign(int(number) if whole else number)

        return number_of
    if prop.type == "string":
        return lambda value: _text(value) or None
    if prop.type == "boolean":
        return lambda value: None if value is None else _text(value).lower() in ("true", "1", "yes", "t", "y")
    return _natural


def _natural(value: Any) -> Any:
    """Return a value JSON has: times as ISO texts, decimals as numbers, neither NaN nor infinities."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, str | int | list | dict):
        return value
    if isinstance(value, date):
        return value.isoformat()
    return _number(value) if isinstance(value, Decimal) else str(value)


def _time(spec: TimeColumn) -> Callable[[Row], int | None]:
    cell = _cell(spec.column)
    zone = ZoneInfo(spec.timezone)
    factor = _UNITS[spec.unit] if spec.unit else None
    form = spec.format

    def moment_of(value: Any) -> int | None:
        if isinstance(value, datetime):
            return _ms(value, zone)
        if factor is not None:
            number = _decimal(value)
            return None if number is None else int(number * factor)
        text = str(value).strip()
        # Naive: the zone is put in by _ms.
        return _ms(datetime.strptime(text, form) if form else datetime.fromisoformat(text), zone)  # noqa: DTZ007

    def read(row: Row) -> int | None:
        value = cell(row)
        if value is None or value == "":
            return None
        try:
            ms = moment_of(value)
        except (ValueError, OverflowError):
            return None
        return ms if ms is not None and 0 <= ms <= _MS_MAX else None

    return read


@lru_cache(maxsize=1024)
def _ms(moment: datetime, zone: ZoneInfo) -> int:
    """Return milliseconds since the epoch. A naive time that the zone has twice (autumn) is the first of the two."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=zone)) - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=1024)  # neighbours share it
def _iso(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"
