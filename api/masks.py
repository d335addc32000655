"""What the configuration kind ``events`` says of an event: who may send it, and which properties it has.

A mask turns money into integer minor units: an integer already is; a decimal string or a float is a major amount of
``properties.currency``, by that currency's exponent (ISO 4217, table A.1; two unless listed here). Pure.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from domain.errors import Invalid

MONEY_MAX = 2**53  # exact in every JSON reader
ID_MAX = 256
DIGITS_MAX = 16  # of an amount; more would be computed for nothing
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EXPONENTS = {
    code: exponent
    for exponent, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split()
}


class Rejection(Exception):
    """An event that is refused for good. Its siblings in the batch are not."""

    def __init__(self, code: str, detail: str, path: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.path = path


class PropertyMask(Struct, frozen=True):
    """What one property must be."""

    type: str  # money integer number string boolean
    required: bool = False


class EventMask(Struct, frozen=True):
    """One document of the kind ``events``."""

    client: bool = False
    properties: dict[str, PropertyMask] = {}

    @classmethod
    def of(cls, document: dict[str, Any]) -> "EventMask":
        """Read a published document; it was validated when it was written, so anything odd asks for nothing."""
        masks = {
            name: PropertyMask(str(mask.get("type", "")), bool(mask.get("required", False)))
            for name, mask in (document.get("properties") or {}).items()
            if isinstance(mask, dict)
        }
        return cls(document.get("client") is True, masks)

    def applied(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Return the properties as the rules see them.

        Raises:
            Rejection: ``bad_property``, with the path.
        """
        if not self.properties:
            return properties
        converted = dict(properties)
        for name, mask in self.properties.items():
            value = converted.get(name)
            if value is None:
                if mask.required:
                    raise Rejection("bad_property", f"expected a {mask.type}, it is missing", f"properties.{name}")
                continue
            converted[name] = _converted(name, value, mask.type, properties)
        return converted


def check_id(value: str, what: str) -> str:
    """Return an id that may be part of a key's name.

    Raises:
        Invalid: it is empty, too long, or holds control characters or ``|``.
    """
    if fault := id_fault(value):
        raise Invalid(f"{what}: {fault}", code="bad_id")
    return value


def id_fault(value: str) -> str:
    """Return what is wrong with an id, "" when nothing is."""
    if not value:
        return "expected an id, it is empty"
    if len(value) > ID_MAX:
        return f"expected at most {ID_MAX} characters, it has {len(value)}"
    if "|" in value or (not value.isprintable() and _CONTROL.search(value)):
        return "expected no control characters and no '|'"
    return ""


def exponent(currency: str) -> int:
    """Return how many decimals a currency's minor unit stands for."""
    return _EXPONENTS.get(currency, 2)


def minor_units(value: str | float, currency: str) -> int:
    """Return a major amount as minor units, exactly.

    Raises:
        ValueError: it is not a decimal number, or finer than the currency's minor unit.
    """
    try:
        major = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"expected a decimal amount, got {str(value)[:40]!r}") from error
    if not major.is_finite() or major.adjusted() > DIGITS_MAX:
        raise ValueError(f"expected an amount within 2^53 minor units, got {str(value)[:40]!r}")
    minor = major.scaleb(exponent(currency))
    whole = int(minor)
    if whole != minor:
        raise ValueError(f"expected at most {exponent(currency)} decimals for {currency}, got {str(value)[:40]!r}")
    return whole


def _converted(name: str, value: Any, kind: str, properties: dict[str, Any]) -> Any:
    path = f"properties.{name}"
    if kind == "money":
        return _money(value, properties.get("currency"), path)
    if kind == "integer":
        if type(value) is float and value.is_integer() and abs(value) <= MONEY_MAX:
            return int(value)
        right = type(value) is int
    elif kind == "number":
        right = type(value) in (int, float)
    elif kind == "string":
        right = type(value) is str
    elif kind == "boolean":
        right = type(value) is bool
    else:
        right = True
    if not right:
        raise Rejection("bad_property", f"expected a {kind}, got {_type(value)}", path)
    return value


def _money(value: Any, currency: Any, path: str) -> int:
    if type(value) is int:
        amount = value
    elif type(value) in (str, float):
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise Rejection("bad_property", "expected an ISO 4217 code beside a decimal amount", "properties.currency")
        if len(str(value)) > 40 or "_" in str(value):
            raise Rejection("bad_property", "expected a decimal amount", path)
        try:
            amount = minor_units(value, currency)
        except ValueError as error:
            raise Rejection("bad_property", str(error), path) from error
    else:
        raise Rejection("bad_property", f"expected a money amount, got {_type(value)}", path)
    if abs(amount) > MONEY_MAX:
        raise Rejection("bad_property", "expected an amount within 2^53 minor units", path)
    return int(amount)


def _type(value: Any) -> str:
    names = {bool: "a boolean", str: "a string", dict: "an object", list: "an array", int: "an integer"}
    return names.get(type(value), "a number")
