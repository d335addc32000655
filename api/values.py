"""One value as its configuration says: read, and told what was done to it. Pure.

Money is integer minor units: an integer already is; a decimal string or a float is a major amount of its currency, by
that currency's exponent (ISO 4217, table A.1; two unless listed here). Phones are E.164 by libphonenumber's metadata,
e-mails as RFC 5321 lets them be, their domain in IDNA; neither asks the network. The work on both is some 50 us a
value, so the last few thousand are remembered.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from msgspec import Struct
from phonenumbers import NumberParseException, PhoneNumberFormat

from api import places
from domain.calendar import as_datetime, known_zone
from domain.spelling import UNITS, spelled, unit_of

MONEY_MAX = 2**53  # exact in every JSON reader
NUMBER_MAX = 1e18  # of a converted quantity
DIGITS_MAX = 16  # of an amount; more would be computed for nothing
SECONDS_BELOW = 100_000_000_000  # a smaller number is seconds, not milliseconds (until the year 5138)
TEXT_MAX = 320  # characters of what is read as a phone, an e-mail, a place or an amount
SHOWN_MAX = 40  # of a value in a message
INTERNATIONAL_DIGITS_MIN = 12
REMEMBERED = 8192  # phones, and as many e-mails
_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"[-+]?[0-9]{1,16}(?:\.[0-9]{1,16})?")
_WITH_UNIT = re.compile(r"([-+]?[0-9]{1,16}(?:\.[0-9]{1,16})?)\s*([^\W\d_]{1,12}\.?)")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXPONENTS = {
    code: exponent
    for exponent, codes in (
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    )
    for code in codes.split()
}


class Unreadable(ValueError):
    """A value is not what it should be: what was expected, and what came.

    Args:
        beside: Name of the sibling that is at fault instead.
    """

    def __init__(self, detail: str, beside: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.beside = beside


class FieldMask(Struct, frozen=True):
    """What one property or trait must be."""

    type: str  # "" takes anything
    required: bool = False
    values: tuple[str, ...] = ()
    unit: str = ""
    min: int | float | None = None
    max: int | float | None = None
    currency: str = ""  # of money, where the event does not say
    on_invalid: str = "reject"

    @classmethod
    def of(cls, document: dict[str, Any], *, currency: str = "", on_invalid: str = "reject") -> "FieldMask":
        """Read a published document; it was validated when it was written, so anything odd asks for nothing."""
        values = document.get("values")
        return cls(
            str(document.get("type") or ""),
            document.get("required") is True,
            tuple(map(str, values)) if isinstance(values, list | tuple) else (),
            str(document.get("unit") or ""),
            document.get("min"),
            document.get("max"),
            str(document.get("currency") or currency),
            str(document.get("on_invalid") or on_invalid),
        )


class Around(Struct):
    """What the values beside one say of it."""

    country: str = ""  # ISO 3166 alpha-2: whose national numbers are meant
    currency: Any = None  # what the event says, not checked yet


Read = tuple[Any, str]  # the value, and what was done to it ("" nothing)


def read_value(value: Any, mask: FieldMask, around: Around) -> Read:
    """Return the value as its mask wants it, and what was changed.

    Raises:
        Unreadable: it cannot be read as that.
    """
    reader = _READERS.get(mask.type)
    if reader is None:
        return value, ""
    found, done = reader(value, mask, around)
    if mask.min is not None and found < mask.min:
        raise Unreadable(f"expected at least {mask.min}, got {_shown(found)}")
    if mask.max is not None and found > mask.max:
        raise Unreadable(f"expected at most {mask.max}, got {_shown(found)}")
    return found, done


# --- plain values -----------------------------------------------------------------------------------------------------


def parse_time(value: str | float) -> int:
    """Return ISO 8601 or a number (s or ms since the epoch) as ms; a naive time is UTC.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    if not abs(value) < 10**15:
        raise ValueError("too large")
    return round(value * 1000) if abs(value) < SECONDS_BELOW else round(value)


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
        raise ValueError(f"expected a decimal amount, got {str(value)[:SHOWN_MAX]!r}") from error
    if not major.is_finite() or major.adjusted() > DIGITS_MAX:
        raise ValueError(f"expected an amount within 2^53 minor units, got {str(value)[:SHOWN_MAX]!r}")
    minor = major.scaleb(exponent(currency))
    whole = int(minor)
    if whole != minor:
        decimals = exponent(currency)
        raise ValueError(f"expected at most {decimals} decimals for {currency}, got {str(value)[:SHOWN_MAX]!r}")
    return whole


