"""What the configuration kind ``events`` says of an event: who may send it, and which properties it has. Pure."""

import re
from typing import Any

from msgspec import Struct

from api.values import Around, FieldMask, Unreadable, read_value
from domain.errors import Invalid

ID_MAX = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Changes = list[tuple[str, str]]  # (path, what was done), in order


class Rejection(Exception):
    """An event that is refused for good. Its siblings in the batch are not."""

    def __init__(self, code: str, detail: str, path: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.path = path


class EventMask(Struct, frozen=True):
    """One document of the kind ``events``."""

    client: bool = False
    properties: dict[str, FieldMask] = {}
    currency: str = ""
    aliases: dict[str, tuple[str, ...]] = {}  # other names of its properties
    money: tuple[str, ...] = ()  # which properties are
    phones: bool = False  # some are

    @classmethod
    def of(cls, document: dict[str, Any]) -> "EventMask":
        """Read a published document; it was validated when it was written, so anything odd asks for nothing."""
        currency = str(document.get("currency") or "")
        documents = {name: mask for name, mask in (document.get("properties") or {}).items() if isinstance(mask, dict)}
        masks = {name: FieldMask.of(mask, currency=currency) for name, mask in documents.items()}
        aliases = {name: tuple(map(str, mask["aliases"])) for name, mask in documents.items() if mask.get("aliases")}
        money = tuple(name for name, mask in masks.items() if mask.type == "money")
        phones = any(mask.type == "phone" for mask in masks.values())
        return cls(document.get("client") is True, masks, currency, aliases, money, phones)

    def applied(self, properties: dict[str, Any], changes: Changes, country: str = "") -> dict[str, Any]:
        """Return the properties as the rules see them; what is changed is added to ``changes``.

        Args:
            country: ISO 3166 alpha-2, by which phones without a country code are read.

        Raises:
            Rejection: ``bad_property``, with the path.
        """
        if not self.properties:
            return properties
        converted = dict(properties)
        around = Around(country, properties.get("currency"))
        if around.currency is None and self.currency and any(properties.get(name) is not None for name in self.money):
            converted["currency"] = self.currency
            changes.append(("properties.currency", f"{self.currency}, as the configuration says"))
        for name, mask in self.properties.items():
            value = converted.get(name)
            if value is None:
                if mask.required:
                    detail = f"expected {_article(mask.type)}, it is missing"
                    raise Rejection("bad_property", detail, f"properties.{name}")
                continue
            try:
                found, done = read_value(value, mask, around)
            except Unreadable as error:
                raise Rejection("bad_property", error.detail, f"properties.{error.beside or name}") from error
            converted[name] = found
            if done:
                changes.append((f"properties.{name}", done))
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


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aeio" else f"a {kind}"