def _money(value: Any, mask: FieldMask, around: Around) -> Read:
    if type(value) is int:
        amount, done = value, ""
    elif type(value) in (str, float):
        currency = around.currency if around.currency is not None else mask.currency
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise Unreadable("expected an ISO 4217 code beside a decimal amount", "currency")
        if len(str(value)) > SHOWN_MAX or "_" in str(value):
            raise Unreadable("expected a decimal amount")
        try:
            amount = minor_units(value, currency)
        except ValueError as error:
            raise Unreadable(str(error)) from error
        done = f"{value} {currency} to minor units"
    else:
        raise Unreadable(f"expected a money amount, got {_type(value)}")
    if abs(amount) > MONEY_MAX:
        raise Unreadable("expected an amount within 2^53 minor units")
    return int(amount), done


def _integer(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is int:
        return value, ""
    if type(value) is float and value.is_integer() and abs(value) <= MONEY_MAX:
        return int(value), "to an integer"
    if type(value) is str and _NUMBER.fullmatch(text := value.strip()) and "." not in text:
        return int(text), "text to an integer"
    raise Unreadable(f"expected an integer, got {_type(value)}")


def _number(value: Any, mask: FieldMask, around: Around) -> Read:
    del around
    if type(value) in (int, float):
        return value, ""
    if type(value) is str and _NUMBER.fullmatch(text := value.strip()):
        return _plain(Decimal(text)), "text to a number"
    if mask.unit:
        return _measured(value, mask.unit)
    raise Unreadable(f"expected a number, got {_type(value)}")


def _measured(value: Any, unit: str) -> Read:
    """Read ``1.5 min`` or ``{"value": 1.5, "unit": "min"}`` in the unit of the mask."""
    stated: Any = None
    theirs = ""
    if type(value) is str and (found := _WITH_UNIT.fullmatch(value.strip())):
        stated, theirs = found[1], found[2]
    elif type(value) is dict and set(value) == {"value", "unit"} and isinstance(value["unit"], str):
        stated, theirs = value["value"], value["unit"]
    if type(stated) is str and _NUMBER.fullmatch(stated.strip()):
        amount = Decimal(stated.strip())
    elif type(stated) in (int, float):
        amount = Decimal(str(stated))
    else:
        raise Unreadable(f"expected a number of {unit}, got {_shown(value)}")
    known = unit_of(theirs)
    if known is None or UNITS[known][0] != UNITS[unit][0]:
        units = " ".join(name for name, (measure, _) in UNITS.items() if measure == UNITS[unit][0])
        raise Unreadable(f"expected a unit out of {units}, got {theirs[:20]!r}")
    converted = _plain(amount * UNITS[known][1] / UNITS[unit][1])
    if abs(converted) > NUMBER_MAX:
        raise Unreadable(f"expected a smaller number of {unit}, got {_shown(value)}")
    return converted, f"{_shown(stated).strip(chr(39))} {theirs[:20]} to {unit}"


def _plain(value: Decimal) -> int | float:
    return int(value) if abs(value) <= MONEY_MAX and value == value.to_integral_value() else float(value)


def _string(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is not str:
        raise Unreadable(f"expected a string, got {_type(value)}")
    return value, ""


def _boolean(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is bool:
        return value, ""
    if type(value) is str and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true", "text to a boolean"
    raise Unreadable(f"expected a boolean, got {_type(value)}")


def _enum(value: Any, mask: FieldMask, around: Around) -> Read:
    del around
    if type(value) is str:
        if value in mask.values:
            return value, ""
        if len(value) <= TEXT_MAX and (name := spelled(value)):
            for known in mask.values:
                if spelled(known) == name:
                    return known, f"{value[:SHOWN_MAX]!r} to {known!r}"
    expected = ", ".join(mask.values[:10]) + (", ..." if len(mask.values) > 10 else "")
    raise Unreadable(f"expected one of {expected}, got {_shown(value)}")


def _object(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is not dict:
        raise Unreadable(f"expected an object, got {_type(value)}")
    return value, ""


def _array(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is not list:
        raise Unreadable(f"expected an array, got {_type(value)}")
    return value, ""


# --- times and days ---------------------------------------------------------------------------------------------------


def _timestamp(value: Any, mask: FieldMask, around: Around) -> Read:
    """Read a moment as ISO 8601 in UTC with milliseconds, so that text sorts as time does."""
    del mask, around
    if type(value) not in (str, int, float):
        raise Unreadable(f"expected a time (ISO 8601, or s or ms since 1970), got {_shown(value)}")
    try:
        at = parse_time(value.strip() if isinstance(value, str) else value)
        text = as_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable(f"expected a time (ISO 8601, or s or ms since 1970), got {_shown(value)}") from error
    return text, "" if text == value else "to ISO 8601, UTC"


def _date(value: Any, mask: FieldMask, around: Around) -> Read:
    """Read YYYY-MM-DD, DD.MM.YYYY or the day of an ISO 8601 time, as it is written there."""
    del mask, around
    try:
        day = _day(value.strip()) if type(value) is str else ""
    except ValueError:  # a 31st of February
        day = ""
    if not day:
        raise Unreadable(f"expected a day (YYYY-MM-DD or DD.MM.YYYY), got {_shown(value)}")
    return day, "" if day == value else "to YYYY-MM-DD"


def _day(text: str) -> str:
    if found := _DAY_FIRST.fullmatch(text):
        return date(int(found[3]), int(found[2]), int(found[1])).isoformat()
    if _DATE.fullmatch(text):
        return date.fromisoformat(text).isoformat()
    if _DATE.match(text) and text[10] in "Tt ":
        return datetime.fromisoformat(text).date().isoformat()
    return ""


# --- people and places ------------------------------------------------------------------------------------------------


def _phone(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask
    text = str(value) if type(value) is int else value
    number = e164(text, around.country) if type(text) is str and len(text) <= TEXT_MAX else ""
    if not number:
        by = f"a number of {around.country}" if around.country else "or a country to read it by"
        raise Unreadable(f"expected a phone number (+, country code, number; {by}), got {_shown(value)}")
    return number, "" if number == value else "to E.164"


@lru_cache(maxsize=REMEMBERED)
def e164(text: str, country: str = "") -> str:
    """Return a phone number as E.164, "" when it is none.

    In this order: as it is with its ``+`` (or ``00``); as a number of the country; as an international one that lacks
    its ``+``, of 12 digits or more (15012345678 is a mobile in China and a landline in Arkansas). Valid means that
    the number plan has such numbers, not that somebody answers.
    """
    text = text.strip()
    if text.startswith("00"):
        text = f"+{text[2:]}"
    tries: list[tuple[str, str | None]] = []
    if text.startswith("+") or country:
        tries.append((text, country or None))
    if not text.startswith("+") and sum(c.isdigit() for c in text) >= INTERNATIONAL_DIGITS_MIN:
        tries.append((f"+{text}", None))
    for written, region in tries:
        try:
            number = phonenumbers.parse(written, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
    return ""


def _email(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    if type(value) is not str or len(value) > TEXT_MAX:
        raise Unreadable(f"expected an e-mail address, got {_shown(value)}")
    address, fault = clean_email(value)
    if not address:
        raise Unreadable(f"expected an e-mail address, got {_shown(value)}: {fault}")
    return address, "" if address == value else "cleaned"


@lru_cache(maxsize=REMEMBERED)
def clean_email(text: str) -> tuple[str, str]:
    """Return an e-mail address with its domain in lower-case IDNA, or "" and what is wrong with it.

    What stands before the @ is the mailbox's own business and keeps its case. ``.test`` (RFC 2606) is let through.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        return "", str(error)
    return f"{found.local_part}@{found.ascii_domain}", ""


def _country(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    code = places.country(value) if type(value) is str and len(value) <= TEXT_MAX else ""
    if not code:
        raise Unreadable(f"expected a country (ISO 3166 or its name), got {_shown(value)}")
    return code, "" if code == value else f"{value[:SHOWN_MAX]!r} to {code}"


def _locale(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    tag = places.locale(value) if type(value) is str and len(value) <= TEXT_MAX else ""
    if not tag:
        raise Unreadable(f"expected a language such as uk or uk-UA, got {_shown(value)}")
    return tag, "" if tag == value else f"{value[:SHOWN_MAX]!r} to {tag}"


def _timezone(value: Any, mask: FieldMask, around: Around) -> Read:
    del mask, around
    name = value.strip() if type(value) is str and len(value) <= 64 else ""
    if known_zone(name) is None:
        raise Unreadable(f"expected an IANA zone such as Europe/Kyiv, got {_shown(value)}")
    return name, "" if name == value else "cleaned"


_READERS: dict[str, Callable[[Any, FieldMask, Around], Read]] = {
    "money": _money,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
    "phone": _phone,
    "email": _email,
    "enum": _enum,
    "object": _object,
    "array": _array,
    "country": _country,
    "locale": _locale,
    "timezone": _timezone,
}


def _type(value: Any) -> str:
    names = {bool: "a boolean", str: "a string", dict: "an object", list: "an array", int: "an integer"}
    return names.get(type(value), "a number" if value is not None else "null")


def _shown(value: Any) -> str:
    """Return a value for a message: short ones as they are."""
    if type(value) in (int, float, bool):
        return str(value)[:SHOWN_MAX]
    return repr(value[:SHOWN_MAX]) if type(value) is str else _type(value)
